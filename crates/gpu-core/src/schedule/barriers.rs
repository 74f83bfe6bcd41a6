//! What wgpu makes of the order of a step's calls: the barriers that it puts between them.
//!
//! It keeps one state for each whole buffer, as last bound in a pass: read only, or read and write. A call that binds a
//! buffer in another state, or for writing whatever the state was, gets a barrier before it, one for all its buffers
//! (wgpu-core, `track/buffer.rs`; wgpu-hal, `vulkan/command.rs`). Whether the ranges meet makes no difference.

use crate::{Access, Arena, BufferId, Call, Plan, Pool, Schedule, Sharing, plan};
use std::collections::HashMap;

/// The calls of a step and what is put between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BarrierCounts {
    /// Calls.
    pub dispatches: u64,
    /// Calls with a barrier before them.
    pub barriers: u64,
    /// Buffers that these barriers name.
    pub buffers: u64,
    /// Calls with a barrier before them in the first step of a pass, where nothing came before.
    pub first: u64,
}

/// A whole device buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Buffer {
    /// One that persists.
    Of(BufferId),
    /// A slot of the pool.
    Slot(usize),
}

/// Counts them for one of many steps in a pass, each of which runs these schedules in such an order, by their numbers;
/// their scratch lies as executors place it.
///
/// Every call writes something that the step before has used, so within a pass nearly every call waits: `first` tells
/// what the order of calls itself asks for.
pub fn barriers(schedules: &[&Schedule], order: &[usize], sharing: Sharing) -> BarrierCounts {
    let mut pool = Pool::default();
    let placed: Vec<(Plan, Vec<usize>)> = schedules
        .iter()
        .map(|schedule| {
            let plan = plan(schedule, sharing);
            let places = pool.add(&plan, sharing);
            (plan, places)
        })
        .collect();
    let mut states: HashMap<Buffer, bool> = HashMap::new();
    let mut counts = BarrierCounts::default();
    // The first step of a pass leaves the states that the others find.
    for _ in 0..2 {
        counts = BarrierCounts { first: counts.barriers, ..BarrierCounts::default() };
        for &number in order {
            let (plan, places) = &placed[number];
            let buffer = |id: BufferId| match (id.arena, plan.slot(id)) {
                (Arena::Scratch, Some(slot)) => Buffer::Slot(places[slot]),
                _ => Buffer::Of(id),
            };
            for call in schedules[number].calls() {
                let moved = moved(call, &buffer, &mut states);
                counts.dispatches += 1;
                counts.barriers += u64::from(moved > 0);
                counts.buffers += moved;
            }
        }
    }
    counts
}

/// The buffers of a call that need a barrier before it; one that was never bound needs none.
fn moved(call: &Call, buffer: &dyn Fn(BufferId) -> Buffer, states: &mut HashMap<Buffer, bool>) -> u64 {
    let mut wanted: HashMap<Buffer, bool> = HashMap::new();
    for (binding, buf) in call.kernel.bindings.iter().zip(&call.bufs) {
        *wanted.entry(buffer(buf.id)).or_default() |= binding.access != Access::Read;
    }
    let needs = |(buffer, writes): (Buffer, bool)| states.insert(buffer, writes).is_some_and(|before| before || writes);
    wanted.into_iter().map(needs).filter(|&needs| needs).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise::{combine, scale};
    use crate::ops::fill::fill;
    use crate::{Buf, Dtype, Memory};

    fn counted(build: impl FnOnce(&mut Schedule, &mut dyn FnMut() -> Buf)) -> BarrierCounts {
        let (mut schedule, mut memory) = (Schedule::new(), Memory::default());
        let mut number = 0;
        let mut pin = || {
            number += 1;
            memory.add(&format!("pin {number}"), [64], Dtype::F32)
        };
        build(&mut schedule, &mut pin);
        barriers(&[&schedule], &[0], Sharing::Off)
    }

    #[test]
    fn what_is_only_read_needs_no_barrier() {
        // Both read the same; what they write was written a step before.
        let counts = counted(|s, pin| {
            let x = pin();
            scale(s, "one", x, 0.5);
            scale(s, "two", x, 0.5);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 2, barriers: 2, buffers: 2, first: 0 });
    }

    #[test]
    fn a_written_buffer_is_waited_for() {
        // x is written, read, and read again: one barrier for the writing, one for the first reading. The products are
        // each written a step before.
        let counts = counted(|s, pin| {
            let x = pin();
            fill(s, "x", x, 1.0);
            scale(s, "one", x, 0.5);
            scale(s, "two", x, 0.5);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 3, barriers: 3, buffers: 4, first: 1 });
    }

    #[test]
    fn writing_over_what_was_written_waits_too() {
        let counts = counted(|s, pin| {
            let x = pin();
            fill(s, "x", x, 1.0);
            fill(s, "x again", x, 2.0);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 2, barriers: 2, buffers: 2, first: 1 });
    }

    #[test]
    fn ranges_make_no_difference_and_one_barrier_names_all_buffers() {
        let counts = counted(|s, pin| {
            let (x, y) = (pin(), pin());
            fill(s, "x", Buf { shape: [8].into(), ..x }, 1.0);
            fill(s, "y", Buf { shape: [8].into(), ..y }, 1.0);
            let far = |buf: Buf| Buf { offset: 0, shape: [8].into(), ..buf };
            combine(s, "both", far(x), 1.0, far(y), 1.0);
        });
        // Two fills over what was read, and a sum of two over what the sum before wrote.
        assert_eq!(counts, BarrierCounts { dispatches: 3, barriers: 3, buffers: 5, first: 1 });
    }

    #[test]
    fn a_phase_that_runs_twice_counts_twice() {
        let mut schedule = Schedule::new();
        let x = schedule.scratch([64]);
        fill(&mut schedule, "x", x, 1.0);
        let counts = barriers(&[&schedule], &[0; 3], Sharing::On);
        assert_eq!(counts, BarrierCounts { dispatches: 3, barriers: 3, buffers: 3, first: 2 });
    }

    #[test]
    fn phases_in_the_same_slots_wait_for_one_another() {
        let filled = || {
            let mut schedule = Schedule::new();
            let x = schedule.scratch([64]);
            fill(&mut schedule, "x", x, 1.0);
            scale(&mut schedule, "y", x, 0.5);
            schedule
        };
        let (one, two) = (filled(), filled());
        let both = [&one, &two];
        // Each was written or read a step before at the latest, so that sharing adds nothing.
        let barriers = |sharing| barriers(&both, &[0, 1], sharing).barriers;
        assert_eq!(barriers(Sharing::On), barriers(Sharing::Off));
    }
}
