//! The memory plan of scratch buffers: each is assigned a slot, a whole device buffer, for its lifetime.
//!
//! Slots are whole buffers because one dispatch cannot bind a device buffer for both reading and writing, whatever the
//! ranges.

use crate::{Arena, Buf, BufferId, Dtype, Schedule};
use std::collections::HashMap;

/// Memory sharing among scratch buffers with disjoint lifetimes. Turning it off exposes errors of the planner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sharing {
    /// Buffers with disjoint lifetimes share a slot.
    #[default]
    On,
    /// Every buffer has a separate slot.
    Off,
}

/// One device buffer for scratch.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Its size in elements of four bytes.
    pub len: usize,
    /// The type of its elements.
    pub dtype: Dtype,
    /// True if it must hold its contents while its program is not running, because they are fed or read.
    pub kept: bool,
}

/// The slot of each scratch buffer of a schedule.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The slots, in order of first use.
    pub slots: Vec<Slot>,
    slot_of: HashMap<BufferId, usize>,
}

impl Plan {
    /// The slot of a scratch buffer, if the schedule uses it.
    pub fn slot(&self, id: BufferId) -> Option<usize> {
        self.slot_of.get(&id).copied()
    }

    /// The total size of the slots on a device, in bytes.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.len as u64 * 4).sum()
    }
}

/// The slots of several programs, which never run at the same time. The largest slots of all programs share memory, as
/// do the second largest, and so on. Slots that are fed or kept are not shared.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// All slots, in order of allocation.
    pub slots: Vec<Slot>,
    /// The slots that programs share, by element type, largest first.
    common: HashMap<Dtype, Vec<usize>>,
}

impl Pool {
    /// Adds another program and returns the pool index of each slot of its plan. Existing slots may grow.
    pub fn add(&mut self, plan: &Plan, sharing: Sharing) -> Vec<usize> {
        let mut order: Vec<usize> = (0..plan.slots.len()).collect();
        order.sort_by_key(|&slot| std::cmp::Reverse(plan.slots[slot].len));
        let mut ranks: HashMap<Dtype, usize> = HashMap::new();
        let mut indices = vec![0; plan.slots.len()];
        for index in order {
            let slot = plan.slots[index];
            let own = slot.kept || sharing == Sharing::Off;
            let common = self.common.entry(slot.dtype).or_default();
            let rank = ranks.entry(slot.dtype).or_default();
            indices[index] = match common.get(*rank) {
                Some(&shared) if !own => {
                    self.slots[shared].len = self.slots[shared].len.max(slot.len);
                    shared
                }
                _ => {
                    self.slots.push(slot);
                    self.slots.len() - 1
                }
            };
            if !own {
                if *rank == common.len() {
                    common.push(indices[index]);
                }
                *rank += 1;
            }
        }
        indices
    }

    /// The total size of the slots on a device, in bytes.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.len as u64 * 4).sum()
    }
}

/// The lifetime of a buffer: the first and last call that use it, both included.
#[derive(Clone, Copy)]
struct Life {
    buf: Buf,
    first: usize,
    last: usize,
}

/// Assigns a slot to every scratch buffer, in order of first use: the smallest free one that is large enough, else the
/// largest free one, grown to fit, else a new one.
pub fn plan(schedule: &Schedule, sharing: Sharing) -> Plan {
    let mut plan = Plan::default();
    let mut busy_until: Vec<usize> = Vec::new();
    for life in lives(schedule) {
        let len = life.buf.len();
        let free = (0..plan.slots.len())
            .filter(|&i| sharing == Sharing::On && busy_until[i] < life.first && plan.slots[i].dtype == life.buf.dtype);
        let best = free.min_by_key(|&i| {
            let slot = plan.slots[i].len;
            if slot >= len { (0, slot) } else { (1, usize::MAX - slot) }
        });
        let slot = best.unwrap_or_else(|| {
            plan.slots.push(Slot { len, dtype: life.buf.dtype, kept: schedule.is_kept(life.buf.id) });
            busy_until.push(0);
            plan.slots.len() - 1
        });
        plan.slots[slot].len = plan.slots[slot].len.max(len);
        busy_until[slot] = life.last;
        plan.slot_of.insert(life.buf.id, slot);
    }
    plan
}

/// The lifetimes of the scratch buffers in use, by first call.
fn lives(schedule: &Schedule) -> Vec<Life> {
    let end = schedule.calls().len();
    let whole: HashMap<BufferId, Buf> = schedule.scratch_bufs().iter().map(|buf| (buf.id, *buf)).collect();
    let mut lives: HashMap<BufferId, Life> = HashMap::new();
    for (index, call) in schedule.calls().iter().enumerate() {
        for buf in call.bufs.iter().filter(|buf| buf.id.arena == Arena::Scratch) {
            let fresh = Life { buf: whole[&buf.id], first: index, last: index };
            lives.entry(buf.id).or_insert(fresh).last = index;
        }
    }
    // Fed before the first call or read after the last.
    for buf in schedule.scratch_bufs().iter().filter(|buf| schedule.is_kept(buf.id)) {
        lives.insert(buf.id, Life { buf: *buf, first: 0, last: end });
    }
    let mut lives: Vec<Life> = lives.into_values().collect();
    lives.sort_by_key(|life| (life.first, life.buf.id));
    lives
}
