//! Monitors: checks after every epoch for training that fails without an error. Each one warns with its observation and
//! the settings that may help.

use crate::config::Config;
use crate::config::monitors::Monitors;
use crate::data::DataSet;
use crate::eval::draw::Images;
use crate::eval::passes::{ActiveUnits, Tested};
use crate::io::error::Result;
use crate::run::epoch_plan::EpochPlan;
use crate::run::session::Session;
use models::metrics::pairwise_distance;
use models::{GanLoss, ModelConfig, QuantiserKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Warnings of one monitor in consecutive epochs, at most.
const MAX_CONSECUTIVE: u32 = 3;
/// Warnings of one monitor in a run, at most.
const MAX_TOTAL: u32 = 9;
/// Share of active latent dimensions below which the posterior has collapsed.
const ACTIVE: f64 = 0.1;
/// Perplexity, as a share of the number of codes, below which the codebook has collapsed.
const PERPLEXITY: f64 = 0.1;
/// Mean distance between samples, as a share of that between training images, below which modes have collapsed.
const DIVERSITY: f64 = 0.5;
/// Multiple of `monitors.after_epochs` that mode collapse waits for.
const MODES_WAIT: u64 = 2;
/// D(x) − D(G(z)) over an epoch, as a share of its maximum, above which the discriminator is too strong.
const LEAD: f64 = 0.95;
/// Training images below which a discriminator may learn them by heart.
const FEW: usize = 5000;

/// A warning of a monitor.
#[derive(Clone, PartialEq, Debug)]
pub struct Warning {
    /// Name of the monitor.
    pub monitor: &'static str,
    /// Observation.
    pub seen: String,
    /// Settings that may help.
    pub advice: String,
}

impl Warning {
    /// One line for the terminal.
    pub fn sentence(&self) -> String {
        format!("warning: {}; {}", self.seen, self.advice)
    }

    /// One line of metrics.jsonl.
    pub fn line(&self, epoch: u64, step: u64) -> Value {
        let Self { monitor, seen, advice } = self;
        json!({ "kind": "warning", "epoch": epoch, "step": step, "monitor": monitor, "seen": seen, "try": advice })
    }
}

/// Warnings of one monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WarningCount {
    /// In consecutive epochs, up to the last one.
    #[serde(rename = "now")]
    consecutive: u32,
    /// In the run.
    #[serde(rename = "all")]
    total: u32,
}

/// Warnings by the name of the monitor.
pub type WarningCounts = BTreeMap<String, WarningCount>;

/// The monitors of a run, prepared on its device.
pub struct ActiveMonitors {
    units: Option<ActiveUnits>,
    /// Mean distance between training images, as many as there are samples in a preview.
    reals: Option<f64>,
    /// Steps to an epoch.
    per_epoch: u64,
}

impl ActiveMonitors {
    /// Prepares the monitors that are on; a preview has `drawn` samples.
    pub fn prepare(session: &mut Session, drawn: usize) -> Result<Self> {
        let Monitors { posterior, modes, .. } = session.config.monitors;
        let units = if posterior { ActiveUnits::prepare(session)? } else { None };
        let watched = modes && session.model.discriminator().is_some();
        let per_epoch = EpochPlan::new(&session.config, session.data.epoch_images()).per_epoch;
        let reals = || diversity_of_data(&session.data, drawn, session.config.train.seed);
        Ok(Self { units, reals: watched.then(reals).flatten(), per_epoch })
    }

    /// True once a monitor that waits for `epochs` epochs checks: a short run has too few steps to wait for.
    fn is_awake(&self, monitors: &Monitors, step: u64, epochs: u64) -> bool {
        step >= monitors.after.min(epochs.saturating_mul(self.per_epoch))
    }

    /// Checks an epoch by its losses on the training set and the samples drawn after it. A monitor that has warned
    /// often enough is silent.
    pub fn check(
        &self,
        session: &mut Session,
        step: u64,
        train: &Tested,
        samples: Option<&Images>,
        warned: &mut WarningCounts,
    ) -> Result<Vec<Warning>> {
        let after_epochs = session.config.monitors.after_epochs;
        if !self.is_awake(&session.config.monitors, step, after_epochs) {
            return Ok(Vec::new());
        }
        // An untrained generator also draws images that look alike.
        let modes = self.is_awake(&session.config.monitors, step, MODES_WAIT.saturating_mul(after_epochs));
        let units = self.units.as_ref().map(|units| units.run(session)).transpose()?;
        // Points are new in every step, and cannot be learnt by heart.
        let images = session.data.points.map_or(session.data.train.count, |_| usize::MAX);
        let config = &session.config;
        let drawn = samples.and_then(|samples| pairwise_distance(&samples.values, session.data.pixels()));
        let found = [
            units.and_then(|(active, all)| posterior_collapse(active, all)),
            codebook_collapse(config, train),
            drawn.zip(self.reals).filter(|_| modes).and_then(|found| mode_collapse(config, step, found.into())),
            strong_discriminator(config, train, images),
        ];
        Ok(rate_limited(found.into_iter().flatten().collect(), warned))
    }
}

/// The warnings to show, without those of a monitor that has warned often enough.
fn rate_limited(found: Vec<Warning>, warned: &mut WarningCounts) -> Vec<Warning> {
    for (monitor, warned) in warned.iter_mut() {
        if found.iter().all(|warning| warning.monitor != monitor) {
            warned.consecutive = 0;
        }
    }
    let mut show = |warning: &Warning| {
        let WarningCount { consecutive, total } = warned.entry(warning.monitor.into()).or_default();
        let shown = *consecutive < MAX_CONSECUTIVE && *total < MAX_TOTAL;
        (*consecutive, *total) = (consecutive.saturating_add(1), *total + u32::from(shown));
        shown
    };
    found.into_iter().filter(|warning| show(warning)).collect()
}

/// Mean distance between training images: of each class its share.
fn diversity_of_data(data: &DataSet, count: usize, seed: u64) -> Option<f64> {
    let rows = data.train.subset(count.min(data.train.count), seed);
    pairwise_distance(&data.values(&data.train, &rows), data.pixels())
}

fn posterior_collapse(active: usize, all: usize) -> Option<Warning> {
    ((active as f64) < (ACTIVE * all as f64).max(1.0)).then(|| Warning {
        monitor: "posterior_collapse",
        seen: format!("{active} of {all} latent dimensions are active: posterior collapse"),
        advice: "try vae.kl_warmup = 2000, vae.free_bits = 0.1, or a lower vae.beta".into(),
    })
}

fn codebook_collapse(config: &Config, train: &Tested) -> Option<Warning> {
    let codes = train.code_use.filter(|_| config.monitors.codes)?;
    let ModelConfig::VqVae(vqvae) = &config.model else { return None };
    let advice = match (vqvae.quantiser, vqvae.ema > 0.0, vqvae.restart > 0.0) {
        (QuantiserKind::Fsq, ..) => "try more epochs, or fewer vqvae.levels",
        (_, true, true) => "try more epochs, or fewer vqvae.codes",
        (_, true, false) => "try vqvae.restart = 1, or fewer vqvae.codes",
        (_, false, _) => "try vqvae.ema = 0.99 with vqvae.restart = 1, or fewer vqvae.codes",
    };
    (codes.perplexity < PERPLEXITY * codes.codes as f64).then(|| Warning {
        monitor: "codebook_collapse",
        seen: format!(
            "the perplexity of the codebook is {:.1} of {}, with {} codes used in the epoch: codebook collapse",
            codes.perplexity, codes.codes, codes.used
        ),
        advice: advice.into(),
    })
}

fn mode_collapse(config: &Config, step: u64, [drawn, reals]: [f64; 2]) -> Option<Warning> {
    let spectral = matches!(&config.model, ModelConfig::Gan(gan) if gan.spectral);
    let few_steps = step < config.monitors.after;
    let longer = if few_steps { "more epochs, " } else { "" };
    let advice = match spectral {
        true => "a lower optimiser.lr, a larger train.batch_size, or another gan.loss",
        false => {
            "a lower optimiser.lr, gan.spectral = true with gan.discriminator_norm = false, or a larger \
             train.batch_size"
        }
    };
    (drawn < DIVERSITY * reals).then(|| Warning {
        monitor: "mode_collapse",
        seen: format!(
            "samples are {:.2} times as far from each other as training data: mode collapse{}",
            drawn / reals,
            if few_steps { ", or an untrained generator" } else { "" }
        ),
        advice: format!("try {longer}{advice}"),
    })
}

/// Only for losses whose D(x) has a maximum: 1, as a probability (cross-entropy) or as a target (least squares).
fn strong_discriminator(config: &Config, train: &Tested, images: usize) -> Option<Warning> {
    let ModelConfig::Gan(gan) = &config.model else { return None };
    if !config.monitors.discriminator || !matches!(gan.loss, GanLoss::NonSaturating | GanLoss::LeastSquares) {
        return None;
    }
    // The penalty, if there is one, comes after.
    let [_, _, real, fake, ..] = train.means[..] else { return None };
    // Label smoothing lowers the target of real images.
    (real - fake > LEAD * f64::from(1.0 - gan.label_smoothing)).then(|| Warning {
        monitor: "strong_discriminator",
        seen: format!("D(x) − D(G(z)) was {:.3} over the epoch: the discriminator is too strong", real - fake),
        advice: if images < FEW && gan.augment.is_empty() {
            format!("with {images} training images, try more train.epochs, or gan.augment as in the recipe dcgan-small")
        } else {
            "try gan.label_smoothing = 0.1, a lower gan.discriminator_lr, or fewer gan.discriminator_steps".into()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::eval::passes::Codes;

    fn names(found: &[Option<Warning>]) -> Vec<&'static str> {
        found.iter().flatten().map(|warning| warning.monitor).collect()
    }

    #[test]
    fn each_monitor_has_its_threshold() {
        assert_eq!(
            names(&[posterior_collapse(0, 5), posterior_collapse(1, 5), posterior_collapse(1, 20)]),
            ["posterior_collapse"; 2]
        );
        let vqvae = Config::load("vqvae").unwrap();
        let used =
            |perplexity| Tested { means: vec![0.1, 0.1], code_use: Some(Codes { perplexity, used: 9, codes: 100 }) };
        assert_eq!(
            names(&[codebook_collapse(&vqvae, &used(9.9)), codebook_collapse(&vqvae, &used(10.1))]),
            ["codebook_collapse"]
        );
        let levels = Config::load("fsq-vae").unwrap();
        let advice = codebook_collapse(&levels, &used(9.9)).unwrap().advice;
        assert!(advice.ends_with("fewer vqvae.levels"), "{advice}");
        let gan = Config::load("gan").unwrap();
        assert_eq!(
            names(&[mode_collapse(&gan, 1000, [0.1, 0.21]), mode_collapse(&gan, 1000, [0.11, 0.21])]),
            ["mode_collapse"]
        );
        let spectral = gan.clone().with("gan.spectral=true").unwrap();
        assert!(!mode_collapse(&spectral, 1000, [0.1, 0.21]).unwrap().advice.contains("spectral"));
        let early = mode_collapse(&gan, 90, [0.1, 0.21]).unwrap();
        assert!(early.seen.ends_with("or an untrained generator") && early.advice.starts_with("try more epochs"));
        let means = |real, fake| Tested { means: vec![0.1, 5.0, real, fake], code_use: None };
        let gan = gan.with("gan.label_smoothing=0").unwrap();
        assert_eq!(
            names(&[
                strong_discriminator(&gan, &means(0.99, 0.01), 9000),
                strong_discriminator(&gan, &means(0.9, 0.1), 9000)
            ]),
            ["strong_discriminator"]
        );
        let smoothed = gan.clone().with("gan.label_smoothing=0.1").unwrap();
        assert_eq!(
            names(&[
                strong_discriminator(&smoothed, &means(0.88, 0.01), 9000),
                strong_discriminator(&smoothed, &means(0.86, 0.01), 9000)
            ]),
            ["strong_discriminator"]
        );
        let advice = |images| strong_discriminator(&gan, &means(0.99, 0.01), images).unwrap().advice;
        assert!(advice(600).contains("dcgan-small") && !advice(9000).contains("dcgan-small"));
        // A column follows those of the scores.
        let penalised = Tested { means: vec![0.1, 5.0, 0.99, 0.01, 3.0], code_use: None };
        assert!(strong_discriminator(&gan, &penalised, 9000).is_some());
        let off = gan.clone().with("monitors.discriminator=false").unwrap();
        assert_eq!(strong_discriminator(&off, &means(0.99, 0.01), 9000), None);
    }

    /// By steps in a long run, by epochs in a short one.
    #[test]
    fn monitors_wake_in_short_runs() {
        let monitors = Config::load("gan").unwrap().monitors;
        let awake = |per_epoch, step, epochs| {
            ActiveMonitors { units: None, reals: None, per_epoch }.is_awake(&monitors, step, epochs)
        };
        // 600 images in batches of 64 are 9 steps an epoch.
        assert_eq!([36, 45, 180].map(|step| awake(9, step, monitors.after_epochs)), [false, true, true]);
        assert_eq!([999, 1000].map(|step| awake(157, step, 2 * monitors.after_epochs)), [false, true]);
    }

    /// A hundred images of one class and then a hundred of another: the first 64 are alike.
    #[test]
    fn the_yardstick_is_of_all_classes() {
        let split = |order: &dyn Fn(usize) -> usize| Split {
            images: (0..200).flat_map(|at| [(order(at) / 100 * 200) as u8, (order(at) % 100) as u8]).collect(),
            labels: (0..200).map(|at| (order(at) / 100) as u8).collect(),
            count: 200,
        };
        let [sorted, shuffled] = [split(&|at| at), split(&|at| at * 7 % 200)].map(|train| {
            let data = DataSet::new("here".into(), train.clone(), train, [1, 2, 1], vec!["a".into(), "b".into()]);
            diversity_of_data(&data, 64, 0).unwrap()
        });
        assert!((sorted - shuffled).abs() < 1e-12 && sorted > 0.2, "{sorted} and {shuffled}");
    }

    /// Three warnings in consecutive epochs, more after an epoch without one, and nine in all.
    #[test]
    fn warnings_are_rate_limited() {
        let mut warned = WarningCounts::new();
        let mut shown = |collapsed: bool| {
            let found = collapsed.then(|| posterior_collapse(0, 5).unwrap());
            rate_limited(found.into_iter().collect(), &mut warned).len()
        };
        let mut all_shown = |epochs: &[bool]| epochs.iter().map(|&collapsed| shown(collapsed)).sum::<usize>();
        assert_eq!(all_shown(&[true; 10]), 3);
        assert_eq!(all_shown(&[false, true]), 1);
        assert_eq!(all_shown(&[false, true].repeat(50)), 5);
    }
}
