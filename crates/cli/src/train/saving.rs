//! The state of a training: its checkpoints, its start of an epoch, and its way to the other ranks.

use crate::io::error::Result;
use crate::run::checkpoint::Checkpoint;
use crate::train::training::Trainer;

impl Trainer<'_> {
    /// Starts the sums of a new epoch.
    pub(super) fn begin_epoch(&mut self) -> Result<()> {
        self.progress.begin_epoch();
        self.session.clear_usage()
    }

    /// Sends the state to the other ranks.
    pub(super) fn send_state(&mut self) -> Result<()> {
        let lowered = self.progress.rollbacks.len() as u32;
        self.team.as_mut().map_or(Ok(()), |team| team.send_state(self.session, lowered))
    }

    /// Saves a checkpoint if all its numbers are finite. Returns false if not.
    pub(super) fn save(&mut self) -> Result<bool> {
        let checkpoint = self.snapshot()?;
        checkpoint.iter().try_for_each(|checkpoint| self.keep(checkpoint))?;
        Ok(checkpoint.is_some())
    }

    /// Saves a checkpoint as the latest, and by its step if `train.keep` is set.
    pub(super) fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let (step, keep) = (self.progress.step, self.session.config.train.keep);
        self.run.sync_metrics()?;
        if keep > 0 {
            checkpoint.save(&self.run.numbered(step))?;
        }
        checkpoint.save(&self.run.latest())?;
        self.saved = Some(step);
        self.run.prune(step, keep)
    }

    /// A checkpoint; `None` if it holds a number that is not finite.
    pub(super) fn snapshot(&mut self) -> Result<Option<Checkpoint>> {
        let mut checkpoint = self.session.checkpoint()?;
        checkpoint.metadata = self.progress.notes(self.session)?;
        Ok(checkpoint.is_finite().then_some(checkpoint))
    }
}
