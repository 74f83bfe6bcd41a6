//! `frit resume`.

use super::advice::train_on;
use super::train::{finish, on_interrupt};
use super::trained::run_folder;
use crate::Ending;
use crate::args;
use anyhow::Result;
use frit::terminal::Terminal;
use frit::train::{Length, ResumeOptions, Summary};
use gpu_core::DeviceChoice;

pub(crate) fn resume(args: &args::Resume, terminal: &Terminal) -> Result<Ending> {
    let run = run_folder(args.run.as_deref(), terminal)?;
    let trained = frit::train::resume(ResumeOptions {
        data: args.data.clone(),
        data_b: args.data_b.clone(),
        length: Length { epochs: args.epochs, steps: args.steps },
        micro_batch: args.micro_batch.map(Into::into),
        device: args.device.all(DeviceChoice::Auto),
        same_device: args.device.choice().is_none(),
        terminal: *terminal,
        interrupt: on_interrupt()?,
        ..ResumeOptions::new(run)
    })?;
    if trained.was_complete {
        let Summary { steps, .. } = trained.summary()?;
        terminal.say(&match trained.session.config.optimiser.has_fallen_to_nothing(steps) {
            true => format!("its learning rate has fallen to zero; {}", train_on(&trained.path, steps)),
            false => "to train longer, use --epochs with a larger number".into(),
        });
    }
    finish(trained, terminal, args.json)
}
