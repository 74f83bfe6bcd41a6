//! Settings of a GAN.

use super::augment::Change;
use super::penalty::Penalty;
use crate::data::SetSpec;
use crate::layers::halved;
use crate::validate::{Check, MAX_WIDTH, at_most, conditional, count, ensure, load, not_negative, positive, widths};
use gpu_core::ops::gan_loss::{GanLoss, Loss};
use serde::{Deserialize, Serialize};

/// Settings of a generative adversarial network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GanConfig {
    /// Length of a latent.
    pub latent: usize,
    /// Channels of the convolutions next to the image, doubled with each halving; 0 for linear layers.
    pub width: usize,
    /// Widths of the generator's linear layers; the discriminator has them in reverse. Used if `width` is 0.
    pub hidden: Vec<usize>,
    /// The loss.
    pub loss: GanLoss,
    /// One-sided label smoothing: 0.1 makes the label of real images 0.9 (Salimans et al., 2016).
    pub label_smoothing: f32,
    /// Batch normalisation in a convolutional discriminator.
    pub discriminator_norm: bool,
    /// Spectral normalisation of the discriminator's weights.
    pub spectral: bool,
    /// Images of a group whose standard deviation the discriminator sees (Karras et al., 2018); 0 for none.
    pub minibatch_std: usize,
    /// Steps of the discriminator, each on a separate batch, per step of the generator.
    pub discriminator_steps: usize,
    /// Learning rate of the discriminator; 0 for the optimiser's.
    pub discriminator_lr: f32,
    /// A penalty on the discriminator's gradient with respect to the image.
    pub penalty: Penalty,
    /// Its weight: γ of R1, λ of WGAN-GP.
    pub penalty_weight: f32,
    /// Applies the penalty in every n-th step only, with n times the weight (Karras et al., 2020, appendix B).
    pub penalty_every: u64,
    /// Random changes of the images that the discriminator sees, for small data sets (Zhao et al., 2020).
    pub augment: Vec<Change>,
    /// Gives the class to both networks (Mirza and Osindero, 2014); for linear layers only.
    pub class_conditional: bool,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            latent: 100,
            width: 0,
            hidden: vec![128],
            loss: GanLoss::NonSaturating,
            label_smoothing: 0.0,
            discriminator_norm: true,
            spectral: false,
            minibatch_std: 0,
            discriminator_steps: 1,
            discriminator_lr: 0.0,
            penalty: Penalty::None,
            penalty_weight: 10.0,
            penalty_every: 1,
            augment: Vec::new(),
            class_conditional: false,
        }
    }
}

/// The smallest size that convolutions reach.
const INNERMOST: usize = 4;

/// Heights and widths from the image to the innermost.
pub(super) fn sizes(image: [usize; 3]) -> Vec<[usize; 2]> {
    let [h, w, _] = image;
    let smaller = |&size: &[usize; 2]| size.iter().all(|&size| size > INNERMOST).then(|| halved(size));
    std::iter::successors(Some([h, w]), smaller).collect()
}

impl GanConfig {
    /// Checks the settings for such images, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        let [h, w, _] = spec.image;
        count("latent", self.latent)?;
        count("discriminator_steps", self.discriminator_steps)?;
        not_negative("discriminator_lr", self.discriminator_lr)?;
        at_most("minibatch_std", self.minibatch_std, MAX_WIDTH)?;
        ensure(self.minibatch_std != 1, "minibatch_std", || {
            "must be 0, for none, or at least 2 (got 1): one image has no deviation".into()
        })?;
        self.check_labels()?;
        conditional("class_conditional", self.class_conditional, spec.classes)?;
        ensure(!self.class_conditional || self.width == 0, "class_conditional", || {
            "needs linear layers; set gan.width = 0 or gan.class_conditional = false".into()
        })?;
        if let Some(points) = spec.points.map(|points| points.name()) {
            ensure(self.width == 0, "width", || {
                format!("must be 0 for {points}: points have no pixels for convolutions (got {})", self.width)
            })?;
            ensure(self.augment.is_empty(), "augment", || format!("must be [] for {points}: it changes images"))?;
        }
        ensure(self.width == 0 || h.min(w) > INNERMOST, "width", || {
            format!("must be 0 for images of {h}×{w}, which are too small for convolutions")
        })?;
        self.check_penalty()?;
        // Without a bound on its slope, a discriminator lowers the Wasserstein loss for ever.
        let bounded = self.penalty != Penalty::None || (self.spectral && !self.has_discriminator_norm());
        ensure(self.loss != GanLoss::Wasserstein || bounded, "loss", || {
            "= wasserstein needs a discriminator of bounded slope; set gan.discriminator_norm = false, and \
             gan.penalty = gp or gan.spectral = true"
                .into()
        })?;
        if self.width > 0 { self.check_convolutions(spec, batch) } else { self.check_linear(spec, batch) }
    }

    fn check_labels(&self) -> Check {
        let smoothing = self.label_smoothing;
        ensure((0.0..0.5).contains(&smoothing), "label_smoothing", || {
            format!("must be at least 0 and below 0.5 (got {smoothing}); 0.1 makes the label of real images 0.9")
        })?;
        ensure(smoothing == 0.0 || self.loss.has_labels(), "label_smoothing", || {
            format!("must be 0 with gan.loss = {}, which has no labels to smooth (got {smoothing})", self.loss.name())
        })
    }

    fn check_penalty(&self) -> Check {
        positive("penalty_weight", self.penalty_weight)?;
        ensure(self.penalty_every > 0, "penalty_every", || "must be at least 1 (got 0)".into())?;
        ensure(self.penalty == Penalty::None || !self.has_discriminator_norm(), "penalty", || {
            format!(
                "= {} needs gan.discriminator_norm = false, because no tangent goes through batch normalisation",
                self.penalty.name()
            )
        })
    }

    fn check_convolutions(&self, spec: &SetSpec, batch: usize) -> Check {
        let sizes = sizes(spec.image);
        let inner = sizes.len() - 1;
        let [h, w] = sizes[inner];
        let widest = self.width.saturating_mul(1 << (inner - 1));
        count("width", self.width)?;
        ensure(count("width", widest).is_ok(), "width", || {
            format!("makes {widest} channels at the smallest size (got {}); use fewer", self.width)
        })?;
        let largest = spec.image[0].div_ceil(2) * spec.image[1].div_ceil(2) * self.width;
        // Windows of 4×4 between channels and twice as many, and one of the innermost size.
        let between: usize = (0..inner).map(|i| 32 * (self.width << i).pow(2)).sum();
        let weights = 2 * between + h * w * widest * (self.latent + 1);
        load("width", "latent", &[2 * spec.width(), 2 * largest], weights, batch)
    }

    fn check_linear(&self, spec: &SetSpec, batch: usize) -> Check {
        ensure(!self.hidden.is_empty(), "hidden", || {
            "must name the width of at least one layer if gan.width is 0 (got [])".into()
        })?;
        widths("hidden", &self.hidden)?;
        let ends = [self.latent, spec.width()];
        let widths: Vec<usize> = ends[..1].iter().chain(&self.hidden).chain(&ends[1..]).copied().collect();
        let weights = widths.windows(2).map(|pair| 2 * (pair[0] + 1) * pair[1]).sum();
        load("hidden", "latent", &widths.iter().map(|width| 2 * width).collect::<Vec<_>>(), weights, batch)
    }

    /// The loss, for its operator.
    pub(crate) fn score_loss(&self) -> Loss {
        Loss { kind: self.loss, label_smoothing: self.label_smoothing }
    }

    /// True if the discriminator has batch normalisation.
    pub(crate) fn has_discriminator_norm(&self) -> bool {
        self.width > 0 && self.discriminator_norm
    }

    /// True if a score depends on the other images of its batch.
    pub(crate) fn has_batch_statistics(&self) -> bool {
        self.has_discriminator_norm() || self.minibatch_std > 0
    }
}
