//! A training step that is planned and not run: its phases and its memory.

use crate::config::Config;
use crate::run::epoch_plan::whole;
use gpu_core::{
    ALIGN_BYTES, Arena, BarrierCounts, BufferId, Call, Dtype, Plan, Pool, Schedule, Sharing, Slot, barriers, plan,
};
use models::{Model, Phase, in_order};
use std::collections::BTreeMap;

/// A phase of a step, and the slots of its buffers.
pub struct Planned {
    /// The phase.
    pub phase: Phase,
    plan: Plan,
    /// The pool's slot of each slot of the plan.
    slots: Vec<usize>,
}

impl Planned {
    /// The slot of a scratch buffer.
    pub fn slot(&self, id: BufferId) -> Option<usize> {
        self.plan.slot(id).map(|slot| self.slots[slot])
    }
}

/// The phases of a step on a whole batch.
pub fn phases(config: &Config, model: &dyn Model) -> Vec<Planned> {
    let phases = model.train(config.train.batch_size, &whole(config, model.buffers().first().spec.train));
    let mut pool = Pool::default();
    let planned = phases.into_iter().map(|phase| {
        let plan = plan(&phase.schedule, Sharing::On);
        Planned { slots: pool.add(&plan, Sharing::On), plan, phase }
    });
    planned.collect()
}

/// The schedules that an executor prepares for training on whole batches, including the one before the first step.
pub fn schedules(config: &Config, model: &dyn Model, phases: &[Planned]) -> Vec<Schedule> {
    let start = model.start(&whole(config, model.buffers().first().spec.train));
    phases.iter().map(|planned| planned.phase.schedule.clone()).chain(start).collect()
}

/// The slots of all schedules, those of the first one first.
pub fn slots(schedules: &[Schedule]) -> Vec<Slot> {
    let mut pool = Pool::default();
    schedules.iter().for_each(|schedule| drop(pool.add(&plan(schedule, Sharing::On), Sharing::On)));
    pool.slots
}

/// The order in which a step runs its phases, by their numbers.
pub fn order(phases: &[Planned]) -> Vec<usize> {
    in_order(phases.iter().map(|planned| &planned.phase))
}

/// The sum of `count` over the calls of a step.
pub fn of_step(phases: &[Planned], count: impl Fn(&Call) -> u64) -> u64 {
    let of_phase = |phase: &Phase| phase.times as u64 * phase.schedule.calls().iter().map(&count).sum::<u64>();
    phases.iter().map(|planned| of_phase(&planned.phase)).sum()
}

/// The barriers of a step among others.
pub fn barriers_of(phases: &[Planned]) -> BarrierCounts {
    let schedules: Vec<_> = phases.iter().map(|planned| &planned.phase.schedule).collect();
    barriers(&schedules, &order(phases), Sharing::On)
}

/// Memory of a step, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Persistent buffers: arenas, data, clocks, rings.
    pub persistent: u64,
    /// Slots.
    pub scratch: u64,
    /// Other memory of a device: the calls' parameters, and staging buffers of losses.
    pub other: u64,
}

impl Footprint {
    /// The memory on a device, with four bytes an element.
    pub fn on_a_device(model: &dyn Model, schedules: &[Schedule]) -> Self {
        let aligned = |call: &Call| (call.params.len() as u64 * 4).next_multiple_of(u64::from(ALIGN_BYTES));
        let uniforms: u64 = schedules.iter().flat_map(Schedule::calls).map(aligned).sum();
        // Two submits are in flight.
        let staging = 2 * model.buffers().ring.bytes();
        Self { other: uniforms + staging, ..Self::of(model, schedules, |_| 4) }
    }

    /// The memory of an executor with `element_bytes` bytes an element.
    pub fn of(model: &dyn Model, schedules: &[Schedule], element_bytes: impl Fn(Dtype) -> u64) -> Self {
        let bufs = schedules.iter().flat_map(Schedule::calls).flat_map(|call| &call.bufs);
        // The test images are there too.
        let sets = model.buffers().sets.iter();
        let tests = sets.flat_map(|set| [Some(set.test), set.labels.map(|labels| labels.test)]).flatten();
        let lasting = bufs.copied().filter(|buf| buf.id.arena != Arena::Scratch).chain(tests);
        let whole = lasting.map(|buf| (buf.id, model.memory().whole(buf.id)));
        let bufs: BTreeMap<_, _> = whole.collect();
        let persistent = bufs.values().map(|buf| buf.len() as u64 * element_bytes(buf.dtype)).sum();
        let scratch = slots(schedules).iter().map(|slot| slot.len as u64 * element_bytes(slot.dtype)).sum();
        Self { persistent, scratch, other: 0 }
    }

    /// The sum.
    pub fn total(&self) -> u64 {
        self.persistent + self.scratch + self.other
    }
}
