//! Options of training.

use crate::config::Config;
use crate::run::device::DeviceOptions;
use crate::run::epoch_plan::EpochPlan;
use crate::terminal::Terminal;
use crate::train::events::{Event, Observer};
use gpu_core::Exchange;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The length of training, where it differs from the configuration's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Length {
    /// Epochs, counted from the start of the run.
    pub epochs: Option<u64>,
    /// Steps, counted from the start of the run. Without epochs, as many epochs as they take.
    pub steps: Option<u64>,
}

impl Length {
    /// Sets the epochs and steps of a configuration, for `images` training images.
    pub fn apply(self, config: &mut Config, images: usize) {
        if let Some(epochs) = self.epochs {
            config.train.epochs = epochs;
        }
        if let Some(steps) = self.steps {
            config.train.steps = steps;
            if self.epochs.is_none() {
                config.train.epochs = epochs_for(steps, config, images);
            }
        }
    }
}

/// The epochs that `steps` steps take.
pub fn epochs_for(steps: u64, config: &Config, images: usize) -> u64 {
    steps.div_ceil(EpochPlan::new(config, images).per_epoch.max(1)).max(1)
}

/// Images per micro-batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MicroBatchSize {
    /// The largest that fits the device.
    Auto,
    /// A number of images; 0 for the whole batch.
    Images(usize),
}

/// Options of [`train`](crate::train::train): a configuration, and everything that has a default.
pub struct TrainOptions {
    /// Configuration.
    pub config: Config,
    /// Name of the recipe, for messages and the default run folder.
    pub name: String,
    /// Length, if not the configuration's.
    pub length: Length,
    /// Images per micro-batch, if not the configuration's.
    pub micro_batch: Option<MicroBatchSize>,
    /// Device.
    pub device: DeviceOptions,
    /// Initial weights: a safetensors file with PyTorch's names and layouts.
    pub init: Option<PathBuf>,
    /// Run folder to create; `runs/NAME-NNN` if `None`.
    pub out: Option<PathBuf>,
    /// Terminal for progress and warnings; quiet by default.
    pub terminal: Terminal,
    /// Ends training after the step once it is set: everything is saved, and the run can be resumed.
    pub interrupt: Arc<AtomicBool>,
    /// Function that is called with each event.
    pub observer: Option<Observer>,
    /// Exchange with the other processes of the training, which [`follow`](crate::train::follow()) this one.
    pub exchange: Option<Box<dyn Exchange>>,
}

impl TrainOptions {
    /// The default options for a configuration.
    pub fn new(config: Config) -> Self {
        Self {
            name: config.name().into(),
            config,
            length: Length::default(),
            micro_batch: None,
            device: DeviceOptions::default(),
            init: None,
            out: None,
            terminal: Terminal::new(true),
            interrupt: Arc::default(),
            observer: None,
            exchange: None,
        }
    }

    /// Creates the run in this folder.
    pub fn out(self, path: impl Into<PathBuf>) -> Self {
        Self { out: Some(path.into()), ..self }
    }

    /// Trains on this device.
    pub fn device(self, device: DeviceOptions) -> Self {
        Self { device, ..self }
    }

    /// Trains for this many steps.
    pub fn steps(self, steps: u64) -> Self {
        Self { length: Length { steps: Some(steps), ..self.length }, ..self }
    }

    /// Trains for this many epochs.
    pub fn epochs(self, epochs: u64) -> Self {
        Self { length: Length { epochs: Some(epochs), ..self.length }, ..self }
    }

    /// Shows progress and warnings on this terminal.
    pub fn terminal(self, terminal: Terminal) -> Self {
        Self { terminal, ..self }
    }

    /// Calls a function with each event; [`ControlFlow::Break`] ends training.
    pub fn observe(self, observer: impl FnMut(&Event<'_>) -> ControlFlow<()> + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }
}

impl fmt::Debug for TrainOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, name, length, out, .. } = self;
        f.debug_struct("TrainOptions")
            .field("name", name)
            .field("config", config)
            .field("length", length)
            .field("out", out)
            .finish_non_exhaustive()
    }
}

/// Options of [`resume`](crate::train::resume()): a run folder, and everything that has a default.
pub struct ResumeOptions {
    /// Run folder.
    pub run: PathBuf,
    /// Data set, if it is no longer where it was.
    pub data: Option<String>,
    /// The second set, B, of a run of two sets, likewise.
    pub data_b: Option<String>,
    /// Length, if not the run's. Epochs alone remove an earlier limit on steps.
    pub length: Length,
    /// Images per micro-batch, if not the run's.
    pub micro_batch: Option<MicroBatchSize>,
    /// Device. Its choice counts if [`ResumeOptions::same_device`] is false, or the run's own device is missing.
    pub device: DeviceOptions,
    /// Uses the device of the run; true by default.
    pub same_device: bool,
    /// Terminal for progress and warnings; quiet by default.
    pub terminal: Terminal,
    /// Ends training after the step once it is set.
    pub interrupt: Arc<AtomicBool>,
    /// Function that is called with each event.
    pub observer: Option<Observer>,
    /// Exchange with the other processes, which [follow](crate::train::follow_resumed) this one.
    pub exchange: Option<Box<dyn Exchange>>,
}

impl ResumeOptions {
    /// The default options for a run.
    pub fn new(run: impl Into<PathBuf>) -> Self {
        Self {
            run: run.into(),
            data: None,
            data_b: None,
            length: Length::default(),
            micro_batch: None,
            device: DeviceOptions::default(),
            same_device: true,
            terminal: Terminal::new(true),
            interrupt: Arc::default(),
            observer: None,
            exchange: None,
        }
    }

    /// Trains up to this epoch, counted from the start of the run.
    pub fn epochs(self, epochs: u64) -> Self {
        Self { length: Length { epochs: Some(epochs), ..self.length }, ..self }
    }
}

impl fmt::Debug for ResumeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, data, length, same_device, .. } = self;
        f.debug_struct("ResumeOptions")
            .field("run", run)
            .field("data", data)
            .field("length", length)
            .field("same_device", same_device)
            .finish_non_exhaustive()
    }
}
