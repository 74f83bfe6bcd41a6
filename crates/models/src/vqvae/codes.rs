//! The codes of images by either quantiser: latents to codes and their indices, and indices to codes.

use super::codebook::Codebook;
use super::config::{QuantiserKind, VqVaeConfig};
use crate::network::Network;
use gpu_core::ops::fsq::{self, Levels};
use gpu_core::ops::vq;
use gpu_core::{Buf, Memory, Schedule, Shape};

/// The codes.
#[derive(Clone, Debug)]
pub(super) enum Codes {
    /// The rows of a codebook.
    Codebook(Box<Codebook>),
    /// All combinations of levels.
    Levels(Levels),
}

impl Codes {
    pub(super) fn new(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig) -> Self {
        match config.quantiser {
            QuantiserKind::Codebook => Self::Codebook(Box::new(Codebook::new(memory, network, config))),
            QuantiserKind::Fsq => Self::Levels(Levels::new(&config.levels).expect("the settings are valid")),
        }
    }

    /// The numbers that are quantised, of the encoder's output z: z itself, or z within the bounds of its levels.
    pub(super) fn latents(&self, s: &mut Schedule, z: Buf) -> Buf {
        match self {
            Self::Codebook(_) => z,
            Self::Levels(levels) => fsq::bound(s, "bound", z, levels),
        }
    }

    /// The gradient of z from that of the latents.
    pub(super) fn latents_backward(&self, s: &mut Schedule, z: Buf, dlatents: Buf) -> Buf {
        match self {
            Self::Codebook(_) => dlatents,
            Self::Levels(levels) => fsq::bound_backward(s, "backward_bound", z, dlatents, levels),
        }
    }

    /// The codes nearest to latents, in their shape [n, h, w, length of a code], and their indices `u32 [n · h · w]`.
    pub(super) fn quantise(&self, s: &mut Schedule, latents: Buf) -> (Buf, Buf) {
        match self {
            Self::Codebook(codebook) => {
                let index = vq::nearest(s, "nearest", latents, codebook.codes);
                (vq::lookup(s, "q", index, codebook.codes, latents.shape), index)
            }
            Self::Levels(levels) => fsq::quantise(s, "q", latents, levels),
        }
    }

    /// The codes of indices `u32 [m]`, in a shape of m rows.
    pub(super) fn lookup(&self, s: &mut Schedule, index: Buf, shape: impl Into<Shape>) -> Buf {
        match self {
            Self::Codebook(codebook) => vq::lookup(s, "q", index, codebook.codes, shape),
            Self::Levels(levels) => fsq::lookup(s, "q", index, levels, shape),
        }
    }

    /// The commitment loss of a codebook, `scale` · Σ (z − q)² of each row, whose gradient of `weight` · Σ (z − q)² is
    /// added to dz; none without a codebook.
    pub(super) fn commit(&self, s: &mut Schedule, z: Buf, q: Buf, scale: f32, weight: f32, dz: Buf) -> Option<Buf> {
        let Self::Codebook(_) = self else { return None };
        Some(vq::loss_with_gradient(s, "commitment", z, q, scale, weight, dz))
    }
}
