//! The rows that a flow learns the density of: points, or the latents of a frozen autoencoder.

use crate::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::data::DataSpec;
use crate::model::{Base, Model};
use crate::network::Network;
use crate::settings::Settings;
use crate::vae::{Vae, VaeConfig};
use crate::validate::{Check, ensure};
use gpu_core::{Buf, Schedule};

/// The settings of an autoencoder.
#[derive(Clone, Debug)]
pub(super) enum Coder {
    Plain(AutoencoderConfig),
    Variational(VaeConfig),
}

impl Coder {
    /// Its latents.
    pub(super) fn latent(&self) -> usize {
        match self {
            Self::Plain(ae) => ae.latent,
            Self::Variational(vae) => vae.latent,
        }
    }

    /// True if its latents are drawn.
    pub(super) fn is_drawn(&self) -> bool {
        matches!(self, Self::Variational(_))
    }

    /// Checks its settings.
    pub(super) fn check(&self, spec: &DataSpec, batch: usize) -> Check {
        match self {
            Self::Plain(ae) => ae.validate(spec, batch).map_err(|invalid| invalid.within("ae")),
            Self::Variational(vae) => {
                ensure(!vae.class_conditional, "latents", || {
                    "must name an autoencoder that is not class-conditional: a flow knows no class".into()
                })?;
                vae.validate(spec, batch).map_err(|invalid| invalid.within("vae"))
            }
        }
    }
}

/// A frozen autoencoder.
#[derive(Clone, Debug)]
pub(super) enum Frozen {
    Plain(Box<Autoencoder>),
    Variational(Box<Vae>),
}

impl Frozen {
    /// The autoencoder on the memory of another model; [`Frozen::base`] has the memory with its buffers.
    pub(super) fn within(coder: Coder, base: Base) -> Self {
        match coder {
            Coder::Plain(config) => Self::Plain(Box::new(Autoencoder::within(config, base))),
            Coder::Variational(config) => Self::Variational(Box::new(Vae::within(config, base))),
        }
    }

    fn model(&self) -> &dyn Model {
        match self {
            Self::Plain(ae) => ae.as_ref(),
            Self::Variational(vae) => vae.as_ref(),
        }
    }

    pub(super) fn base(&self) -> &Base {
        self.model().base()
    }

    pub(super) fn network(&self) -> &Network {
        self.model().networks()[0]
    }

    /// Latents [n, latent] of images x [n, width]. Those of a VAE are drawn from its posterior by normal noise of that
    /// size.
    pub(super) fn latents(&self, s: &mut Schedule, x: Buf, noise: impl FnOnce(&mut Schedule) -> Buf) -> Buf {
        match self {
            Self::Plain(ae) => ae.latents_of(s, x),
            Self::Variational(vae) => {
                let noise = noise(s);
                vae.latents_of(s, x, noise)
            }
        }
    }

    /// Images [n, width] of latents [n, latent].
    pub(super) fn images(&self, s: &mut Schedule, latents: Buf) -> Buf {
        match self {
            Self::Plain(ae) => ae.images_of(s, latents),
            Self::Variational(vae) => vae.images_of(s, latents),
        }
    }
}
