//! Settings of a vector-quantised autoencoder.

use crate::data::SetSpec;
use crate::layers::halvings;
use crate::validate::{self, Check, at_most, count, decay, ensure, load, not_negative};
use serde::{Deserialize, Serialize};

/// Settings of a vector-quantised autoencoder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VqVaeConfig {
    /// Halvings of the image by the encoder.
    pub halvings: usize,
    /// Channels at the smallest size; larger sizes have half of them.
    pub width: usize,
    /// Channels between the two convolutions of a residual block.
    pub residual: usize,
    /// Residual blocks in the encoder, and in the decoder.
    pub blocks: usize,
    /// Numbers in a code.
    pub latent: usize,
    /// Codes in the codebook.
    pub codes: usize,
    /// Weight of the commitment loss, β.
    pub commitment: f32,
    /// Decay of the running averages that the codebook follows; 0 for a codebook that follows its gradient.
    pub ema: f32,
    /// Threshold of use, in rows by the running averages, below which a code restarts at a random row; 0 for never.
    pub restart: f32,
}

impl Default for VqVaeConfig {
    fn default() -> Self {
        Self {
            halvings: 2,
            width: 128,
            residual: 32,
            blocks: 2,
            latent: 64,
            codes: 512,
            commitment: 0.25,
            ema: 0.99,
            restart: 0.0,
        }
    }
}

/// Codes, at most: choosing the initial codes takes a few calls for each.
const MAX_CODES: usize = 8192;
/// Residual blocks, at most.
const MAX_BLOCKS: usize = 256;

impl VqVaeConfig {
    /// Checks the settings for such images, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        count("width", self.width)?;
        count("residual", self.residual)?;
        count("latent", self.latent)?;
        count("codes", self.codes)?;
        count("halvings", self.halvings)?;
        validate::halvings("halvings", spec.image, self.halvings, false)?;
        at_most("codes", self.codes, MAX_CODES)?;
        at_most("blocks", self.blocks, MAX_BLOCKS)?;
        not_negative("commitment", self.commitment)?;
        decay("ema", self.ema)?;
        not_negative("restart", self.restart)?;
        ensure(self.restart == 0.0 || self.ema > 0.0, "restart", || {
            "needs running averages to find unused codes; set vqvae.ema = 0.99 or vqvae.restart = 0".into()
        })?;
        ensure(spec.variance > 0.0 && spec.variance.is_finite(), "data.source", || {
            format!("must have training images whose pixels differ (variance {})", spec.variance)
        })?;
        let weights =
            self.width * (16 * self.width * self.halvings + 18 * self.width + 10 * self.residual * self.blocks);
        let weights = 2 * weights + self.codes * self.latent;
        load("width", "residual, blocks and codes", &[self.widest(spec.image)], weights, batch)
    }

    /// The largest layer of an image: the first one, one at the smallest size, or the distances from all codes.
    pub(super) fn widest(&self, image: [usize; 3]) -> usize {
        let [h, w, c] = image;
        let small: usize = self.small(image).iter().product();
        (h * w * self.width / 2).max(h * w * c).max(small * self.width.max(self.codes))
    }

    /// Height and width of the encoder's output.
    pub(crate) fn small(&self, image: [usize; 3]) -> [usize; 2] {
        halvings(image, self.halvings)[self.halvings]
    }
}
