//! The programs of a run: one for each phase and step size.

use crate::io::error::Result;
use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use gpu_core::Program;
use models::in_order;
use std::collections::HashMap;

/// The programs of steps of every size of a run, in the order in which a step runs them.
#[derive(Default)]
pub struct Programs(HashMap<StepSize, Vec<Program>>);

impl Programs {
    /// Prepares them, with the learning rate halved `lowered` times.
    pub fn prepare(session: &mut Session, steps: &EpochPlan, lowered: u32) -> Result<Self> {
        let mut programs = HashMap::new();
        for size in steps.sizes() {
            let phases = session.model.train(size.batch, &training(&session.config, size, lowered));
            let of_phase = phases.iter().map(|phase| session.executor.prepare(&phase.schedule));
            let of_phase = of_phase.collect::<Result<Vec<_>, _>>()?;
            programs.insert(size, in_order(&phases).into_iter().map(|phase| of_phase[phase]).collect());
        }
        Ok(Self(programs))
    }

    /// The programs of a step of that size.
    pub fn of(&self, size: StepSize) -> Result<&[Program]> {
        Ok(self.0.get(&size).expect("a program for every size of step"))
    }
}
