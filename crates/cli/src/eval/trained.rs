//! Trained models: a checkpoint of a run, opened on a device.

use crate::config::data::DataOptions;
use crate::data::DataSet;
use crate::eval::latents::{class, is_class_conditional};
use crate::eval::own_images::OwnImages;
use crate::io::error::{Hint, Result, bail, ensure};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::data::RunData;
use crate::run::device::{self, DeviceOptions};
use crate::run::folder::Run;
use crate::run::session::{Session, spec};
use crate::run::tensors::check_tensors;
use crate::terminal::Terminal;
use gpu_core::Backend;
use gpu_core::ops::density::Density;
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
                ensure!(has, Run, "{name} has no best checkpoint; train with train.best set to a metric");
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
    /// The second set, B, of a run of two sets, likewise.
    pub data_b: Option<String>,
    /// Device.
    pub device: DeviceOptions,
    /// Does not load the data. The model samples and decodes, and cannot be evaluated.
    pub without_data: bool,
    /// Images in the place of the test set; the data is not loaded. They are reconstructed or encoded.
    pub images: Option<OwnImages>,
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
    /// Facts about its data, for an evaluation.
    pub data: DataFacts,
}

/// Facts about the data that a model is evaluated on.
#[derive(Clone, PartialEq, Debug)]
pub struct DataFacts {
    /// Fingerprint of the images and labels.
    pub fingerprint: String,
    /// True if it is that of the run.
    pub same: bool,
    /// True if the test images are those of the run.
    pub same_tests: bool,
    /// The difference from the data of the run, if there is one.
    pub difference: Option<String>,
}

impl DataFacts {
    /// The facts about data that a run was trained on just now.
    pub fn of_training(data: &DataSet) -> Self {
        Self { fingerprint: data.fingerprint(), same: true, same_tests: true, difference: None }
    }
}

/// Opens a checkpoint of a run on a device.
///
/// Training and test images are those of the run; the terminal shows how the data has changed since.
///
/// # Errors
/// [`Run`](crate::ErrorKind::Run) if the folder holds no run or not that checkpoint,
/// [`Checkpoint`](crate::ErrorKind::Checkpoint) if the file is damaged, [`Data`](crate::ErrorKind::Data) if the data is
/// missing, [`Device`](crate::ErrorKind::Device) if the device cannot be opened.
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
    let trained = config.data.source.clone();
    let of_points = is_density(&config.data);
    if let Some(source) = &options.data {
        config.data.source.clone_from(source);
        ensure!(
            is_density(&config.data) == of_points,
            Data,
            "the run was trained on {}, but {source} has {}; pass data of the same kind with --data",
            if of_points { "points" } else { "images" },
            if of_points { "images" } else { "points" }
        );
    }
    if let Some(b) = &options.data_b {
        config.data.move_b(b)?;
    }
    ensure!(
        !options.average || config.optimiser.average > 0.0,
        Run,
        "{} was trained without averaged weights; train with optimiser.average, such as 0.999",
        run.path.display()
    );
    let mut checkpoint = run.load(&options.weights.path(&run)?)?;
    let mut unlabelled = None;
    let (data, facts) = match &options.images {
        Some(_) if of_points => {
            bail!(Model, "the run was trained on points, so it takes no images; leave them out")
        }
        Some(images) => {
            let own = images.read(black(&checkpoint)?, &config.data, terminal)?;
            unlabelled = own.unlabelled;
            (own.data, None)
        }
        None if options.without_data && !of_points => (black(&checkpoint)?, None),
        None => {
            let RunData { data, difference, same, same_tests } =
                RunData::read(&run, &config.data, &trained, &checkpoint).map_err(|error| error.or_hint(Hint::Data))?;
            if let Some(difference) = &difference {
                terminal.say(&format!("warning: {difference}"));
            }
            (data, Some((same, same_tests, difference)))
        }
    };
    let (same, same_tests, difference) = facts.unwrap_or((false, false, None));
    let data_facts = DataFacts { fingerprint: data.fingerprint(), same, same_tests, difference };
    let (backend, reason) = device::open(&options.device)?;
    terminal.say(&format!("running on {reason}"));
    let spec = spec(&config, &data);
    config.check_model(&spec, 1)?;
    let model = config.build(&spec);
    // Before memory is allocated for a model that the file may not have.
    check_tensors(model.as_ref(), &checkpoint)?;
    let mut session = Session::open_model(config, data.into(), model, &backend)?;
    if let Some(images) = &options.images {
        check_classes(&session, images, unlabelled)?;
    }
    session.restore_weights(&mut checkpoint, options.average)?;
    Ok(Opened { run, step: step_of(&checkpoint), session, backend, data: data_facts })
}

/// Refuses a class that the run does not have and, of a class-conditional model, images without one.
fn check_classes(session: &Session, images: &OwnImages, unlabelled: Option<String>) -> Result<()> {
    if let Some(name) = &images.class {
        class(session, name)?;
    }
    if let (true, Some(source)) = (is_class_conditional(session), unlabelled) {
        bail!(
            Data,
            hint: Hint::Class,
            "{source} has images without a class of the run, and the model is class-conditional"
        );
    }
    Ok(())
}

/// The training step of a checkpoint, if it is recorded.
pub fn step_of(checkpoint: &Checkpoint) -> Option<u64> {
    let progress: Value = serde_json::from_str(checkpoint.metadata.get("progress")?).ok()?;
    progress.get("step")?.as_u64()
}

/// True for data that is drawn, and so needs no files.
fn is_density(options: &DataOptions) -> bool {
    Density::find(&options.source).is_some()
}

/// A black image of the size that the checkpoint records, in place of the data.
fn black(checkpoint: &Checkpoint) -> Result<DataSet> {
    let mut black = DataSet::black_sides(checkpoint.image_size()?, checkpoint.classes()?, checkpoint.sides());
    black.sequence = checkpoint.sequence();
    Ok(black)
}
