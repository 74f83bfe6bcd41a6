//! The `[monitors]` section of a configuration.

use serde::{Deserialize, Serialize};

/// Which monitors are on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitors {
    /// How often training goes back to the last checkpoint, each time to half the learning rate, when a loss is not
    /// finite; zero to end there.
    pub non_finite: u32,
    /// Steps before the other monitors look: what has hardly learnt has not collapsed.
    pub after: u64,
    /// Whether a VAE's latent numbers are watched.
    pub posterior: bool,
    /// Whether a VQ-VAE's codes are watched.
    pub codes: bool,
    /// Whether the variety of a GAN's pictures is watched.
    pub modes: bool,
    /// Whether the lead of a GAN's discriminator is watched.
    pub discriminator: bool,
}

impl Default for Monitors {
    fn default() -> Self {
        Self { non_finite: 3, after: 300, posterior: true, codes: true, modes: true, discriminator: true }
    }
}
