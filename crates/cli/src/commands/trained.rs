//! Opens trained models.

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

/// The advice for a model that makes no images.
pub(crate) const MEASURE: &str = "use `frit eval` for its accuracy";

/// A run with its trained model on a device.
pub(crate) struct Opened {
    pub(crate) run: Run,
    /// The step of the checkpoint, if it is recorded.
    pub(crate) step: Option<u64>,
    pub(crate) session: Session,
    pub(crate) backend: Backend,
}

/// Opens a trained model with its data.
pub(crate) fn open(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    open_with(args, terminal, |config, _| load(config))
}

/// Opens a trained model without its data, to sample from it: only the image size is needed.
pub(crate) fn open_to_draw(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    let opened = open_with(args, terminal, |_, checkpoint| {
        let note = |key: &str| checkpoint.metadata.get(key);
        let classes = note("classes").and_then(|names| serde_json::from_str(names).ok());
        let black = note("picture").and_then(|size| DataSet::black(size, classes.unwrap_or(vec!["0".into()])));
        black.with_context(|| format!("{} does not record the image size; train the model again", checkpoint.name))
    })?;
    let model = &opened.session.model;
    if model.sampler().is_none() {
        let instead = match model.reconstructor() {
            Some(_) => "use `frit reconstruct`",
            None => MEASURE,
        };
        bail!("{} has no prior to sample from; {instead}", opened.session.config.name());
    }
    Ok(opened)
}

/// The path of the requested checkpoint.
fn file(args: &Trained, run: &Run) -> Result<PathBuf> {
    let name = args.run.display();
    if let Some(step) = args.checkpoint {
        let kept = run.kept()?;
        let steps: Vec<String> = kept.iter().map(u64::to_string).collect();
        let has = if kept.is_empty() { "none".into() } else { steps.join(", ") };
        ensure!(
            kept.contains(&step),
            "{name} has no checkpoint of step {step} (kept: {has}; set train.keep to keep more)"
        );
        return Ok(run.numbered(step));
    }
    ensure!(
        !args.best || run.best().exists(),
        "{name} has no best checkpoint: set train.best to a metric when training"
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
        "{} was trained without averaged weights (set optimiser.average, e.g. 0.999)",
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

/// The step of a checkpoint, if it is recorded.
pub(crate) fn step_of(checkpoint: &Checkpoint) -> Option<u64> {
    let progress: Value = serde_json::from_str(checkpoint.metadata.get("progress")?).ok()?;
    progress.get("step")?.as_u64()
}
