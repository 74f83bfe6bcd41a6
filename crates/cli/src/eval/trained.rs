//! Trained models: a checkpoint of a run, opened on a device.

use crate::config::Config;
use crate::data::DataSet;
use crate::io::error::{Hint, Result, ensure};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::device::{self, DeviceOptions};
use crate::run::folder::Run;
use crate::run::session::{Session, spec};
use crate::run::tensors::check_tensors;
use crate::terminal::Terminal;
use gpu_core::Backend;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A checkpoint of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weights {
    /// The latest one.
    #[default]
    Latest,
    /// The one with the best value of the run's metric.
    Best,
    /// The one kept of a step.
    Step(u64),
}

impl Weights {
    /// The name in an evaluation: `latest`, `best` or `kept`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Best => "best",
            Self::Step(_) => "kept",
        }
    }

    /// The file.
    fn path(self, run: &Run) -> Result<PathBuf> {
        let name = run.path.display();
        match self {
            Self::Latest => Ok(run.latest()),
            Self::Best => {
                let has = files::exists(&run.best())?;
                ensure!(has, Run, "{name} has no best checkpoint: set train.best to a metric when training");
                Ok(run.best())
            }
            Self::Step(step) => {
                let kept = run.kept()?;
                let steps: Vec<String> = kept.iter().map(u64::to_string).collect();
                let has = if kept.is_empty() { "none".into() } else { steps.join(", ") };
                ensure!(
                    kept.contains(&step),
                    Run,
                    "{name} has no checkpoint of step {step} (kept: {has}; set train.keep to keep more)"
                );
                Ok(run.numbered(step))
            }
        }
    }
}

/// Options of [`open`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OpenOptions {
    /// Checkpoint.
    pub weights: Weights,
    /// Uses the running average of the weights.
    pub average: bool,
    /// Data set, if it is no longer where it was during training.
    pub data: Option<String>,
    /// Device.
    pub device: DeviceOptions,
    /// Does not load the data. The model samples and decodes, and cannot be evaluated.
    pub without_data: bool,
}

/// A trained model on a device.
pub struct Opened {
    /// Run folder, opened to read.
    pub run: Run,
    /// Training step of the checkpoint, if it is recorded.
    pub step: Option<u64>,
    /// The model, with its weights.
    pub session: Session,
    /// The device.
    pub backend: Backend,
}

/// Opens a checkpoint of a run on a device.
///
/// # Errors
/// [`ErrorKind::Run`] if the folder holds no run or not that checkpoint, [`ErrorKind::Checkpoint`] if the file is
/// damaged, [`ErrorKind::Data`] if the data is missing, [`ErrorKind::Device`] if the device cannot be opened.
///
/// ```no_run
/// # fn main() -> frit::Result<()> {
/// use frit::eval::{OpenOptions, open, sample};
/// let mut trained = open("runs/vae-001".as_ref(), &OpenOptions::default(), &frit::Terminal::new(true))?;
/// sample(&mut trained.session, 64, 0)?.save("samples.png".as_ref())?;
/// # Ok(())
/// # }
/// ```
pub fn open(run: &Path, options: &OpenOptions, terminal: &Terminal) -> Result<Opened> {
    let run = Run::open_to_read(run)?;
    let mut config = run.config()?;
    if let Some(source) = &options.data {
        config.data.source.clone_from(source);
    }
    ensure!(
        !options.average || config.optimiser.average > 0.0,
        Run,
        "{} was trained without averaged weights (set optimiser.average, e.g. 0.999)",
        run.path.display()
    );
    let mut checkpoint = run.load(&options.weights.path(&run)?)?;
    let data = if options.without_data { black(&checkpoint)? } else { load(&config)? };
    let (backend, reason) = device::open(&options.device)?;
    terminal.say(&format!("running on {reason}"));
    let spec = spec(&config, &data);
    config.check_model(&spec, 1)?;
    let model = config.build(&spec);
    // Before memory is allocated for a model that the file may not have.
    check_tensors(model.as_ref(), &checkpoint)?;
    let mut session = Session::open_model(config, data.into(), model, &backend)?;
    session.restore_weights(&mut checkpoint, options.average)?;
    Ok(Opened { run, step: step_of(&checkpoint), session, backend })
}

/// The training step of a checkpoint, if it is recorded.
pub fn step_of(checkpoint: &Checkpoint) -> Option<u64> {
    let progress: Value = serde_json::from_str(checkpoint.metadata.get("progress")?).ok()?;
    progress.get("step")?.as_u64()
}

fn load(config: &Config) -> Result<DataSet> {
    DataSet::load(&config.data).map_err(|error| error.or_hint(Hint::Data))
}

/// A black image of the size that the checkpoint records, in place of the data.
fn black(checkpoint: &Checkpoint) -> Result<DataSet> {
    Ok(DataSet::black(checkpoint.image_size()?, checkpoint.classes()?))
}
