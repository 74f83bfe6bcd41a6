//! The phases of a training step.

use crate::micro_batch::MicroBatch;
use crate::network::Network;
use crate::shared_buffers::{MICRO_RING, RING};
use crate::training::Training;
use gpu_core::ops::elementwise::accumulate;
use gpu_core::{Arena, Buf, Memory, Schedule};
use std::collections::BTreeSet;

/// The purpose of a phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhaseKind {
    /// Advances a clock, and singular vectors where several micro-batches use them.
    Clock,
    /// Runs a micro-batch forward and backward. After the last one of a batch, the network's gradient arena holds the
    /// gradient of the batch.
    Backward(MicroBatch),
    /// Adds what a micro-batch after the first has left to the sums over the batch.
    Accumulate(MicroBatch),
    /// Clips the gradient, moves the weights and their running average, and sets the gradient to zero.
    Update,
}

/// The buffers that a micro-batch leaves to its batch.
///
/// The first micro-batch computes in the batch's own buffers. Each other one computes in buffers of the same sizes,
/// which are zero before it, and are then added to the batch's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Left {
    /// The buffers that the micro-batch leaves.
    pub own: Vec<Buf>,
    /// The batch's buffers, in the same order: the first micro-batch has some more at the end, which no other changes.
    pub sums: Vec<Buf>,
}

impl Left {
    /// Buffers of the batch that a micro-batch writes itself.
    fn in_place(sums: Vec<Buf>) -> Self {
        Self { own: sums.clone(), sums }
    }
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
    /// The results of a micro-batch; of other phases empty.
    pub left: Left,
    /// The calls of a micro-batch that change buffers which go through all micro-batches in order, if it does. They
    /// replace the micro-batch where another device runs it.
    pub carry: Option<Schedule>,
}

impl Phase {
    /// A phase that only advances a clock.
    pub fn clock(name: &'static str, schedule: Schedule) -> Self {
        Self { name, kind: PhaseKind::Clock, times: 1, schedule, left: Left::default(), carry: None }
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

/// The parts of a round that families write.
pub(crate) struct Parts<'a> {
    /// A micro-batch forward and backward.
    pub(crate) backward: &'a dyn Fn(&mut Schedule, MicroBatch),
    /// Other sums over the micro-batches than gradients and losses: the batch's buffer, and that of one micro-batch.
    pub(crate) sums: &'a [(Buf, Buf)],
    /// Uses the sums of several micro-batches.
    pub(crate) finish: &'a dyn Fn(&mut Schedule),
    /// Buffers that go through all micro-batches in their order, such as a pool of earlier images.
    pub(crate) carried: &'a [Buf],
}

impl Round<'_> {
    /// The phases: `backward` of each micro-batch of a batch, then the update.
    pub(crate) fn phases(
        &self,
        memory: &Memory,
        batch: usize,
        training: &Training,
        backward: impl Fn(&mut Schedule, MicroBatch),
    ) -> Vec<Phase> {
        let parts = Parts { backward: &backward, sums: &[], finish: &|_| {}, carried: &[] };
        self.phases_of(memory, batch, training, &parts)
    }

    /// The same with other sums and their use.
    ///
    /// A batch in several micro-batches first advances its clock, and ends with `finish` and the update, so that the
    /// micro-batches between them may run in any place. Each one's results are finished sums that are then added, in
    /// order: results computed apart and added in that order are the same bytes.
    pub(crate) fn phases_of(
        &self,
        memory: &Memory,
        batch: usize,
        training: &Training,
        parts: &Parts<'_>,
    ) -> Vec<Phase> {
        let micro_batches = training.micro_batches(batch);
        let mut phases = Vec::new();
        let mut update = Schedule::new();
        if let [whole] = micro_batches[..] {
            let mut schedule = Schedule::new();
            (parts.backward)(&mut schedule, whole);
            let left = Left::in_place(written(memory, &schedule));
            phases.push(Phase { left, ..self.phase(PhaseKind::Backward(whole), schedule) });
        } else {
            let sums = self.sums(memory, parts.sums);
            micro_batches.into_iter().for_each(|part| self.push_part(memory, &sums, part, parts, &mut phases));
            (parts.finish)(&mut update);
        }
        training.optimiser.step(&mut update, memory, self.network, self.clock, self.rates);
        phases.push(self.phase(PhaseKind::Update, update));
        phases
    }

    /// A phase of the round.
    fn phase(&self, kind: PhaseKind, schedule: Schedule) -> Phase {
        Phase { name: self.name, kind, times: self.times, schedule, left: Left::default(), carry: None }
    }

    /// The calls of a micro-batch that change the carried buffers, without those that advance a clock.
    fn carry(&self, part: MicroBatch, parts: &Parts<'_>) -> Option<Schedule> {
        if parts.carried.is_empty() {
            return None;
        }
        // With separate scratch: a device runs both schedules.
        let mut schedule = Schedule::new();
        (parts.backward)(&mut schedule, part);
        schedule.take(|call| call.kernel.op == "tick");
        Some(schedule.only_for(parts.carried))
    }

    /// The sums over the micro-batches: the batch's buffer, and that of one micro-batch.
    fn sums(&self, memory: &Memory, others: &[(Buf, Buf)]) -> Vec<(Buf, Buf)> {
        let arena = |arena| memory.whole(self.network.weights.arena(arena));
        let named = |name| memory.get(name).expect("every model has a ring");
        let gradients = (arena(Arena::Gradients), arena(Arena::MicroGradients));
        [gradients, (named(RING), named(MICRO_RING))].into_iter().chain(others.iter().copied()).collect()
    }

    /// Adds the phases of one of several micro-batches.
    fn push_part(
        &self,
        memory: &Memory,
        sums: &[(Buf, Buf)],
        part: MicroBatch,
        parts: &Parts<'_>,
        phases: &mut Vec<Phase>,
    ) {
        let mut schedule = Schedule::new();
        (parts.backward)(&mut schedule, part);
        let of_batch: Vec<Buf> = sums.iter().map(|(sum, _)| *sum).collect();
        let carry = self.carry(part, parts);
        if part.is_first() {
            let mut clock = schedule.take(|call| call.kernel.op == "tick");
            self.network.iterate(&mut clock);
            if !clock.calls().is_empty() {
                phases.push(self.phase(PhaseKind::Clock, clock));
            }
            let is_apart = |buf: &Buf| of_batch.contains(buf) || parts.carried.contains(buf);
            let rest = written(memory, &schedule).into_iter().filter(|buf| !is_apart(buf));
            let left = Left::in_place(of_batch.iter().copied().chain(rest).collect());
            phases.push(Phase { left, carry, ..self.phase(PhaseKind::Backward(part), schedule) });
            return;
        }
        let mut adding = Schedule::new();
        for (sum, own) in sums {
            schedule = schedule.rebound(sum.id, own.id);
            adding.scope(self.network.weights.name(), |s| accumulate(s, "accumulate", *sum, *own));
        }
        let left = Left { own: sums.iter().map(|(_, own)| *own).collect(), sums: of_batch };
        phases.push(Phase { left, carry, ..self.phase(PhaseKind::Backward(part), schedule) });
        phases.push(self.phase(PhaseKind::Accumulate(part), adding));
    }
}

/// The buffers that outlive a schedule and that it writes, each as a whole.
fn written(memory: &Memory, schedule: &Schedule) -> Vec<Buf> {
    let writes = schedule.calls().iter().flat_map(|call| call.writes());
    let ids: BTreeSet<_> = writes.map(|buf| buf.id).filter(|id| id.arena != Arena::Scratch).collect();
    ids.into_iter().map(|id| memory.whole(id)).collect()
}
