//! Likelihoods of images.

use crate::data::SetSpec;
use crate::validate::{Check, ensure};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::loss::{Kind, Loss};
use gpu_core::{Buf, Schedule};
use serde::{Deserialize, Serialize};

/// The likelihood p(x | z), which fixes the reconstruction loss and the meaning of the decoder's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Bernoulli pixels; the decoder gives logits. Grey levels count as probabilities, as is usual on MNIST.
    Bernoulli,
    /// Normal pixels with one fixed standard deviation; the decoder gives means.
    Gaussian,
}

impl Likelihood {
    /// All likelihoods.
    pub const ALL: [Self; 2] = [Self::Bernoulli, Self::Gaussian];

    /// −log p(x | z) summed over `width` pixels, in nats, as a loss on the decoder's output.
    pub fn loss(self, sigma: f32, width: usize) -> Loss {
        match self {
            Self::Bernoulli => Loss { kind: Kind::Bernoulli, scale: 1.0, offset: 0.0 },
            // ½ ((x − μ)/σ)² and, for every pixel, ½ log 2πσ².
            Self::Gaussian => Loss {
                kind: Kind::Squared,
                scale: 0.5 / (sigma * sigma),
                offset: 0.5 * width as f32 * (std::f32::consts::TAU * sigma * sigma).ln(),
            },
        }
    }

    /// The decoder's output as images with pixels in [0, 1].
    pub fn picture(self, s: &mut Schedule, output: Buf) -> Buf {
        match self {
            Self::Bernoulli => activation::forward(s, "picture", output, Activation::Sigmoid),
            Self::Gaussian => output,
        }
    }

    /// The gradient of the decoder's output, from that of [`Likelihood::picture`].
    pub(crate) fn picture_backward(self, s: &mut Schedule, output: Buf, dpicture: Buf) -> Buf {
        match self {
            Self::Bernoulli => activation::backward(s, "picture_backward", output, dpicture, Activation::Sigmoid),
            Self::Gaussian => dpicture,
        }
    }
}

/// Checks that an autoencoder of points has linear layers and a likelihood of all numbers.
pub(crate) fn of_points(spec: &SetSpec, channels: &[usize], likelihood: Likelihood) -> Check {
    let Some(points) = spec.points.map(|points| points.name()) else { return Ok(()) };
    ensure(channels.is_empty(), "channels", || {
        format!("must be [] for {points}: points have no pixels for convolutions (got {channels:?})")
    })?;
    ensure(likelihood == Likelihood::Gaussian, "likelihood", || {
        format!("must be gaussian for {points}: coordinates are no probabilities (got bernoulli)")
    })
}
