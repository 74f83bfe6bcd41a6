//! Settings of a prior over codes.

use crate::pixelcnn::{MAX_POSITIONS, check_network};
use crate::validate::{Check, ensure};
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

impl PriorConfig {
    /// Checks the settings for such data, in batches of `batch`; those of the VQ-VAE are checked before.
    pub(super) fn check(&self, image: [usize; 3], batch: usize) -> Check {
        let positions: usize = self.vqvae.small(image).iter().product();
        ensure(positions <= MAX_POSITIONS, "vqvae.halvings", || {
            format!("leaves {positions} codes in an image (at most {MAX_POSITIONS}); use a VQ-VAE with more halvings")
        })?;
        let Self { width, layers, kernel, output, .. } = *self;
        check_network([width, layers, kernel, output], self.vqvae.codes(), positions, batch)
    }
}
