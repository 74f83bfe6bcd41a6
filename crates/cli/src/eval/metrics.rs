//! The table of metrics: key, name, unit, direction, description and axis of every figure that frit measures.
//!
//! `frit eval`, the report, TensorBoard's event file, `train.best` and the last line of training all read this table.

use serde_json::{Map, Value};

/// The direction in which a metric improves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
    /// Neither: a term of another metric, a setting, or a fact about the evaluation.
    Neither,
}

impl Better {
    /// An arrow for tables; empty for [`Better::Neither`].
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Lower => "↓",
            Self::Higher => "↑",
            Self::Neither => "",
        }
    }
}

/// The vertical axis of a metric's curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axis {
    /// Logarithmic if the values are positive and span three decades, else linear.
    Logarithmic,
    /// Linear, around the values.
    Linear,
    /// Linear from zero.
    FromZero,
}

/// One metric: a row of [`METRICS`].
///
/// ```
/// use frit::eval::metrics::{Better, metric};
/// let psnr = metric("psnr").unwrap();
/// assert_eq!((psnr.unit, psnr.better), ("dB", Better::Higher));
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Metric {
    /// Key in metrics.jsonl, evaluation.json and configurations.
    pub key: &'static str,
    /// Name in tables and charts.
    pub name: &'static str,
    /// Unit; empty for a number without one.
    pub unit: &'static str,
    /// Direction in which it improves.
    pub better: Better,
    /// Axis of its curve.
    pub axis: Axis,
    /// Description: one sentence.
    pub about: &'static str,
}

/// A fact about an evaluation, which has no curve and no direction.
const fn fact(key: &'static str, name: &'static str, unit: &'static str, about: &'static str) -> Metric {
    Metric { key, name, unit, better: Better::Neither, axis: Axis::Linear, about }
}

/// A loss or a term of one, whose curve may be logarithmic.
const fn loss(key: &'static str, name: &'static str, unit: &'static str, about: &'static str) -> Metric {
    Metric { key, name, unit, better: Better::Lower, axis: Axis::Logarithmic, about }
}

/// A score of which higher is better.
const fn score(key: &'static str, name: &'static str, unit: &'static str, about: &'static str) -> Metric {
    Metric { key, name, unit, better: Better::Higher, axis: Axis::Linear, about }
}

impl Metric {
    /// The same metric without a direction.
    const fn neither(self) -> Self {
        Self { better: Better::Neither, ..self }
    }

    /// The same metric with an axis from zero.
    const fn zero_based(self) -> Self {
        Self { axis: Axis::FromZero, ..self }
    }
}

const NATS: &str = "nats/image";

/// Every metric, in the order of tables.
#[rustfmt::skip]
pub const METRICS: &[Metric] = &[
    loss("neg_elbo", "−ELBO", NATS, "Negative evidence lower bound: reconstruction plus KL."),
    loss("recon", "reconstruction", NATS, "Negative log likelihood of the images given their latent codes."),
    loss("kl", "KL", NATS, "KL divergence of the posterior from the prior.").neither(),
    loss("iw_nll", "importance-weighted −log p(x)", NATS,
         "Importance-weighted bound on the negative log likelihood (Burda et al., 2016)."),
    fact("iw_samples", "importance samples", "per image", "Samples of the importance-weighted bound."),
    loss("nll", "−log p(x)", NATS,
         "Negative log density of the images: exact, or by the differential equation of flow matching."),
    fact("nll_error", "  its standard error", NATS, "Standard error of that mean over the test images."),
    fact("entropy", "  entropy of the density", NATS,
         "Differential entropy of the density that the points are drawn from: the lowest −log p of a model."),
    loss("latent_nll", "−log p of latents", "nats/latent",
         "Negative log density of the test images' latents under the normalising flow."),
    score("active_units", "active units", "",
          "Latent dimensions whose posterior mean varies with the image (Burda et al., 2016).").neither(),
    loss("velocity_error", "velocity error", "per number",
         "Mean squared error of the velocity along straight paths from noise to the images."),
    loss("nmse", "reconstruction error", "of the pixel variance",
         "Mean squared error of the reconstructions, divided by the variance of the pixels."),
    loss("commitment", "commitment", "", "Squared distance of the encoder's output from its codes.").neither(),
    score("perplexity", "codebook perplexity", "", "Exponential of the entropy of the code frequencies."),
    score("used_codes", "codes used", "", "Codes that occur in the set."),
    fact("codes", "codes", "", "Codes that the quantiser has."),
    loss("code_nats", "−log p of codes", "nats/code",
         "Negative log likelihood of the test images' codes under the prior."),
    loss("code_bits", "  of an image", "bits/image", "The same of all codes of an image, in bits."),
    loss("image_nats", "−log p of images", "nats/image",
         "Negative log likelihood of the test images' pixels, each given those before it."),
    loss("pixel_bits", "  of a pixel", "bits/pixel", "The same of a pixel, in bits."),
    loss("sample_nats", "−log p", "nats/sample",
         "Negative log likelihood of a byte of the test sequences, text or sound, by those before."),
    loss("byte_bits", "  in bits", "bits/byte", "The same in bits: a sample is a byte."),
    fact("entropy_rate", "  entropy rate of the process", "nats/sample",
         "Entropy of a sample of the process given those before it: the lowest −log p."),
    fact("bits", "code length", "bits/image", "Bits of an image's codes at one length for every code."),
    fact("entropy_bits", "code entropy", "bits/image",
         "Bits of an image's codes at the entropy of the code frequencies."),
    loss("l1_error", "error", "per number in [0, 1]",
         "Mean absolute error of translated or restored images against the true ones."),
    loss("cycle_error", "cycle error", "per number in [0, 1]",
         "Mean absolute error of images translated there and back."),
    loss("identity_error", "identity error", "per number in [0, 1]",
         "Mean absolute error of images of a set, translated to that set."),
    loss("l1", "mean absolute error", "per number in [0, 1]",
         "Mean absolute error of generated translations against the true images."),
    loss("mse", "mean squared error", "per pixel in [0, 1]", "Mean squared error of the reconstructions."),
    score("psnr", "PSNR", "dB", "Peak signal-to-noise ratio of reconstructions or translations."),
    score("ssim", "SSIM", "", "Structural similarity of reconstructions or translations (Wang et al., 2004)."),
    fact("to_b", "translations to B", "",
         "Errors of translations to B, and of what they are compared with, against the true images."),
    fact("to_a", "translations to A", "", "The same to A."),
    loss("d_loss", "discriminator loss", "", "Loss of the discriminator.").neither(),
    loss("g_loss", "generator loss", "", "Loss of the generator.").neither(),
    score("d_real", "D(real)", "", "Mean output of the discriminator for real images.").neither(),
    score("d_fake", "D(generated)", "", "Mean output of the discriminator for generated images.").neither(),
    loss("penalty", "gradient penalty", "",
         "Penalty on the discriminator's gradient with respect to the image.").neither(),
    score("d_accuracy", "accuracy of D", "of test and generated images",
          "Images that the discriminator classifies correctly.").neither(),
    score("d_precision", "precision of D", "of images classified as real",
          "Real images among those that the discriminator classifies as real.").neither(),
    score("d_recall", "recall of D", "of test images",
          "Test images that the discriminator classifies as real.").neither(),
    score("modes", "modes found", "", "Modes of the data that generated samples have."),
    fact("all_modes", "  of all", "", "Modes of the data."),
    score("within_3_sigma", "within 3σ", "of generated points",
          "Generated points within three standard deviations of a mode."),
    loss("mode_kl", "KL of modes", "nats", "KL divergence of the modes of generated samples from those of the data."),
    fact("mode_kl_floor", "  of real samples", "nats", "The same of as many real samples."),
    loss("sliced_wasserstein", "sliced Wasserstein distance", "",
         "Mean distance between generated and test points along 64 directions, in order (Rabin et al., 2011)."),
    fact("sliced_wasserstein_floor", "  of real points", "", "The same between training and test points."),
    fact("class_counts", "generated images by class", "", "Classes of generated images, by the classifier."),
    score("class_agreement", "class agreement", "of generated images",
          "Generated images that the classifier assigns to the requested class."),
    fact("counted", "images counted", "", "Generated images whose classes were counted."),
    loss("frechet", "Fréchet distance", "",
         "Fréchet distance between features of generated and test images (Heusel et al., 2017)."),
    fact("frechet_floor", "  of real images", "", "The same between training and test images."),
    loss("kernel_distance", "kernel distance", "",
         "Kernel distance between features of generated and test images (Bińkowski et al., 2018)."),
    fact("kernel_distance_floor", "  of real images", "", "The same between training and test images."),
    fact("kernel_distance_deviation", "  its deviation", "between subsets",
         "Standard deviation of the kernel distance."),
    fact("kernel_distance_deviation_floor", "  of real images", "between subsets",
         "The same between training and test images."),
    score("precision", "precision", "of generated images",
          "Generated images within the manifold of the test images (Kynkäänniemi et al., 2019)."),
    fact("precision_floor", "  of real images", "", "The same of training images."),
    score("recall", "recall", "of test images",
          "Test images within the manifold of the generated images (Kynkäänniemi et al., 2019)."),
    fact("recall_floor", "  of real images", "", "The same of training images."),
    score("density", "density", "",
          "Test-image neighbourhoods that a generated image lies in, normalised (Naeem et al., 2020)."),
    fact("density_floor", "  of real images", "", "The same of training images."),
    score("coverage", "coverage", "of test images",
          "Test images with a generated image in their neighbourhood (Naeem et al., 2020)."),
    fact("coverage_floor", "  of real images", "", "The same of training images."),
    fact("not_measured", "not measured", "", "Metrics that need more images."),
    fact("drawn", "images generated", "", "Generated images that were compared with test images."),
    fact("seed", "seed", "", "Seed of the noise."),
    fact("features", "features", "", "Space of the comparison; figures of two spaces cannot be compared."),
    fact("feature_width", "  their number", "features per image", "Numbers in the features of an image."),
    fact("caution", "caution", "", "Reason not to rely on a metric."),
    fact("classifier", "classifier", "", "Checksum of the classifier's weights."),
    fact("classifier_errors", "classifier error rate", "of test images", "Error rate of that classifier."),
    fact("features_of", "features of", "", "Data set that the network of the features was trained on."),
    loss("errors", "error rate", "of test images", "Test images with another predicted class than their label."),
    loss("cross_entropy", "cross-entropy", NATS, "Cross-entropy of the predicted classes."),
    fact("compared", "images", "", "Images compared."),
    fact("resized", "images resized", "", "Images that were resized before the comparison."),
    fact("images", "test images", "", "Images in the test set."),
    fact("data", "data", "", "Data set."),
    fact("data_checksum", "data checksum", "", "Checksum of its images and labels."),
    fact("same_data", "data of the run", "", "True if the images and labels are those that the run was trained with."),
    fact("data_changes", "data changes", "", "Changes of the data since training."),
    fact("checkpoint", "checkpoint", "", "Checkpoint that was evaluated."),
    fact("step", "step", "", "Training step of the checkpoint."),
    fact("average", "averaged weights", "", "Evaluation with the running average of the weights."),
    fact("drawn_by_average", "generated with averaged weights", "",
         "Generation with the running average of the weights."),
    fact("device", "device", "", "Device of the evaluation."),
    fact("learning_rate", "learning rate", "", "Learning rate of the optimiser.").zero_based(),
    fact("images_per_second", "speed", "images/s", "Training images per second.").zero_based(),
];

/// The rows of a metric that compares several methods, the model's first; `None` for another value.
///
/// ```
/// let value = serde_json::json!({ "input": { "l1": 0.2 }, "translated": { "l1": 0.1 } });
/// let rows = frit::eval::metrics::compared(&value).unwrap();
/// assert_eq!(rows[0].0, "translated");
/// ```
pub fn compared(value: &Value) -> Option<Vec<(&String, &Map<String, Value>)>> {
    let rows = value.as_object()?.iter().map(|(method, row)| Some((method, row.as_object()?)));
    let mut rows = rows.collect::<Option<Vec<_>>>().filter(|rows| !rows.is_empty())?;
    rows.sort_by_key(|(method, _)| *method != TRANSLATED);
    Some(rows)
}

/// The row of the model among those that [`compared`] returns.
pub(super) const TRANSLATED: &str = "translated";

/// The metric of a key.
pub fn metric(key: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == key)
}

/// The name of a metric; of an unknown one, its key with spaces.
pub fn name(key: &str) -> String {
    metric(key).map_or_else(|| key.replace('_', " "), |metric| metric.name.trim_start().into())
}

/// The position of a metric in tables; unknown ones come before the learning rate and the speed.
pub fn position(key: &str) -> usize {
    let last = METRICS.len() - 2;
    match METRICS.iter().position(|metric| metric.key == key) {
        Some(position) if position >= last => position + 1,
        Some(position) => position,
        None => last,
    }
}

/// The direction in which a metric improves; [`Better::Neither`] if it is unknown.
pub fn better(key: &str) -> Better {
    metric(key).map_or(Better::Neither, |metric| metric.better)
}

/// The first metric of an evaluation that has a direction, with its value.
///
/// ```
/// let evaluation = serde_json::json!({ "images": 10, "kl": 20.5, "recon": 80.25 });
/// let (metric, value) = frit::eval::metrics::headline(evaluation.as_object().unwrap()).unwrap();
/// assert_eq!((metric.key, value), ("recon", 80.25));
/// ```
pub fn headline(evaluation: &Map<String, Value>) -> Option<(&'static Metric, f64)> {
    let directed = METRICS.iter().filter(|metric| metric.better != Better::Neither);
    directed.filter_map(|metric| Some((metric, evaluation.get(metric.key)?.as_f64()?))).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::recipes::RECIPES;
    use models::{DataSpec, Objective, SetSpec};
    use std::collections::BTreeSet;

    #[test]
    fn every_row_is_complete() {
        let keys: BTreeSet<&str> = METRICS.iter().map(|metric| metric.key).collect();
        assert_eq!(keys.len(), METRICS.len(), "a key has two rows");
        for Metric { key, name, about, .. } in METRICS {
            assert!(!name.is_empty() && about.ends_with('.') && about.len() < 100, "{key}: {about}");
        }
    }

    #[test]
    fn every_loss_of_a_model_has_a_row() {
        let spec = SetSpec { train: 100, test: 10, image: [28, 28, 1], classes: 10, variance: 0.1, points: None };
        for (recipe, _) in RECIPES {
            let config = Config::load(recipe).unwrap();
            let image = if *recipe == "wavenet" { [1, 1024, 1] } else { spec.image };
            let model = config.build(&DataSpec { sets: vec![SetSpec { image, ..spec }; config.model.sets()] });
            let sum = if let Objective::Sum(name) = model.objective() { Some(name) } else { None };
            for key in model.columns().iter().copied().chain(sum) {
                assert!(metric(key).is_some(), "{recipe}: {key} is not in the table of metrics");
            }
        }
    }

    #[test]
    fn unknown_metrics_have_a_name_and_a_place() {
        assert_eq!(name("peak_bytes"), "peak bytes");
        assert!(
            ["neg_elbo", "kl", "peak_bytes", "learning_rate", "images_per_second"].is_sorted_by_key(|k| position(k))
        );
        assert_eq!(["nmse", "psnr", "d_loss", "peak_bytes"].map(better).map(Better::arrow), ["↓", "↑", "", ""]);
    }
}
