//! The training images of a step, put onto the device.

use crate::io::error::Result;
use crate::run::epoch_plan::StepPosition;
use crate::terminal::Count;
use crate::train::training::Trainer;
use std::time::Instant;

impl Trainer<'_> {
    /// Uploads the images of a step, unless they are on the device. The terminal shows it if a frozen network encodes
    /// them, and that time is none of training's speed.
    pub(super) fn put_shard(&mut self, position: &StepPosition) -> Result<()> {
        if let Some(team) = &mut self.team {
            team.put_shard(self.session, &self.prepared.steps, self.progress.step)?;
        }
        let (terminal, before) = (self.terminal, Instant::now());
        let mut encoding: Option<Count> = None;
        self.session.put_shard_counted(&self.prepared.steps, position, &mut |batches, is_first| {
            let count = encoding.get_or_insert_with(|| {
                is_first.then(|| terminal.say("encoding the training images to codes"));
                terminal.count("batches", batches)
            });
            count.next("encoding the training images");
        })?;
        if encoding.is_some() {
            self.since += before.elapsed();
        }
        Ok(())
    }
}
