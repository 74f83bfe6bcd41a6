//! Counts the barriers that wgpu inserts between the calls of a training step.
//!
//! wgpu keeps one state for each whole buffer, as last bound in a pass: read-only or read-write. A call that binds a
//! buffer in another state, or for writing in any state, gets one barrier before it for all its buffers (wgpu-core,
//! `track/buffer.rs`; wgpu-hal, `vulkan/command.rs`). The ranges bound make no difference.

use crate::{Access, Arena, BufferId, Call, Plan, Pool, Schedule, Sharing, plan};
use std::collections::HashMap;

/// The number of calls in a training step and of the barriers between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BarrierCounts {
    /// Calls.
    pub dispatches: u64,
    /// Calls with a barrier before them.
    pub barriers: u64,
    /// Buffers that these barriers name.
    pub buffers: u64,
    /// Calls with a barrier before them in the first step of a pass, when no earlier step has touched the buffers.
    pub first: u64,
}

/// A whole device buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Buffer {
    /// A persistent buffer.
    Of(BufferId),
    /// A slot of the pool.
    Slot(usize),
}

/// Counts the barriers of one training step among many in a pass.
///
/// A step runs `schedules` in `order`, a list of their indices. Their scratch has the slots that executors give it.
///
/// Every call writes a buffer that the step before has used, so within a pass nearly every call waits. The count
/// `first` shows the barriers that the order of calls requires by itself.
pub fn barriers(schedules: &[&Schedule], order: &[usize], sharing: Sharing) -> BarrierCounts {
    let mut pool = Pool::default();
    let planned: Vec<(Plan, Vec<usize>)> = schedules
        .iter()
        .map(|schedule| {
            let plan = plan(schedule, sharing);
            let slots = pool.add(&plan, sharing);
            (plan, slots)
        })
        .collect();
    let mut states: HashMap<Buffer, bool> = HashMap::new();
    let mut counts = BarrierCounts::default();
    // The second pass over the step starts from the states that the first left, as every later step does.
    for _ in 0..2 {
        counts = BarrierCounts { first: counts.barriers, ..BarrierCounts::default() };
        for &number in order {
            let (plan, slots) = &planned[number];
            let buffer = |id: BufferId| match (id.arena, plan.slot(id)) {
                (Arena::Scratch, Some(slot)) => Buffer::Slot(slots[slot]),
                _ => Buffer::Of(id),
            };
            for call in schedules[number].calls() {
                let waiting = buffers_behind_barrier(call, &buffer, &mut states);
                counts.dispatches += 1;
                counts.barriers += u64::from(waiting > 0);
                counts.buffers += waiting;
            }
        }
    }
    counts
}

/// Counts the buffers of a call that need a barrier before it; a buffer never bound before needs none.
fn buffers_behind_barrier(call: &Call, buffer: &dyn Fn(BufferId) -> Buffer, states: &mut HashMap<Buffer, bool>) -> u64 {
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
        let mut buffer = || {
            number += 1;
            memory.add(&format!("buffer {number}"), [64], Dtype::F32)
        };
        build(&mut schedule, &mut buffer);
        barriers(&[&schedule], &[0], Sharing::Off)
    }

    #[test]
    fn buffers_that_are_only_read_need_no_barrier() {
        // Both calls read the same buffer; their outputs were written a step before.
        let counts = counted(|s, buffer| {
            let x = buffer();
            scale(s, "one", x, 0.5);
            scale(s, "two", x, 0.5);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 2, barriers: 2, buffers: 2, first: 0 });
    }

    #[test]
    fn reading_after_writing_needs_a_barrier() {
        // x is written, read, and read again: one barrier for the write and one for the first read. The products were
        // last written a step before.
        let counts = counted(|s, buffer| {
            let x = buffer();
            fill(s, "x", x, 1.0);
            scale(s, "one", x, 0.5);
            scale(s, "two", x, 0.5);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 3, barriers: 3, buffers: 4, first: 1 });
    }

    #[test]
    fn writing_after_writing_needs_a_barrier() {
        let counts = counted(|s, buffer| {
            let x = buffer();
            fill(s, "x", x, 1.0);
            fill(s, "x again", x, 2.0);
        });
        assert_eq!(counts, BarrierCounts { dispatches: 2, barriers: 2, buffers: 2, first: 1 });
    }

    #[test]
    fn ranges_make_no_difference_and_one_barrier_names_all_buffers() {
        let counts = counted(|s, buffer| {
            let (x, y) = (buffer(), buffer());
            fill(s, "x", Buf { shape: [8].into(), ..x }, 1.0);
            fill(s, "y", Buf { shape: [8].into(), ..y }, 1.0);
            let far = |buf: Buf| Buf { offset: 0, shape: [8].into(), ..buf };
            combine(s, "both", far(x), 1.0, far(y), 1.0);
        });
        // Two fills of buffers read a step before, and a sum over both that overwrites the last step's sum.
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
    fn phases_that_share_slots_add_no_barriers() {
        let filled = || {
            let mut schedule = Schedule::new();
            let x = schedule.scratch([64]);
            fill(&mut schedule, "x", x, 1.0);
            scale(&mut schedule, "y", x, 0.5);
            schedule
        };
        let (one, two) = (filled(), filled());
        let both = [&one, &two];
        // Each buffer was written or read a step before at the latest, so sharing adds none.
        let barriers = |sharing| barriers(&both, &[0, 1], sharing).barriers;
        assert_eq!(barriers(Sharing::On), barriers(Sharing::Off));
    }
}
