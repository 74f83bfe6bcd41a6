//! Setup of a model: checks of its configuration, data and device, and its initial weights.

use crate::config::{Config, Train};
use crate::data::{DataSet, Sides};
use crate::eval::metrics::{METRICS, metric};
use crate::eval::targets::check_ranges;
use crate::io::error::{Result, bail};
use crate::io::guess::did_you_mean;
use crate::run::checkpoint::Checkpoint;
use crate::run::data::absolute_sources;
use crate::run::device::{self, DeviceOptions};
use crate::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard};
use crate::run::find::refuse_as_data;
use crate::run::frozen;
use crate::run::session::{Session, spec};
use crate::run::step_timer::StepTimer;
use crate::terminal::Terminal;
use crate::train::best_metric::BestMetric;
use crate::train::fit_memory::{FitMemory, smallest_micro_batch};
use crate::train::options::{Length, MicroBatchSize};
use crate::train::team;
use gpu_core::Backend;
use models::ModelConfig;
use std::sync::Arc;
use std::time::Duration;

/// Time to spend on measuring a step.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// A configuration and its data, checked: everything that needs no device.
pub struct Inputs {
    /// Configuration, with the length, the decay of the learning rate and the absolute path of the data filled in.
    pub config: Config,
    /// Data set.
    pub data: Arc<DataSet>,
    auto_micro_batch: bool,
    /// The checkpoint of the frozen network, of a prior over codes or latents.
    frozen: Option<Checkpoint>,
}

impl Inputs {
    /// Loads the data of a configuration and checks that a model can be trained on it.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) if the data cannot be loaded, [`ErrorKind::Setting`](crate::ErrorKind) for
    /// an invalid setting.
    pub fn load(mut config: Config, length: Length, micro_batch: Option<MicroBatchSize>) -> Result<Self> {
        refuse_as_data(&config.data.source)?;
        refuse_as_data(&config.data.b)?;
        config.data = absolute_sources(config.data);
        let frozen = frozen::resolve(&mut config)?;
        let data = DataSet::load(&config.data)?;
        frozen.iter().try_for_each(|checkpoint| frozen::check_data(&config.model, checkpoint, &data))?;
        length.apply(&mut config, data.epoch_images());
        config.resolve_decay(EpochPlan::new(&config, data.epoch_images()).total)?;
        let auto_micro_batch = choose_micro_batch(&mut config, micro_batch);
        check(&config, auto_micro_batch, &data)?;
        Ok(Self { config, data: Arc::new(data), auto_micro_batch, frozen })
    }

    /// Opens a device. Data that exceeds its limits is split into shards, and an automatic micro-batch is chosen.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if there is no such device, or the model does not fit it.
    pub fn open(self, device: &DeviceOptions, terminal: &Terminal) -> Result<Setup> {
        let Self { mut config, data, auto_micro_batch, frozen } = self;
        let (backend, reason) = device::open(device)?;
        terminal.say(&device.running(&reason));
        if let Some(images) = fit_shard(&mut config, &data, binding_bytes(&backend))? {
            terminal.say(&format!("{} exceeds the device's limits; using shards of {images} images", data.name));
        }
        let mut setup = Setup { config, data, backend, frozen };
        if auto_micro_batch {
            setup.fit_micro_batch(terminal)?;
        }
        if let Some(micro_batches) = team::divide(&mut setup.config, device.ranks())? {
            let Train { batch_size, micro_batch, .. } = setup.config.train;
            check(&setup.config, false, &setup.data)?;
            terminal.say(&format!("a batch of {batch_size} is {micro_batches} micro-batches of {micro_batch}"));
        }
        Ok(setup)
    }
}

/// A configuration, its data and a device: a model that can start.
///
/// ```
/// use frit::{DeviceChoice, config::Config, run::device::DeviceOptions, train::Setup};
/// # fn main() -> frit::Result<()> {
/// let config = Config::load("vae")?.with("vae.hidden=[16]")?;
/// let setup = Setup::load(config, &DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() })?;
/// let session = setup.start()?;
/// assert_eq!(session.data.name, "digits");
/// # Ok(())
/// # }
/// ```
pub struct Setup {
    /// Configuration.
    pub config: Config,
    /// Data set.
    pub data: Arc<DataSet>,
    /// Device.
    pub backend: Backend,
    /// The checkpoint of the run whose network a new model uses as it is: the VQ-VAE of a prior, the autoencoder of a
    /// normalising flow.
    pub frozen: Option<Checkpoint>,
}

impl Setup {
    /// Loads the data of a configuration, and opens a device.
    ///
    /// # Errors
    /// Those of [`Inputs::load`] and [`Inputs::open`].
    pub fn load(config: Config, device: &DeviceOptions) -> Result<Self> {
        Inputs::load(config, Length::default(), None)?.open(device, &Terminal::new(true))
    }

    /// Puts the model on the device, with its first weights.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if it does not fit, with the largest batch that does as a hint.
    pub fn start(&self) -> Result<Session> {
        let start = || -> Result<Session> {
            let mut session = Session::open(self.config.clone(), self.data.clone(), &self.backend)?;
            match self.frozen.clone() {
                Some(frozen) => session.initialise_with(frozen)?,
                None => session.initialise()?,
            }
            Ok(session)
        };
        start().map_err(|error| self.fit_memory().with_hint(error))
    }

    /// The time of a step of a started model on a full batch, measured for about a second.
    ///
    /// # Errors
    /// As [`Setup::start`].
    pub fn step_time(&self, session: Session) -> Result<StepTime> {
        let plan = EpochPlan::new(&session.config, session.data.epoch_images());
        let device = session.device.clone();
        let measure = || -> Result<Duration> {
            let mut timer = StepTimer::start(session, &plan)?;
            let steps = timer.steps_in(LONG_ENOUGH)?;
            timer.time(steps)
        };
        let step = measure().map_err(|error| self.fit_memory().with_hint(error))?;
        Ok(StepTime { step, per_epoch: plan.per_epoch, total: plan.total, device })
    }

    /// The search for sizes that fit the device.
    pub fn fit_memory(&self) -> FitMemory<'_> {
        FitMemory { config: &self.config, data: &self.data, backend: &self.backend }
    }

    /// Chooses the largest micro-batch that fits.
    pub(crate) fn fit_micro_batch(&mut self, terminal: &Terminal) -> Result<()> {
        self.config.train.micro_batch = self.fit_memory().micro_batch()?;
        let (batch, micro_batches) = (self.config.train.batch_size, self.config.micro_batches());
        terminal.say(&match micro_batches.len() {
            1 => format!("a batch of {batch} fits in memory"),
            n => format!(
                "a batch of {batch} does not fit in memory; using {n} micro-batches of {}",
                micro_batches[0].rows
            ),
        });
        Ok(())
    }
}

/// The measured time of a training step.
#[derive(Clone, PartialEq, Debug)]
pub struct StepTime {
    /// Time of a step.
    pub step: Duration,
    /// Steps in an epoch.
    pub per_epoch: u64,
    /// Steps in the run.
    pub total: u64,
    /// Device.
    pub device: String,
}

impl StepTime {
    /// Seconds of an epoch, and of the run, without evaluation and sample grids.
    pub fn seconds(&self) -> [f64; 2] {
        [self.per_epoch, self.total].map(|steps| steps as f64 * self.step.as_secs_f64())
    }
}

/// Sets the micro-batch of a configuration. Returns true if it is automatic.
pub(crate) fn choose_micro_batch(config: &mut Config, micro_batch: Option<MicroBatchSize>) -> bool {
    if let Some(MicroBatchSize::Images(images)) = micro_batch {
        config.train.micro_batch = images;
    }
    micro_batch == Some(MicroBatchSize::Auto)
}

/// Refuses a configuration that cannot be trained. An automatic micro-batch is checked at its smallest.
pub(crate) fn check(config: &Config, auto_micro_batch: bool, data: &DataSet) -> Result<()> {
    let Train { batch_size, micro_batch, .. } = config.train;
    let micro_batch = if auto_micro_batch { smallest_micro_batch(batch_size) } else { micro_batch };
    let spec = spec(config, data);
    config.with_micro_batch(micro_batch).check(&spec, data.epoch_images())?;
    if config.model.needs_pairs() && !matches!(data.sides, Some(Sides::Paired { .. })) {
        bail!(Setting, "data.pairs must be name or split: {} needs pairs, as in --pairs name", config.name());
    }
    if data.sequence.is_some() != matches!(config.model, ModelConfig::Wavenet(_)) {
        let [given, needed] = if data.sequence.is_some() { ["sequences", "images"] } else { ["images", "sequences"] };
        bail!(Setting, "data.source must have {needed}, not {given}, for the family {}", config.name());
    }
    let best = BestMetric::of(&config.train.best, config.build(&spec).as_ref())?;
    let Train { patience, best_every, .. } = config.train;
    if patience > 0 && patience < best_every && best.is_some_and(|metric| metric.is_generative()) {
        bail!(
            Setting,
            "train.patience = {patience} ends training before a measurement; raise it to {best_every} or more"
        );
    }
    if !config.target.is_empty() {
        check_ranges(&config.target, config.name())?;
        if let Some(key) = config.target.keys().find(|key| metric(key).is_none()) {
            let guess = did_you_mean(key, METRICS.iter().map(|metric| metric.key));
            bail!(Setting, "target.{key} is not a metric{guess}");
        }
    }
    Ok(())
}
