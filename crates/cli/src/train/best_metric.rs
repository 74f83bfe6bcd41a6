//! The metric that selects the best checkpoint.

use crate::eval::measures::{Evaluation, RECONSTRUCTION};
use crate::eval::metrics::{Better, better};
use crate::eval::passes::{Tested, metrics_of};
use crate::eval::quality;
use crate::io::error::{Result, bail};
use crate::io::guess::did_you_mean;
use models::{Model, Objective};

/// A metric of the test set or of generated images, and its direction.
#[derive(Clone, PartialEq, Debug)]
pub struct BestMetric {
    /// Key of the metric.
    pub key: String,
    /// 1 if lower is better, −1 if higher is better.
    sign: f64,
}

impl BestMetric {
    /// The metric that `train.best` names; the model's objective if it is empty, and `None` if the model has none.
    ///
    /// The table of metrics knows the direction; lower is better for a metric without one. A minus before the key means
    /// that higher is better, as configurations of version 0.1 have it.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind) if the model has no such metric.
    pub fn of(best: &str, model: &dyn Model) -> Result<Option<Self>> {
        let sum = if let Objective::Sum(key) = model.objective() { Some(key) } else { None };
        if best.is_empty() {
            let first = || model.columns().first().copied().filter(|_| model.objective() == Objective::First);
            return Ok(sum.or_else(first).map(|key| Self { key: key.into(), sign: 1.0 }));
        }
        let (key, sign) = match best.strip_prefix('-') {
            Some(key) => (key, -1.0),
            None => (best, if better(best) == Better::Higher { -1.0 } else { 1.0 }),
        };
        let codes = ["perplexity", "used_codes"].into_iter().filter(|_| model.quantiser().is_some());
        // Metrics of images.
        let of_images = model.buffers().first().spec.points.is_none();
        let images = RECONSTRUCTION.into_iter().filter(|_| of_images && model.reconstructor().is_some());
        let samples = quality::NAMES.into_iter().filter(|_| of_images && model.sampler().is_some());
        let known = model.columns().iter().copied().chain(sum).chain(codes).chain(images).chain(samples);
        let known: Vec<&str> = known.collect();
        if !known.contains(&key) {
            bail!(
                Setting,
                "invalid value '{best}' for train.best: not a metric of this model{} (available: {})",
                did_you_mean(key, known.iter().copied()),
                known.join(", ")
            );
        }
        Ok(Some(Self { key: key.into(), sign }))
    }

    /// True if the metric needs the reconstructions of the test set.
    pub fn of_reconstructions(&self) -> bool {
        RECONSTRUCTION.contains(&self.key.as_str())
    }

    /// True if the metric compares generated images with real ones.
    pub fn is_generative(&self) -> bool {
        quality::NAMES.contains(&self.key.as_str())
    }

    /// True if the first of two values of the metric is the better one.
    pub fn is_better(&self, one: f64, other: f64) -> bool {
        self.sign * one < self.sign * other
    }

    /// Its value times its sign: the smaller, the better. `others` has the metrics that are not losses.
    pub fn value(&self, model: &dyn Model, test: &Tested, others: &Evaluation) -> Option<f64> {
        let loss = metrics_of(model, test).into_iter().find(|(key, _)| *key == self.key).map(|(_, value)| value);
        loss.or_else(|| others.get(&self.key)?.as_f64()).map(|value| self.sign * value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::eval::passes::Codes;
    use models::SetSpec;
    use serde_json::json;

    const SPEC: SetSpec = SetSpec { train: 100, test: 10, image: [8, 8, 1], classes: 2, variance: 0.1, points: None };

    fn model(recipe: &str) -> Box<dyn Model> {
        Config::load(recipe).unwrap().build(&SPEC.into())
    }

    #[test]
    fn the_table_knows_the_direction() {
        let test = Tested { means: vec![90.0, 20.0], code_use: None };
        let others = [("psnr", 18.5), ("frechet", 7.5), ("coverage", 0.25)];
        let others = Evaluation::from_iter(others.map(|(key, value)| (key.to_string(), json!(value))));
        let vae = model("vae");
        let cases = [
            ("", "neg_elbo", 110.0),
            ("kl", "kl", 20.0),
            ("-recon", "recon", -90.0),
            ("psnr", "psnr", -18.5),
            ("-psnr", "psnr", -18.5),
            ("frechet", "frechet", 7.5),
            ("coverage", "coverage", -0.25),
        ];
        for (best, key, value) in cases {
            let metric = BestMetric::of(best, vae.as_ref()).unwrap().unwrap();
            assert_eq!(metric.key, key);
            assert_eq!(metric.value(vae.as_ref(), &test, &others), Some(value), "{best}");
        }
        let codes = Codes { perplexity: 30.0, used: 40, codes: 64 };
        let test = Tested { means: vec![0.1, 0.01], code_use: Some(codes) };
        let vqvae = model("vqvae");
        for best in ["perplexity", "-perplexity"] {
            let metric = BestMetric::of(best, vqvae.as_ref()).unwrap().unwrap();
            assert_eq!(metric.value(vqvae.as_ref(), &test, &others), Some(-30.0));
        }
        assert_eq!(BestMetric::of("", model("gan").as_ref()).unwrap(), None);
        let of = |best: &str, recipe: &str| BestMetric::of(best, model(recipe).as_ref());
        assert!(of("frechet", "gan").unwrap().unwrap().is_generative());
        assert!(!of("kl", "vae").unwrap().unwrap().is_generative());
        // It has no prior to sample from.
        assert!(of("frechet", "ae").is_err());
    }

    #[test]
    fn an_unknown_metric_is_refused_with_those_available() {
        let message = BestMetric::of("perplexity", model("vae").as_ref()).unwrap_err().to_string();
        assert!(
            message.contains("'perplexity'") && message.contains("recon, kl, neg_elbo, mse, psnr, ssim, frechet"),
            "{message}"
        );
    }
}
