//! Recovery: a rollback after losses that are not finite or have diverged, and the checkpoint to name after an error of
//! a device.

use crate::io::error::{Error, ErrorKind, Hint, Result};
use crate::run::checkpoint::Checkpoint;
use crate::run::programs::Programs;
use crate::run::session::Session;
use crate::terminal::Bar;
use crate::train::divergence::{ADVICE, Cause, Failure};
use crate::train::nan_search::{broken_parameter, first_broken};
use crate::train::progress::Progress;
use crate::train::training::Trainer;
use gpu_core::Error::{Fault, Lost, OutOfMemory};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

impl Trainer<'_> {
    /// Rolls back to the last checkpoint and continues at half the learning rate, up to `monitors.non_finite` times.
    ///
    /// # Errors
    /// [`ErrorKind::Training`] after the last of these, with the first tensor that is not finite.
    pub(super) fn roll_back(&mut self, failure: &Failure, bar: &Bar) -> Result<()> {
        let checkpoint = Checkpoint::load(&self.run.latest())?;
        let tries = self.progress.rollbacks.len() as u32;
        let mut progress = Progress::of(&checkpoint, self.session)?;
        self.session.restore(&mut checkpoint.clone())?;
        if tries >= self.session.config.monitors.non_finite || broken_parameter(self.session)?.is_some() {
            return Err(self.ended_by(failure, tries, progress.step, &checkpoint)?);
        }
        let seen = failure.seen();
        let retry = format!("continuing from step {} at 1/{} of the learning rate", progress.step, 2u64.pow(tries + 1));
        bar.back(progress.step, &format!("warning: {seen}; {retry}"));
        let line = json!({ "step": progress.step, "monitor": failure.monitor(), "seen": seen, "try": retry });
        progress.rollbacks = std::mem::take(&mut self.progress.rollbacks);
        progress.rollbacks.push(line);
        self.progress = progress;
        self.prepared.programs = Programs::prepare(self.session, &self.prepared.steps, tries + 1)?;
        // The checkpoint first: the lines of metrics below can be restored from it.
        self.save()?;
        self.run.go_back(self.progress.step, &self.progress.rollbacks)?;
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
            seen += found.as_deref().unwrap_or("all tensors are finite when the steps are run again");
        }
        let line = json!({ "step": failure.step, "monitor": failure.monitor(), "seen": seen, "try": ADVICE });
        self.run.append_metrics(&line)?;
        let message = format!("{seen}; the last checkpoint is saved in {}; {ADVICE}", self.run.path.display());
        Ok(Error::new(ErrorKind::Training, message))
    }
}

/// Adds the saved checkpoint and the hint to resume to an error of the device. Other errors, and errors before the
/// first checkpoint, stay as they are.
pub(crate) fn with_checkpoint(error: Error, run: &Path, saved: Option<u64>) -> Error {
    let (Some(step), Some(device_error)) = (saved, error.device_error()) else { return error };
    let failure = match device_error {
        Lost { why } => format!("the device was lost: {why}"),
        OutOfMemory { what, .. } => format!("the device ran out of memory for {what}"),
        Fault { why } => format!("the device reported an error: {why}"),
        _ => return error,
    };
    let run = run.display();
    let message = format!("{failure}; the checkpoint of step {step} is saved in {run}");
    error.with_message(message).with_hint(Hint::Resume(run.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::error::ErrorKind;

    #[test]
    fn only_errors_of_the_device_name_the_checkpoint() {
        let lost = || Error::from(Lost { why: "removed".into() });
        let error = with_checkpoint(lost(), Path::new("run"), Some(7));
        assert_eq!(error.to_string(), "the device was lost: removed; the checkpoint of step 7 is saved in run");
        assert_eq!(error.hint(), Some(&Hint::Resume("run".into())));
        assert_eq!(with_checkpoint(lost(), Path::new("run"), None).hint(), None);
        let other = Error::new(ErrorKind::File, "disk full");
        assert_eq!(with_checkpoint(other, Path::new("run"), Some(7)).to_string(), "disk full");
    }
}
