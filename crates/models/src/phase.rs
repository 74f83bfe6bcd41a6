//! The phases of a training step.

use crate::micro_batch::MicroBatch;
use crate::network::Network;
use crate::training::Training;
use gpu_core::ops::elementwise::accumulate;
use gpu_core::{Arena, Buf, Memory, Schedule};

/// The purpose of a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhaseKind {
    /// Advances a clock.
    Clock,
    /// Runs a micro-batch forward and backward. After the last one of a batch, the network's gradient arena holds the
    /// gradient of the batch.
    Backward(MicroBatch),
    /// Clips the gradient, moves the weights and their running average, and sets the gradient to zero.
    Update,
}

/// One of the schedules of a training step.
#[derive(Clone, Debug)]
pub struct Phase {
    /// The network that it trains; consecutive phases of one name form a round.
    pub name: &'static str,
    /// Its purpose.
    pub kind: PhaseKind,
    /// Repetitions of the round in a step.
    pub times: usize,
    /// Its calls.
    pub schedule: Schedule,
}

impl Phase {
    /// A phase that only advances a clock.
    pub fn clock(name: &'static str, schedule: Schedule) -> Self {
        Self { name, kind: PhaseKind::Clock, times: 1, schedule }
    }
}

/// The order in which a step runs its phases, by their numbers: round by round, each as often as it repeats.
pub fn in_order<'a>(phases: impl IntoIterator<Item = &'a Phase>) -> Vec<usize> {
    let phases: Vec<&Phase> = phases.into_iter().collect();
    let mut order = Vec::new();
    let mut first = 0;
    for round in phases.chunk_by(|one, next| one.name == next.name) {
        let all = first..first + round.len();
        (0..round[0].times).for_each(|_| order.extend(all.clone()));
        first = all.end;
    }
    order
}

/// The training of one network within a step.
pub(crate) struct Round<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// Repetitions in a step, each on another batch.
    pub(crate) times: usize,
    /// The network.
    pub(crate) network: &'a Network,
    /// The clock of its steps, `u32 [4]`.
    pub(crate) clock: Buf,
    /// The rates of the optimiser, `f32 [4]`.
    pub(crate) rates: Buf,
}

impl Round<'_> {
    /// The phases: `backward` of each micro-batch of a batch, then the update.
    ///
    /// Each micro-batch's gradient is a finished sum that is then added to the arena, in order: gradients computed
    /// apart and added in that order are the same bytes. The first is computed in the arena itself, which is zero
    /// before it.
    pub(crate) fn phases(
        &self,
        memory: &Memory,
        batch: usize,
        training: &Training,
        backward: impl Fn(&mut Schedule, MicroBatch),
    ) -> Vec<Phase> {
        let Self { name, times, .. } = *self;
        let mut phases = Vec::new();
        for micro_batch in training.micro_batches(batch) {
            let mut schedule = Schedule::new();
            backward(&mut schedule, micro_batch);
            if !micro_batch.is_first() {
                schedule = self.accumulated(memory, schedule);
            }
            phases.push(Phase { name, kind: PhaseKind::Backward(micro_batch), times, schedule });
        }
        let mut schedule = Schedule::new();
        training.optimiser.step(&mut schedule, memory, self.network, self.clock, self.rates);
        phases.push(Phase { name, kind: PhaseKind::Update, times, schedule });
        phases
    }

    /// A backward pass whose gradient is computed in a separate arena and then added to the network's.
    fn accumulated(&self, memory: &Memory, backward: Schedule) -> Schedule {
        let weights = &self.network.weights;
        let [sum, own] = [Arena::Gradients, Arena::MicroGradients].map(|arena| memory.whole(weights.arena(arena)));
        let mut schedule = backward.rebound(sum.id, own.id);
        schedule.scope(weights.name(), |s| accumulate(s, "accumulate", sum, own));
        schedule
    }
}
