//! A training step that is only looked at: its phases, and the memory that it will take.

use crate::config::Config;
use crate::steps::whole;
use gpu_core::{ALIGN_BYTES, Dtype, Hazards, Home, Place, Plan, Pool, Schedule, Sharing, Slot, Step, hazards, plan};
use models::{Model, Phase, in_order};
use std::collections::BTreeMap;

/// A phase of a step, and where its buffers lie.
pub(crate) struct Planned {
    pub(crate) phase: Phase,
    plan: Plan,
    /// Where in the pool each of the plan's slots lies.
    places: Vec<usize>,
}

impl Planned {
    /// The slot of a scratch buffer.
    pub(crate) fn slot(&self, place: Place) -> Option<usize> {
        self.plan.slot(place).map(|slot| self.places[slot])
    }
}

/// The phases of a step on a whole batch.
pub(crate) fn phases(config: &Config, model: &dyn Model) -> Vec<Planned> {
    let phases = model.train(config.train.batch_size, &whole(config, model.pins().spec()));
    let mut pool = Pool::default();
    let planned = phases.into_iter().map(|phase| {
        let plan = plan(&phase.schedule, Sharing::On);
        Planned { places: pool.add(&plan, Sharing::On), plan, phase }
    });
    planned.collect()
}

/// All that an executor prepares for training on whole batches: what comes before the first step lies in the same
/// slots.
pub(crate) fn schedules(config: &Config, model: &dyn Model, phases: &[Planned]) -> Vec<Schedule> {
    let start = model.start(&whole(config, model.pins().spec()));
    phases.iter().map(|planned| planned.phase.schedule.clone()).chain(start).collect()
}

/// The slots of all, the first ones those of the first.
pub(crate) fn slots(schedules: &[Schedule]) -> Vec<Slot> {
    let mut pool = Pool::default();
    schedules.iter().for_each(|schedule| drop(pool.add(&plan(schedule, Sharing::On), Sharing::On)));
    pool.slots
}

/// In what order a step runs them, by their numbers.
pub(crate) fn order(phases: &[Planned]) -> Vec<usize> {
    in_order(phases.iter().map(|planned| &planned.phase))
}

/// The sum of something over the calls of a step.
pub(crate) fn of_step(phases: &[Planned], count: impl Fn(&Step) -> u64) -> u64 {
    let of_phase = |phase: &Phase| phase.times as u64 * phase.schedule.steps().iter().map(&count).sum::<u64>();
    phases.iter().map(|planned| of_phase(&planned.phase)).sum()
}

/// The barriers of a step that is one of many.
pub(crate) fn hazards_of(phases: &[Planned]) -> Hazards {
    let schedules: Vec<_> = phases.iter().map(|planned| &planned.phase.schedule).collect();
    hazards(&schedules, &order(phases), Sharing::On)
}

/// Memory of a step, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// What outlives the step: arenas, data, clocks, rings.
    pub(crate) persistent: u64,
    /// Slots.
    pub(crate) scratch: u64,
    /// What else a device holds: the calls' parameters, and the losses on their way to the host.
    pub(crate) besides: u64,
}

impl Footprint {
    /// On a device, where an element takes four bytes.
    pub(crate) fn on_a_device(model: &dyn Model, schedules: &[Schedule]) -> Self {
        let aligned = |step: &Step| (step.params.len() as u64 * 4).next_multiple_of(u64::from(ALIGN_BYTES));
        let uniforms: u64 = schedules.iter().flat_map(Schedule::steps).map(aligned).sum();
        // Two submits are in flight.
        let staging = 2 * model.pins().ring.bytes();
        Self { besides: uniforms + staging, ..Self::of(model, schedules, |_| 4) }
    }

    /// Of what an executor holds whose elements take so many bytes.
    pub(crate) fn of(model: &dyn Model, schedules: &[Schedule], element_bytes: impl Fn(Dtype) -> u64) -> Self {
        let bufs = schedules.iter().flat_map(Schedule::steps).flat_map(|step| &step.bufs);
        let pins = model.pins();
        // The test images are there too.
        let tests = [Some(pins.test), pins.labels.map(|labels| labels.test)];
        let lasting = bufs.copied().filter(|buf| buf.place.home != Home::Scratch).chain(tests.into_iter().flatten());
        let whole = lasting.map(|buf| (buf.place, model.memory().whole(buf.place)));
        let places: BTreeMap<_, _> = whole.collect();
        let persistent = places.values().map(|buf| buf.len() as u64 * element_bytes(buf.dtype)).sum();
        let scratch = slots(schedules).iter().map(|slot| slot.len as u64 * element_bytes(slot.dtype)).sum();
        Self { persistent, scratch, besides: 0 }
    }

    pub(crate) fn total(&self) -> u64 {
        self.persistent + self.scratch + self.besides
    }
}
