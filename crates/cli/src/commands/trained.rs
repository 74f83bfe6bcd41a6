//! Opening a trained model.

use crate::args::Trained;
use crate::commands::train::load;
use anyhow::{Context, Result, bail, ensure};
use frit::config::Config;
use frit::data::DataSet;
use frit::run::checkpoint::Checkpoint;
use frit::run::device;
use frit::run::folder::Run;
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::{Backend, DeviceChoice};
use serde_json::Value;
use std::path::PathBuf;

/// What can be done with a model that makes no pictures at all.
pub(crate) const MEASURE: &str = "see how well it tells classes apart with `frit eval`";

/// A run, its model on a device with the weights in place, and the device.
pub(crate) struct Opened {
    pub(crate) run: Run,
    /// The step that the checkpoint was saved after, where it says so.
    pub(crate) step: Option<u64>,
    pub(crate) session: Session,
    pub(crate) backend: Backend,
}

/// A trained model with its data beside it.
pub(crate) fn open(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    open_with(args, terminal, |config, _| load(config))
}

/// The same without the data: for drawing, of which only the pictures' size is known.
pub(crate) fn open_to_draw(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    let opened = open_with(args, terminal, |_, checkpoint| {
        let note = |key: &str| checkpoint.metadata.get(key);
        let classes = note("classes").and_then(|names| serde_json::from_str(names).ok());
        let black = note("picture").and_then(|size| DataSet::black(size, classes.unwrap_or(vec!["0".into()])));
        black.with_context(|| format!("{} does not say how large its pictures are; train anew", checkpoint.name))
    })?;
    let model = &opened.session.model;
    if model.sampler().is_none() {
        let instead = match model.reconstructor() {
            Some(_) => "see what it makes of images with `frit reconstruct`",
            None => MEASURE,
        };
        bail!("{} has no prior to draw from; {instead}", opened.session.config.name());
    }
    Ok(opened)
}

/// The checkpoint that was asked for.
fn file(args: &Trained, run: &Run) -> Result<PathBuf> {
    let name = args.run.display();
    if let Some(step) = args.checkpoint {
        let kept = run.kept()?;
        let steps: Vec<String> = kept.iter().map(u64::to_string).collect();
        let has = if kept.is_empty() { "none by their steps".into() } else { format!("those of {}", steps.join(", ")) };
        ensure!(
            kept.contains(&step),
            "{name} keeps no checkpoint of step {step} but {has}; train.keep says how many are kept"
        );
        return Ok(run.numbered(step));
    }
    ensure!(
        !args.best || run.best().exists(),
        "{name} has no best checkpoint: a model without a figure of its own has one only where train.best names it; \
         leave --best out"
    );
    Ok(if args.best { run.best() } else { run.latest() })
}

fn open_with(
    args: &Trained,
    terminal: &Terminal,
    data: impl FnOnce(&Config, &Checkpoint) -> Result<DataSet>,
) -> Result<Opened> {
    let run = Run::open_to_read(&args.run)?;
    let mut config = run.config()?;
    if let Some(source) = &args.data {
        config.data.source.clone_from(source);
    }
    ensure!(
        !args.average || config.optimiser.average > 0.0,
        "{} was trained without a running average; leave --average out, or train with --set optimiser.average=0.999",
        args.run.display()
    );
    let mut checkpoint = Checkpoint::load(&file(args, &run)?)?;
    let data = data(&config, &checkpoint)?;
    let (backend, why) = device::open(&args.device.options(DeviceChoice::Auto))?;
    terminal.say(&format!("running on {why}"));
    let mut session = Session::open(config, data.into(), &backend)?;
    session.restore_weights(&mut checkpoint, args.average)?;
    Ok(Opened { run, step: step_of(&checkpoint), session, backend })
}

/// The step that a checkpoint was saved after, where it says so.
pub(crate) fn step_of(checkpoint: &Checkpoint) -> Option<u64> {
    let progress: Value = serde_json::from_str(checkpoint.metadata.get("progress")?).ok()?;
    progress.get("step")?.as_u64()
}
