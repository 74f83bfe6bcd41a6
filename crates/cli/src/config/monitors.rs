//! The `[monitors]` section of a configuration.

use serde::{Deserialize, Serialize};

/// Settings of the monitors.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitors {
    /// Recoveries from a loss that is not finite or has diverged: training returns to the last checkpoint and halves
    /// the learning rate. 0 ends the run instead.
    pub non_finite: u32,
    /// Divergence: the objective exceeds its value at the first step by this factor, in the mean over an epoch or on
    /// the test set. A loss of a GAN may exceed it a hundred times as far. 0 turns the check off.
    pub divergence: f64,
    /// Steps before the other monitors check: an untrained model has not collapsed.
    pub after: u64,
    /// Epochs after which they check even if there were fewer steps; twice as many for mode collapse.
    pub after_epochs: u64,
    /// Checks a VAE for latent dimensions without information.
    pub posterior: bool,
    /// Checks a VQ-VAE for unused codes.
    pub codes: bool,
    /// Checks a GAN for mode collapse.
    pub modes: bool,
    /// Checks a GAN for a discriminator that is too strong.
    pub discriminator: bool,
}

impl Default for Monitors {
    fn default() -> Self {
        Self {
            non_finite: 3,
            divergence: 10.0,
            after: 300,
            after_epochs: 5,
            posterior: true,
            codes: true,
            modes: true,
            discriminator: true,
        }
    }
}
