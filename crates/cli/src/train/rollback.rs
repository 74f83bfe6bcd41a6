//! Rollbacks: after losses that are not finite or have diverged, training continues from the last checkpoint.

use crate::io::error::{Error, ErrorKind, Result};
use crate::report::LiveReport;
use crate::run::checkpoint::Checkpoint;
use crate::run::programs::Programs;
use crate::run::session::Session;
use crate::terminal::Bar;
use crate::train::divergence::{ADVICE, Cause, Failure};
use crate::train::nan_search::{broken_parameter, first_broken};
use crate::train::progress::Progress;
use crate::train::training::Trainer;
use serde_json::json;
use std::time::Instant;

impl Trainer<'_> {
    /// Rolls back to the last checkpoint and continues at half the learning rate, up to `monitors.non_finite` times.
    ///
    /// # Errors
    /// [`ErrorKind::Training`] after the last of these, with the first tensor that is not finite.
    pub(super) fn roll_back(&mut self, failure: &Failure, bar: &Bar) -> Result<()> {
        let checkpoint = self.run.load(&self.run.latest())?;
        let tries = self.progress.rollbacks.len() as u32;
        let mut progress = Progress::of(&checkpoint, self.session)?;
        self.session.restore(&mut checkpoint.clone())?;
        if tries >= self.session.config.monitors.non_finite || broken_parameter(self.session)?.is_some() {
            return Err(self.ended_by(failure, tries, progress.step, &checkpoint)?);
        }
        let seen = failure.seen();
        let retry =
            format!("continuing from step {} at 1/{} of the learning rate", progress.step, 2f64.powi(tries as i32 + 1));
        bar.back(progress.step, &format!("warning: {seen}; {retry}"));
        let (step, monitor) = (progress.step, failure.monitor());
        let line = json!({ "kind": "rollback", "step": step, "monitor": monitor, "seen": seen, "try": retry });
        progress.rollbacks = std::mem::take(&mut self.progress.rollbacks);
        progress.rollbacks.push(line);
        self.progress = progress;
        self.prepared.programs = Programs::prepare(self.session, &self.prepared.steps, tries + 1)?;
        self.send_state()?;
        // The checkpoint first: the lines of metrics below can be restored from it.
        self.save()?;
        self.run.go_back(self.progress.step, &self.progress.rollbacks)?;
        self.live.iter_mut().for_each(LiveReport::restart);
        (self.since, self.images_since) = (Instant::now(), 0);
        Ok(())
    }

    /// The error that ends training, which is also a line of the metrics. The session is at step `from`.
    fn ended_by(&mut self, failure: &Failure, tries: u32, from: u64, checkpoint: &Checkpoint) -> Result<Error> {
        let mut seen = failure.seen();
        match tries {
            0 => {}
            1 => seen += ", after 1 retry at a lower learning rate",
            tries => seen += &format!(", after {tries} retries at lower learning rates"),
        }
        if failure.cause == Cause::NonFinite {
            let restore = |session: &mut Session| session.restore(&mut checkpoint.clone());
            let found = first_broken(self.session, &self.prepared.steps, tries, [from, failure.step], restore)?;
            seen += ": ";
            seen += found.as_deref().unwrap_or("all tensors are finite when the steps run again");
        }
        let (step, monitor) = (failure.step, failure.monitor());
        let line = json!({ "kind": "error", "step": step, "monitor": monitor, "seen": seen, "try": ADVICE });
        self.log(&line)?;
        let message = format!("{seen}; the last checkpoint is saved in {}; {ADVICE}", self.run.path.display());
        Ok(Error::new(ErrorKind::Training, message))
    }
}
