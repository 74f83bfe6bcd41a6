//! Which scratch buffers share memory: each gets a slot, a whole device buffer, for as long as it is live.
//!
//! Slots are whole buffers because a device buffer cannot be bound for reading and for writing in one
//! dispatch, whatever the ranges.

use crate::{Arena, Buf, BufferId, Dtype, Schedule};
use std::collections::HashMap;

/// Whether scratch buffers with disjoint lifetimes lie in the same memory. Off tells a planner's fault from a
/// kernel's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sharing {
    /// They do.
    #[default]
    On,
    /// Every scratch buffer has its own.
    Off,
}

/// One device buffer for scratch.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// Its size in elements of four bytes.
    pub len: usize,
    /// The type of what lies in it.
    pub dtype: Dtype,
    /// Whether it must hold its contents when its program is not running, because they are fed or read.
    pub kept: bool,
}

/// Where each scratch buffer of a schedule lies.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The slots, in order of first use.
    pub slots: Vec<Slot>,
    slot_of: HashMap<BufferId, usize>,
}

impl Plan {
    /// The slot of a scratch buffer that the schedule uses.
    pub fn slot(&self, id: BufferId) -> Option<usize> {
        self.slot_of.get(&id).copied()
    }

    /// All slots together, in bytes on a device.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.len as u64 * 4).sum()
    }
}

/// The slots of several programs. They never run at once, so each one's largest slot lies in the pool's largest, its
/// second largest in the second, and so on; what is fed or kept lies where nothing else does.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// All slots, in order of coming.
    pub slots: Vec<Slot>,
    /// Those that programs have in common, by the type of their elements, the largest first.
    common: HashMap<Dtype, Vec<usize>>,
}

impl Pool {
    /// Makes room for another program: where in the pool each slot of its plan lies. Slots may have grown.
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

    /// All slots together, in bytes on a device.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().map(|slot| slot.len as u64 * 4).sum()
    }
}

/// The steps during which a buffer must keep its contents, both ends included.
#[derive(Clone, Copy)]
struct Life {
    buf: Buf,
    first: usize,
    last: usize,
}

/// Gives every scratch buffer a slot, first come first served: the smallest free one that is large enough,
/// else the largest free one, grown; else a new one.
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

/// The lifetimes of the scratch buffers in use, by first step.
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
    // Fed before the first step or read after the last.
    for buf in schedule.scratch_bufs().iter().filter(|buf| schedule.is_kept(buf.id)) {
        lives.insert(buf.id, Life { buf: *buf, first: 0, last: end });
    }
    let mut lives: Vec<Life> = lives.into_values().collect();
    lives.sort_by_key(|life| (life.first, life.buf.id));
    lives
}
