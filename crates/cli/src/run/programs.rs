//! The programs of a run: one for each phase and step size.

use crate::io::error::Result;
use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use gpu_core::Program;
use models::{Left, Phase, PhaseKind, in_order};
use std::collections::HashMap;

/// The programs of steps of every size of a run.
#[derive(Default)]
pub struct Programs(HashMap<StepSize, OfStep>);

/// The programs of a step.
struct OfStep {
    /// In the order in which one device runs them.
    alone: Vec<Program>,
    /// The same as several ranks run them.
    parts: Vec<Part>,
}

/// A part of a step that runs on several ranks.
#[derive(Debug)]
pub enum Part {
    /// A program that every rank runs.
    Everywhere(Program),
    /// The micro-batches of a batch, which the ranks share.
    Batch(Vec<MicroBatchProgram>),
}

/// The programs of a micro-batch.
#[derive(Clone, Debug)]
pub struct MicroBatchProgram {
    /// Forward and backward.
    pub program: Program,
    /// Adds the results to the batch's buffers and clears those of the micro-batch; none for the first.
    pub adding: Option<Program>,
    /// The results.
    pub left: Left,
    /// Replaces the micro-batch where another rank runs it, if it changes buffers that go through all micro-batches.
    pub carry: Option<Program>,
}

impl Programs {
    /// Prepares them, with the learning rate halved `lowered` times.
    pub fn prepare(session: &mut Session, steps: &EpochPlan, lowered: u32) -> Result<Self> {
        let mut programs = HashMap::new();
        for size in steps.sizes() {
            let phases = session.model.train(size.batch, &training(&session.config, size, lowered));
            let mut of_phase = Vec::new();
            for phase in &phases {
                let carry = phase.carry.as_ref().map(|carry| session.executor.prepare(carry)).transpose()?;
                of_phase.push(OfPhase { phase, program: session.executor.prepare(&phase.schedule)?, carry });
            }
            let order: Vec<&OfPhase<'_>> = in_order(&phases).into_iter().map(|phase| &of_phase[phase]).collect();
            let alone = order.iter().map(|of| of.program).collect();
            programs.insert(size, OfStep { alone, parts: parts(&order) });
        }
        Ok(Self(programs))
    }

    /// The programs of a step of that size on one device, in order.
    pub fn of(&self, size: StepSize) -> Result<&[Program]> {
        Ok(&self.of_step(size).alone)
    }

    /// The parts of a step of that size on several ranks, in order.
    pub fn parts(&self, size: StepSize) -> &[Part] {
        &self.of_step(size).parts
    }

    fn of_step(&self, size: StepSize) -> &OfStep {
        self.0.get(&size).expect("a program for every size of step")
    }
}

/// A phase and its programs.
struct OfPhase<'a> {
    phase: &'a Phase,
    program: Program,
    carry: Option<Program>,
}

/// The phases of a step, in the order in which they run, as parts.
fn parts(order: &[&OfPhase<'_>]) -> Vec<Part> {
    let mut parts = Vec::new();
    for &&OfPhase { phase, program, carry } in order {
        match (phase.kind, parts.last_mut()) {
            (PhaseKind::Clock | PhaseKind::Update, _) => parts.push(Part::Everywhere(program)),
            (PhaseKind::Accumulate(_), Some(Part::Batch(batch))) => {
                batch.last_mut().expect("a micro-batch comes before its sum").adding = Some(program);
            }
            (PhaseKind::Accumulate(_), _) => unreachable!("a micro-batch comes before its sum"),
            (PhaseKind::Backward(_), last) => {
                let of = MicroBatchProgram { program, adding: None, left: phase.left.clone(), carry };
                match last {
                    Some(Part::Batch(batch)) => batch.push(of),
                    _ => parts.push(Part::Batch(vec![of])),
                }
            }
        }
    }
    parts
}
