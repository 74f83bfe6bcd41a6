//! The losses that the training phases of the models differentiate.

use super::setup::{BETA, Setup};

/// For each training phase of a model: its index, the network it trains, and the weights of the columns in its loss.
pub(crate) fn losses(setup: &Setup) -> Vec<(usize, usize, Vec<f64>)> {
    match setup.name {
        "vqvae of levels" => vec![(0, 0, vec![1.0])],
        name if name.contains("vqvae") => vec![(0, 0, vec![1.0, 1.0])],
        name if name.contains("vae") => vec![(0, 0, vec![1.0, f64::from(BETA)])],
        name if name.contains("penalty") => vec![(1, 1, vec![1.0, 0.0, 0.0, 0.0, 1.0]), (3, 0, vec![0.0, 1.0])],
        // Means over both sides of the losses and of errors on the scale from 0 to 1, which the gradient has on that
        // from −1 to 1; the square of a generator's score has no factor of ½ there.
        "cyclegan" => vec![(0, 1, vec![2.0, 0.0, 0.0, 0.0]), (2, 0, vec![0.0, 4.0, 40.0, 20.0])],
        "cyclegan of grey and colour" => vec![(0, 1, vec![2.0, 0.0, 0.0]), (2, 0, vec![0.0, 4.0, 40.0])],
        "paired" => vec![(0, 1, vec![0.0, 1.0, 0.0]), (2, 0, vec![200.0, 0.0, 1.0])],
        "restoration of a mask" => vec![(0, 1, vec![0.0, 1.0, 0.0]), (2, 0, vec![200.0, 0.0, 0.5])],
        name if name.contains("restoration") => vec![(0, 0, vec![200.0])],
        name if name.contains("gan") => vec![(1, 1, vec![1.0, 0.0]), (3, 0, vec![0.0, 1.0])],
        _ => vec![(0, 0, vec![1.0])],
    }
}

/// True if the gradient of a parameter is the derivative of the whole loss. In a VQ-VAE, the encoder's gradient is
/// straight-through, and the codebook's is that of the codebook term; tests/golden_models.rs checks both.
pub(crate) fn is_derivative(setup: &Setup, parameter: &str) -> bool {
    !setup.name.contains("vqvae") || parameter.starts_with("decoder")
}
