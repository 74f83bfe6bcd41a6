//! Measured times of training steps.

use crate::io::error::Result;
use crate::run::epoch_plan::EpochPlan;
use crate::run::programs::Programs;
use crate::run::session::Session;
use gpu_core::SubmitLoop;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A started model whose training steps on whole batches are timed.
pub struct StepTimer {
    session: Session,
    programs: Programs,
    steps: EpochPlan,
    /// Steps on whole batches of the first shard.
    most: u64,
    submits: SubmitLoop,
    /// Steps run so far.
    done: u64,
}

impl StepTimer {
    /// Runs the first step, in which shaders are compiled.
    ///
    /// # Errors
    /// Those of the device.
    pub fn start(mut session: Session, steps: &EpochPlan) -> Result<Self> {
        let programs = Programs::prepare(&mut session, steps, 0)?;
        session.put_shard(steps, &steps.at(0))?;
        let (steps, most) = (*steps, whole_batches(steps));
        let mut timer = Self { session, programs, steps, most, submits: SubmitLoop::default(), done: 0 };
        timer.time(1)?;
        Ok(timer)
    }

    /// The mean time over `steps` steps, at most one for each whole batch of images.
    ///
    /// # Errors
    /// Those of the device.
    pub fn time(&mut self, steps: u64) -> Result<Duration> {
        let steps = steps.clamp(1, self.most);
        self.session.restart_order()?;
        let (ring, executor) = (self.session.model.buffers().ring, self.session.executor.as_mut());
        let since = Instant::now();
        let mut step = 0;
        while step < steps {
            let position = self.steps.at(step);
            let (programs, runs) = (self.programs.of(position.size)?, position.runs.min(steps - step));
            let mut seen = |_| ControlFlow::Continue(());
            self.done += self.submits.drive(executor, programs, self.done + 1, runs, ring, &mut seen)?;
            step += runs;
        }
        Ok(since.elapsed() / steps as u32)
    }

    /// The number of steps that take about that long, at least one.
    ///
    /// # Errors
    /// Those of the device.
    pub fn steps_in(&mut self, time: Duration) -> Result<u64> {
        let once = self.time(1)?.as_secs_f64().max(1e-6);
        Ok(((time.as_secs_f64() / once) as u64).clamp(1, self.most))
    }
}

/// Steps on whole batches of the first shard.
fn whole_batches(steps: &EpochPlan) -> u64 {
    let (first, mut count) = (steps.at(0), 0);
    while count < steps.per_epoch {
        let position = steps.at(count);
        if position.shard != first.shard || position.size.batch != first.size.batch {
            break;
        }
        count += position.runs;
    }
    count
}
