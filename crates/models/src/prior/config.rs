//! Settings of a prior over codes.

use crate::validate::{Check, count, ensure, load, up_to};
use crate::vqvae::VqVaeConfig;
use serde::{Deserialize, Serialize};

/// Settings of a prior over the codes of a VQ-VAE.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorConfig {
    /// The run of the VQ-VAE, for the program that trains the prior.
    pub codes: String,
    /// The checksum of that run's weights, by the same program.
    pub checksum: String,
    /// Channels of a layer.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Height and width of the window that a layer sees, odd: the pixels above and to the left within it.
    pub kernel: usize,
    /// Channels of the hidden output layer.
    pub output: usize,
    /// Gives the class to every layer, if the data has classes.
    pub class_conditional: bool,
    /// The settings of the VQ-VAE.
    pub vqvae: VqVaeConfig,
}

impl Default for PriorConfig {
    fn default() -> Self {
        Self {
            codes: String::new(),
            checksum: String::new(),
            width: 64,
            layers: 8,
            kernel: 3,
            output: 256,
            class_conditional: true,
            vqvae: VqVaeConfig::default(),
        }
    }
}

/// Layers, at most.
const MAX_LAYERS: usize = 256;
/// The window of a layer, at most.
const MAX_KERNEL: usize = 31;
/// Codes of an image, at most: each is drawn by separate calls.
const MAX_POSITIONS: usize = 1024;

impl PriorConfig {
    /// Checks the settings for such data, in batches of `batch`; those of the VQ-VAE are checked before.
    pub(super) fn check(&self, image: [usize; 3], batch: usize) -> Check {
        count("width", self.width)?;
        up_to("layers", self.layers, MAX_LAYERS)?;
        count("output", self.output)?;
        ensure(!self.kernel.is_multiple_of(2) && self.kernel <= MAX_KERNEL, "kernel", || {
            format!("must be odd and at most {MAX_KERNEL} (got {})", self.kernel)
        })?;
        let positions: usize = self.vqvae.small(image).iter().product();
        ensure(positions <= MAX_POSITIONS, "vqvae.halvings", || {
            format!("leaves {positions} codes in an image (at most {MAX_POSITIONS}); use a VQ-VAE with more halvings")
        })?;
        let [width, seen] = [self.width, self.kernel.div_ceil(2) * (self.kernel + 1)];
        let weights = self.layers * width * width * (2 * seen + 5) + (width + self.vqvae.codes()) * self.output;
        let numbers = [positions * (4 * width), positions * self.output, positions * self.vqvae.codes()];
        load("width", "layers, kernel and output", &numbers, weights, batch)
    }
}
