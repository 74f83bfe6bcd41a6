//! What goes wrong in training without an error, looked for after every epoch: each guard says what it saw and which
//! setting to try.

use crate::config::Config;
use crate::config::monitors::Monitors;
use crate::eval::passes::{ActiveUnits, Tested};
use crate::run::session::Session;
use anyhow::Result;
use models::metrics::pairwise_distance;
use models::{GanLoss, ModelConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How often one guard warns of what goes on from epoch to epoch, and in a run.
const WARNINGS: u32 = 3;
const ALL_WARNINGS: u32 = 9;
/// The posterior has collapsed where fewer than this share of the latent numbers carry something.
const ACTIVE: f64 = 0.1;
/// The codebook has where the perplexity of its codes is less than this share of them.
const PERPLEXITY: f64 = 0.1;
/// The modes have where pictures are less than this share as far from each other as those of the data are.
const DIVERSITY: f64 = 0.5;
/// The discriminator is too strong where D(x) − D(G(z)), over an epoch, is more than this share of what it can be.
const LEAD: f64 = 0.95;

/// What a guard saw, and what may help.
#[derive(Clone, PartialEq, Debug)]
pub struct Warning {
    pub guard: &'static str,
    seen: String,
    attempt: String,
}

impl Warning {
    /// For people.
    pub fn sentence(&self) -> String {
        format!("warning: {}; {}", self.seen, self.attempt)
    }

    /// For metrics.jsonl.
    pub fn line(&self, epoch: u64, step: u64) -> Value {
        json!({ "epoch": epoch, "step": step, "guard": self.guard, "seen": self.seen, "try": self.attempt })
    }
}

/// How often a guard has warned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Warned {
    /// Since it last saw nothing.
    now: u32,
    /// In the run.
    all: u32,
}

/// How often each guard has, by name.
pub type AllWarned = BTreeMap<String, Warned>;

/// The monitors of a run.
pub struct Watch {
    units: Option<ActiveUnits>,
    /// How far the data's pictures are from each other, as many as are drawn after an epoch.
    reals: Option<f64>,
}

impl Watch {
    /// Prepares what the monitors that are on need; `drawn` pictures are drawn after an epoch.
    pub fn prepare(session: &mut Session, drawn: usize) -> Result<Self> {
        let Monitors { posterior, modes, .. } = session.config.monitors;
        let units = if posterior { ActiveUnits::prepare(session)? } else { None };
        let watched = modes && session.model.discriminator().is_some();
        Ok(Self { units, reals: watched.then(|| diversity_of_data(session, drawn)).flatten() })
    }

    /// Looks at an epoch that ended after so many steps: its losses on the training set, and the pictures drawn after
    /// it. A guard that has warned often enough is silent.
    pub fn look(
        &self,
        session: &mut Session,
        step: u64,
        train: &Tested,
        pictures: Option<&[f32]>,
        warned: &mut AllWarned,
    ) -> Result<Vec<Warning>> {
        if step < session.config.monitors.after {
            return Ok(Vec::new());
        }
        let units = self.units.as_ref().map(|units| units.run(session)).transpose()?;
        let config = &session.config;
        let drawn = pictures.and_then(|pictures| pairwise_distance(pictures, session.data.pixels()));
        let found = [
            units.and_then(|(active, all)| posterior_collapse(active, all)),
            codebook_collapse(config, train),
            drawn.zip(self.reals).and_then(|(drawn, reals)| mode_collapse(config, drawn, reals)),
            strong_discriminator(config, train),
        ];
        Ok(often_enough(found.into_iter().flatten().collect(), warned))
    }
}

/// Those of what was found that are yet to be said. A guard that saw nothing begins anew.
fn often_enough(found: Vec<Warning>, warned: &mut AllWarned) -> Vec<Warning> {
    for (guard, warned) in warned.iter_mut() {
        if found.iter().all(|warning| warning.guard != guard) {
            warned.now = 0;
        }
    }
    let mut again = |warning: &Warning| {
        let Warned { now, all } = warned.entry(warning.guard.into()).or_default();
        let says = *now < WARNINGS && *all < ALL_WARNINGS;
        (*now, *all) = (*now + 1, *all + u32::from(says));
        says
    };
    found.into_iter().filter(|warning| again(warning)).collect()
}

/// How far apart the first training pictures are.
fn diversity_of_data(session: &Session, count: usize) -> Option<f64> {
    let pixels = session.data.pixels();
    let bytes = &session.data.train.images[..count.min(session.data.train.count) * pixels];
    pairwise_distance(&bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect::<Vec<_>>(), pixels)
}

fn posterior_collapse(active: usize, all: usize) -> Option<Warning> {
    ((active as f64) < (ACTIVE * all as f64).max(1.0)).then(|| Warning {
        guard: "posterior_collapse",
        seen: format!("{active} of {all} latent numbers carry something: the posterior has collapsed"),
        attempt: "try --set vae.kl_warmup=2000, --set vae.free_bits=0.1 or a lower --beta".into(),
    })
}

fn codebook_collapse(config: &Config, train: &Tested) -> Option<Warning> {
    let codes = train.code_use.filter(|_| config.monitors.codes)?;
    let followed = matches!(&config.model, ModelConfig::VqVae(vqvae) if vqvae.ema > 0.0);
    let attempt = match followed {
        true => "try --set vqvae.restart=1, or fewer vqvae.codes",
        false => "try --set vqvae.ema=0.99 with --set vqvae.restart=1, or fewer vqvae.codes",
    };
    (codes.perplexity < PERPLEXITY * codes.codes as f64).then(|| Warning {
        guard: "codebook_collapse",
        seen: format!(
            "the perplexity of {} codes is {:.1}, and {} of them were used in the epoch",
            codes.codes, codes.perplexity, codes.used
        ),
        attempt: attempt.into(),
    })
}

fn mode_collapse(config: &Config, drawn: f64, reals: f64) -> Option<Warning> {
    let spectral = matches!(&config.model, ModelConfig::Gan(gan) if gan.spectral);
    let attempt = match spectral {
        true => "try a lower --lr, a larger --batch-size or another gan.loss",
        false => {
            "try a lower --lr, --set gan.spectral=true with --set gan.discriminator_norm=false, or a larger --batch-size"
        }
    };
    (drawn < DIVERSITY * reals).then(|| Warning {
        guard: "mode_collapse",
        seen: format!("generated pictures are {:.2} times as far from each other as the data's", drawn / reals),
        attempt: attempt.into(),
    })
}

/// Only where what D says is a share: of cross-entropy a probability, of least squares near one.
fn strong_discriminator(config: &Config, train: &Tested) -> Option<Warning> {
    let ModelConfig::Gan(gan) = &config.model else { return None };
    if !config.monitors.discriminator || !matches!(gan.loss, GanLoss::NonSaturating | GanLoss::LeastSquares) {
        return None;
    }
    let [.., real, fake] = train.means[..] else { return None };
    // With smoothed labels D is told less than one of real images.
    (real - fake > LEAD * f64::from(1.0 - gan.label_smoothing)).then(|| Warning {
        guard: "strong_discriminator",
        seen: format!("D(x) − D(G(z)) was {:.3} over the epoch: the discriminator is too strong", real - fake),
        attempt: "try --set gan.label_smoothing=0.1, a lower gan.discriminator_lr or fewer gan.discriminator_steps"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::passes::Codes;

    fn names(found: &[Option<Warning>]) -> Vec<&'static str> {
        found.iter().flatten().map(|warning| warning.guard).collect()
    }

    #[test]
    fn each_warns_where_it_should_and_not_before() {
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
        let gan = Config::load("gan").unwrap();
        assert_eq!(names(&[mode_collapse(&gan, 0.1, 0.21), mode_collapse(&gan, 0.11, 0.21)]), ["mode_collapse"]);
        let spectral = gan.clone().with("gan.spectral=true").unwrap();
        assert!(!mode_collapse(&spectral, 0.1, 0.21).unwrap().attempt.contains("spectral"));
        let said = |real, fake| Tested { means: vec![0.1, 5.0, real, fake], code_use: None };
        let gan = gan.with("gan.label_smoothing=0").unwrap();
        assert_eq!(
            names(&[strong_discriminator(&gan, &said(0.99, 0.01)), strong_discriminator(&gan, &said(0.9, 0.1))]),
            ["strong_discriminator"]
        );
        let smoothed = gan.clone().with("gan.label_smoothing=0.1").unwrap();
        assert_eq!(
            names(&[
                strong_discriminator(&smoothed, &said(0.88, 0.01)),
                strong_discriminator(&smoothed, &said(0.86, 0.01))
            ]),
            ["strong_discriminator"]
        );
        let silent = gan.with("monitors.discriminator=false").unwrap();
        assert_eq!(strong_discriminator(&silent, &said(0.99, 0.01)), None);
    }

    /// Three times of what goes on, again when it has come back, and no more than nine times.
    #[test]
    fn a_guard_is_silent_when_it_has_warned_often_enough() {
        let mut warned = AllWarned::new();
        let mut says = |collapsed: bool| {
            let found = collapsed.then(|| posterior_collapse(0, 5).unwrap());
            often_enough(found.into_iter().collect(), &mut warned).len()
        };
        let mut said = |epochs: &[bool]| epochs.iter().map(|&collapsed| says(collapsed)).sum::<usize>();
        assert_eq!(said(&[true; 10]), 3);
        assert_eq!(said(&[false, true]), 1);
        assert_eq!(said(&[false, true].repeat(50)), 5);
    }
}
