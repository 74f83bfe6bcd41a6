//! The programs of a run: one for each phase and step size.

use crate::io::error::Result;
use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use gpu_core::{Program, SubmitLoop};
use models::in_order;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

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

/// Time of a step on a whole batch: the mean over about a second, after the first step.
pub fn measured_step(session: &mut Session, steps: &EpochPlan) -> Result<Duration> {
    let programs = Programs::prepare(session, steps, 0)?;
    let position = steps.at(0);
    session.put_shard(steps, &position)?;
    let ring = session.model.buffers().ring;
    let mut drive = |first: u64, runs: u64| -> Result<Duration> {
        // `runs` steps have whole batches; the next one would reach past the images.
        session.restart_order()?;
        let since = Instant::now();
        let mut seen = |_| ControlFlow::Continue(());
        let programs = programs.of(position.size)?;
        SubmitLoop::default().drive(session.executor.as_mut(), programs, first, runs, ring, &mut seen)?;
        Ok(since.elapsed())
    };
    // Shaders are compiled in the first.
    drive(1, 1)?;
    let once = drive(2, 1)?.as_secs_f64().max(1e-6);
    let runs = ((1.0 / once) as u64).clamp(1, position.runs);
    Ok(drive(3, runs)? / runs as u32)
}
