//! Generative metrics between epochs, for a run whose best checkpoint is selected by one of them.

use crate::eval::draw::Sampling;
use crate::eval::features::{FeatureChoice, FeatureSpace};
use crate::eval::measures::Evaluation;
use crate::eval::quality::quality;
use crate::io::error::{Hint, Result, bail};
use crate::io::format::short;
use crate::run::epoch_plan::EpochPlan;
use crate::run::session::Session;
use crate::terminal::Terminal;
use crate::train::best_metric::BestMetric;
use crate::train::progress::Progress;
use gpu_core::Backend;
use models::metrics::{Features, NEAREST};
use serde_json::Value;

/// Generated images, and as many real ones, at most: a measurement should take less time than an epoch.
const MAX_IMAGES: usize = 1_000;

/// A comparison of generated images with test images, prepared once and made as often as wanted.
///
/// The samples have the seed of the run, and so the same latents every time. Nothing here draws from the random streams
/// of training.
pub(super) struct GenerativeMetrics {
    space: FeatureSpace,
    sampling: Sampling,
    /// Features of test images.
    real: Features,
    /// The metric that selects the best checkpoint, of training images against test images.
    floor: Option<f64>,
    /// Key of that metric.
    key: String,
    seed: u64,
    every: u64,
}

impl GenerativeMetrics {
    /// Prepares the comparison; `None` if the best metric is no generative one, or all steps are done. The features are
    /// those of `frit eval --generative`, and its network is trained or read from the cache. The progress notes them;
    /// if the best checkpoint was selected in others, it is selected anew.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) for too few images, and those of [`FeatureSpace::open`].
    pub(super) fn prepare(
        session: &mut Session,
        best_metric: Option<&BestMetric>,
        backend: &Backend,
        terminal: &Terminal,
        progress: &mut Progress,
    ) -> Result<Option<Self>> {
        let is_done = progress.step == EpochPlan::new(&session.config, session.data.epoch_images()).total;
        let wanted = best_metric.filter(|metric| metric.is_generative() && !is_done);
        let Some(metric) = wanted else { return Ok(None) };
        let (data, seed) = (session.data.clone(), session.config.train.seed);
        let count = MAX_IMAGES.min(data.test.count).min(data.train.count);
        let key = metric.key.clone();
        if count <= NEAREST {
            let needed = NEAREST + 1;
            bail!(
                Data,
                hint: Hint::Set("data.test".into()),
                "train.best = '{key}' needs {needed} test images or more; {} has {}",
                data.name,
                data.test.count
            );
        }
        let purpose = format!("to measure {key} in its features");
        let mut space = FeatureSpace::open(&FeatureChoice::Auto, &data, backend, &purpose, terminal)?;
        let sampling = Sampling::require(session, count, seed)?;
        let real = space.features(&data.values(&data.test, &data.test.subset(count, seed)))?;
        let other = space.features(&data.values(&data.train, &data.train.subset(count, seed)))?;
        let floor = quality(&real, &other, seed, "").get(&key).and_then(Value::as_f64);
        let features = space.name()?;
        if let Some(floor) = floor {
            let (width, floor) = (space.width(), short(floor));
            terminal.say(&format!("{key} of real images: {floor} ({count} images, {width} features of {features})"));
        }
        if progress.best.is_some() && progress.features != features {
            terminal.say(&format!(
                "warning: the best checkpoint was selected in other features ({}, now {features}); it is selected anew",
                progress.features
            ));
            progress.best = None;
        }
        progress.features = features;
        let every = session.config.train.best_every;
        Ok(Some(Self { space, sampling, real, floor, key, seed, every }))
    }

    /// Measures the model after an epoch; empty unless the epoch is due or the run's last.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub(super) fn run(&mut self, session: &mut Session, epoch: u64, is_last: bool) -> Result<Evaluation> {
        if !epoch.is_multiple_of(self.every) && !is_last {
            return Ok(Evaluation::new());
        }
        let mut generated = self.sampling.run(session)?.values;
        generated.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
        let mut measured = quality(&self.real, &self.space.features(&generated)?, self.seed, "");
        // The deviation of the kernel distance is not a separate metric.
        measured.retain(|key, _| !key.ends_with("_deviation"));
        Ok(measured)
    }

    /// A measurement in a sentence: `frechet 12.30 (real images 0.41)`; `None` without one.
    pub(super) fn message(&self, measured: &Evaluation) -> Option<String> {
        let value = short(measured.get(&self.key)?.as_f64()?);
        let floor = self.floor.map_or(String::new(), |floor| format!(" (real images {})", short(floor)));
        Some(format!("{} {value}{floor}", self.key))
    }
}
