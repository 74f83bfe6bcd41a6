//! Settings of a game between two networks.

use crate::layers::halved;
use crate::shared_buffers::DataSpec;
use crate::validate::{conditional_fault, count_fault, load_fault, not_negative_fault, widths_fault};
use gpu_core::ops::gan_loss::{GanLoss, Kind};
use serde::{Deserialize, Serialize};

/// Which game is played: see [`Kind`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GanLossKind {
    /// Cross-entropy; the generator's share is −log D(G(z)).
    NonSaturating,
    /// Squared distance from the labels.
    LeastSquares,
    /// Margins of one.
    Hinge,
    /// The difference of the means.
    Wasserstein,
}

/// Settings of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GanConfig {
    /// Numbers in a latent.
    pub latent: usize,
    /// Channels of the convolutions next to the image, doubled with each step inwards; zero for linear layers.
    pub width: usize,
    /// Where the layers are linear: widths of the generator's, and in reverse of the discriminator's.
    pub hidden: Vec<usize>,
    /// The game.
    pub loss: GanLossKind,
    /// The discriminator is told 1 − smoothing of real images: one-sided label smoothing.
    pub smoothing: f32,
    /// Batch normalisation in the discriminator, where it has convolutions.
    pub discriminator_norm: bool,
    /// Spectral normalisation of the discriminator's weights.
    pub spectral: bool,
    /// Steps of the discriminator, each on a batch of its own, to one of the generator.
    pub discriminator_steps: usize,
    /// The discriminator's learning rate; zero for the optimiser's.
    pub discriminator_lr: f32,
    /// Whether both are told the class (Mirza and Osindero, 2014), where their layers are linear.
    pub class_conditional: bool,
}

impl Default for GanConfig {
    fn default() -> Self {
        Self {
            latent: 100,
            width: 0,
            hidden: vec![128],
            loss: GanLossKind::NonSaturating,
            smoothing: 0.0,
            discriminator_norm: true,
            spectral: false,
            discriminator_steps: 1,
            discriminator_lr: 0.0,
            class_conditional: false,
        }
    }
}

/// The smallest image that convolutions are taken to.
const INNERMOST: usize = 4;

/// Heights and widths from the image's down to the innermost.
pub(super) fn sizes(image: [usize; 3]) -> Vec<[usize; 2]> {
    let [h, w, _] = image;
    let smaller = |&size: &[usize; 2]| size.iter().all(|&size| size > INNERMOST).then(|| halved(size));
    std::iter::successors(Some([h, w]), smaller).collect()
}

impl GanConfig {
    /// What is wrong with the settings for such images in batches of `batch`, if anything: one sentence.
    pub fn fault(&self, spec: &DataSpec, batch: usize) -> Option<String> {
        let [h, w, _] = spec.image;
        let small = self.width > 0 && h.min(w) <= INNERMOST;
        count_fault("latent", self.latent)
            .or_else(|| count_fault("discriminator_steps", self.discriminator_steps))
            .or_else(|| not_negative_fault("discriminator_lr", self.discriminator_lr))
            .or_else(|| self.label_fault())
            .or_else(|| conditional_fault(self.class_conditional, spec.classes))
            .or_else(|| {
                (self.class_conditional && self.width > 0).then(|| {
                    "only linear layers are class_conditional the class; set gan.width = 0 or gan.class_conditional = false".into()
                })
            })
            .or_else(|| small.then(|| format!("images of {h}×{w} are too small for convolutions; set gan.width = 0")))
            .or_else(|| self.slope_fault())
            .or_else(|| self.size_fault(spec, batch))
    }

    fn label_fault(&self) -> Option<String> {
        let GanLoss { kind, smoothing } = self.game();
        if !(0.0..1.0).contains(&smoothing) {
            return Some(format!("smoothing is {smoothing}; it must lie in [0, 1)"));
        }
        (smoothing > 0.0 && !kind.has_labels())
            .then(|| "this loss has no labels to smooth; set gan.smoothing = 0, or another gan.loss".into())
    }

    /// The Wasserstein game is won by any slope unless the slope is bounded.
    fn slope_fault(&self) -> Option<String> {
        (self.loss == GanLossKind::Wasserstein && (!self.spectral || self.has_critic_norm())).then(|| {
            "the Wasserstein loss needs a D of bounded slope; set gan.spectral = true and gan.discriminator_norm = false"
                .into()
        })
    }

    fn size_fault(&self, spec: &DataSpec, batch: usize) -> Option<String> {
        let pixels = spec.width();
        if self.width > 0 {
            let sizes = sizes(spec.image);
            let inner = sizes.len() - 1;
            let [h, w] = sizes[inner];
            let widest = self.width.saturating_mul(1 << (inner - 1));
            let fault = count_fault("width", self.width).or_else(|| count_fault("width, doubled inwards,", widest));
            return fault.or_else(|| {
                let largest = spec.image[0].div_ceil(2) * spec.image[1].div_ceil(2) * self.width;
                // Windows of four by four between channels and their double, and of the innermost image at the end.
                let between: usize = (0..inner).map(|i| 32 * (self.width << i).pow(2)).sum();
                let weights = 2 * between + h * w * widest * (self.latent + 1);
                load_fault("width and latent", &[2 * pixels, 2 * largest], weights, batch)
            });
        }
        if self.hidden.is_empty() {
            return Some("hidden is empty; name at least one layer's width, or set a width of convolutions".into());
        }
        let ends = [self.latent.max(1), pixels];
        let widths: Vec<usize> = ends[..1].iter().chain(&self.hidden).chain(&ends[1..]).copied().collect();
        widths_fault("hidden", &self.hidden).or_else(|| {
            let weights = widths.windows(2).map(|pair| 2 * (pair[0] + 1) * pair[1]).sum();
            load_fault("hidden and latent", &widths.iter().map(|width| 2 * width).collect::<Vec<_>>(), weights, batch)
        })
    }

    /// The game, for its operator.
    pub(crate) fn game(&self) -> GanLoss {
        let kind = match self.loss {
            GanLossKind::NonSaturating => Kind::NonSaturating,
            GanLossKind::LeastSquares => Kind::LeastSquares,
            GanLossKind::Hinge => Kind::Hinge,
            GanLossKind::Wasserstein => Kind::Wasserstein,
        };
        GanLoss { kind, smoothing: self.smoothing }
    }

    /// Whether a score depends on the other images of its batch.
    pub(crate) fn has_critic_norm(&self) -> bool {
        self.width > 0 && self.discriminator_norm
    }
}
