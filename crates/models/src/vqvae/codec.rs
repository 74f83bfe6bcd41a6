//! The use of a VQ-VAE by another model: codes of images, and images of codes.

use super::VqVae;
use crate::layers::Mode;
use crate::network::Network;
use gpu_core::{Buf, Schedule};

impl VqVae {
    /// The codes of images x [n, width] in [−½, ½]: `u32 [n, positions]`.
    pub(crate) fn codes_of(&self, s: &mut Schedule, x: Buf) -> Buf {
        let (z, _) = self.encoded(s, x, Mode::Use);
        let latents = self.codes.latents(s, z);
        let (_, index) = self.codes.quantise(s, latents);
        index.reshape([x.shape.rows(), self.positions()])
    }

    /// Images [n, width] in [−½, ½] of codes, `u32 [n, positions]`.
    pub(crate) fn images_of(&self, s: &mut Schedule, codes: Buf) -> Buf {
        let ([h, w], n) = (self.grid(), codes.shape.rows());
        let index = codes.reshape([codes.len()]);
        let q = self.codes.lookup(s, index, [n, h, w, self.config.length()]);
        self.decoded(s, q, Mode::Use).0
    }

    /// The network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Height and width of an image's codes.
    pub(crate) fn grid(&self) -> [usize; 2] {
        self.config.small(self.spec().image)
    }
}
