//! `frit resume`.

use super::advice::train_on;
use super::launch::Launch;
use super::train::{finish, on_interrupt};
use super::trained::run_folder;
use crate::Ending;
use crate::args;
use anyhow::Result;
use frit::terminal::Terminal;
use frit::train::{Length, ResumeOptions, Summary};
use gpu_core::DeviceChoice;
use std::path::PathBuf;

pub(crate) fn resume(args: &args::Resume, launch: &Launch, terminal: &Terminal) -> Result<Ending> {
    let run = match launch.speaks() {
        true => run_folder(args.run.as_deref(), terminal)?,
        // Only the computer of rank 0 needs it.
        false => PathBuf::new(),
    };
    let options = ResumeOptions {
        data: args.data.clone(),
        data_b: args.data_b.clone(),
        length: Length { epochs: args.epochs, steps: args.steps },
        micro_batch: args.micro_batch.map(Into::into),
        device: launch.device(args.device.all(DeviceChoice::Auto))?,
        same_device: args.device.choice().is_none(),
        terminal: *terminal,
        interrupt: on_interrupt()?,
        exchange: launch.exchange(),
        ..ResumeOptions::new(run)
    };
    if !launch.speaks() {
        frit::train::follow_resumed(options)?;
        return Ok(Ending::Done);
    }
    let trained = frit::train::resume(options)?;
    if trained.was_complete {
        let Summary { steps, .. } = trained.summary()?;
        terminal.say(&match trained.session.config.optimiser.has_fallen_to_nothing(steps) {
            true => format!("its learning rate has fallen to zero; {}", train_on(&trained.path, steps)),
            false => "to train longer, use --epochs with a larger number".into(),
        });
    }
    finish(trained, terminal, args.json)
}
