//! Training of a new run.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::measures::Evaluation;
use crate::io::error::Result;
use crate::run::checkpoint::Checkpoint;
use crate::run::environment::environment;
use crate::run::epoch_plan::EpochPlan;
use crate::run::folder::Run;
use crate::run::frozen;
use crate::run::session::{Session, spec};
use crate::run::startup::Startup;
use crate::run::tensors::check_tensors;
use crate::terminal::Terminal;
use crate::train::options::TrainOptions;
use crate::train::progress::Progress;
use crate::train::setup::{Inputs, Setup, StepTime};
use crate::train::start_message::{Start, train_request};
use crate::train::team::Team;
use crate::train::training::{Outcome, Trainer};
use gpu_core::Backend;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of the runs that are given no path.
const RUNS: &str = "runs";

/// Steps of a run below which a model has hardly begun to learn.
const FEW_STEPS: u64 = 200;

/// A run after training.
pub struct Trained {
    /// Run folder.
    pub path: PathBuf,
    /// The model, with its last weights.
    pub session: Session,
    /// The device.
    pub backend: Backend,
    /// Losses on the test set, with the model, the data and the device; `None` if training was interrupted.
    pub metrics: Option<Evaluation>,
    /// True if all steps of a resumed run were done before.
    pub was_complete: bool,
}

/// Trains a model and saves it in a run folder.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind) and [`ErrorKind::Data`](crate::ErrorKind) before anything is trained,
/// [`ErrorKind::Run`](crate::ErrorKind) if the folder holds a run, [`ErrorKind::Device`](crate::ErrorKind) if the model
/// does not fit or the device fails, [`ErrorKind::File`](crate::ErrorKind) if a file cannot be written,
/// [`ErrorKind::Training`](crate::ErrorKind) if the loss is not finite.
///
/// ```
/// use frit::config::Config;
/// use frit::train::{TrainOptions, train};
/// use frit::{DeviceChoice, run::device::DeviceOptions};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("run");
/// let config = Config::load("vae")?.with("vae.hidden=[16]")?;
/// let cpu = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
/// let trained = train(TrainOptions::new(config).device(cpu).steps(3).out(&path))?;
/// assert!(trained.metrics.unwrap()["neg_elbo"].as_f64().unwrap() > 0.0);
/// assert!(path.join("checkpoints/latest.safetensors").exists());
/// # Ok(())
/// # }
/// ```
pub fn train(options: TrainOptions) -> Result<Trained> {
    let mut startup = Startup::default();
    let request = train_request(&options)?;
    let (inputs, init) = checked(&options)?;
    let TrainOptions { name, device, out, terminal, interrupt, observer, exchange, .. } = options;
    startup.lap("data");
    let setup = inputs.open(&device, &terminal)?;
    startup.lap("device");
    let mut session = started(&setup, init, &terminal)?;
    startup.lap("weights");
    let start = || Start::new(request, &setup.config, &setup.backend, None);
    let mut team = Team::start(exchange, start, &device, &mut session, &setup.backend)?;
    let Setup { data, backend, .. } = &setup;
    let prepared = Trainer::new(&mut session, &setup.backend, &terminal, Progress::default(), |session| {
        team.iter_mut().try_for_each(|team| team.agree(session, backend))?;
        let run = match &out {
            Some(path) => Run::create(path)?,
            None => Run::create_numbered(Path::new(RUNS), &name)?,
        };
        run.write_environment(&environment(backend, &device, session))?;
        let images = data.described(&data.train);
        terminal.say(&format!("training {name} on {images} into {}", run.path.display()));
        let steps = EpochPlan::new(&session.config, data.epoch_images()).total;
        if steps < FEW_STEPS && session.config.train.steps == 0 {
            terminal.say(&format!(
                "note: this run has only {steps} steps; a smaller train.batch_size or more train.epochs make more"
            ));
        }
        let optimiser = &session.config.optimiser;
        if steps > 0 && optimiser.has_fallen_to_nothing(steps - 1) {
            terminal.say(&format!(
                "note: the learning rate falls to zero at step {} of {steps}; with optimiser.lr_decay_steps=0 it falls \
                 over the whole run",
                optimiser.lr_warmup + optimiser.lr_decay_steps
            ));
        }
        Ok(run)
    });
    let mut trainer = match prepared {
        Ok(trainer) => trainer,
        Err(error) => {
            // The search for a size that fits needs its memory.
            drop(session);
            return Err(setup.fit_memory().with_hint(error));
        }
    };
    trainer.report_startup(startup);
    trainer.employ(team);
    trainer.observe(observer);
    let path = trainer.path().to_path_buf();
    let metrics = match trainer.train(&interrupt)? {
        Outcome::Done(metrics) => Some(metrics),
        Outcome::Interrupted => None,
    };
    Ok(Trained { path, session, backend: setup.backend, metrics, was_complete: false })
}

/// A training that is checked and not run.
pub struct DryRun {
    /// Configuration, as the training would use it.
    pub config: Config,
    /// Data set.
    pub data: Arc<DataSet>,
    /// Device; `None` if it cannot be opened.
    pub backend: Option<Backend>,
    /// The measured time of a step, or what keeps the model from the device.
    pub time: Result<StepTime>,
}

/// Checks a training as [`train`] does, and measures a step. Nothing is written.
///
/// # Errors
/// Those of [`train`] that need no device.
pub fn dry_run(options: TrainOptions) -> Result<DryRun> {
    let (inputs, init) = checked(&options)?;
    let (config, data) = (inputs.config.clone(), inputs.data.clone());
    let setup = match inputs.open(&options.device, &options.terminal) {
        Ok(setup) => setup,
        Err(error) => return Ok(DryRun { config, data, backend: None, time: Err(error) }),
    };
    let time = started(&setup, init, &options.terminal).and_then(|session| setup.step_time(session));
    let Setup { config, data, backend, .. } = setup;
    Ok(DryRun { config, data, backend: Some(backend), time })
}

/// The configuration, the data and the file of first weights, checked; the run folder does not exist.
fn checked(options: &TrainOptions) -> Result<(Inputs, Option<Checkpoint>)> {
    options.out.as_deref().map_or(Ok(()), Run::refuse_existing)?;
    frozen::require(&options.config)?;
    let inputs = Inputs::load(options.config.clone(), options.length, options.micro_batch)?;
    let init = options.init.as_deref().map(Checkpoint::load).transpose()?;
    if let Some(file) = &init {
        let model = inputs.config.build(&spec(&inputs.config, &inputs.data));
        // A small file must not make a large model be allocated.
        check_tensors(model.as_ref(), file)?;
    }
    Ok((inputs, init))
}

/// The model on the device, with the weights of a file or new ones.
fn started(setup: &Setup, init: Option<Checkpoint>, terminal: &Terminal) -> Result<Session> {
    let mut session = setup.start()?;
    if let Some(mut file) = init {
        let unused = session.initialise_from(&mut file)?;
        if !unused.is_empty() {
            terminal.say(&format!("warning: tensors of {} not used: {}", file.name, unused.join(", ")));
        }
    }
    Ok(session)
}
