//! Settings of variational autoencoders.

use crate::data::SetSpec;
use crate::likelihood::{Likelihood, of_points};
use crate::validate::{Check, activation, coder, conditional, count, ensure, load, not_negative, positive, up_to};
use gpu_core::ops::planar;
use serde::{Deserialize, Serialize};

/// Settings of a variational autoencoder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaeConfig {
    /// Channels of the encoder's convolutions, each of which halves the image; `[]` for linear layers only. The decoder
    /// has their transposes in reverse.
    pub channels: Vec<usize>,
    /// Replaces each by a 3×3 convolution and 2×2 max pooling, and its transpose by upsampling and a 3×3 convolution.
    pub pool: bool,
    /// Widths of the encoder's linear layers; the decoder has them in reverse.
    pub hidden: Vec<usize>,
    /// Length of z.
    pub latent: usize,
    /// Weight of the KL term (β of Higgins et al., 2017); 1 is the ELBO.
    pub beta: f32,
    /// Steps over which that weight, or the capacity, rises from zero; 0 for none.
    pub kl_warmup: usize,
    /// The divergence per latent dimension, in nats, below which the KL term has no gradient (Kingma et al., 2016); 0
    /// for none.
    pub free_bits: f32,
    /// The target of the KL term, in nats per image; the loss is β times the distance from it (Burgess et al., 2018). 0
    /// for none.
    pub capacity: f32,
    /// The likelihood p(x|z).
    pub likelihood: Likelihood,
    /// Standard deviation of a Gaussian likelihood.
    pub sigma: f32,
    /// Activation of the hidden layers.
    pub activation: String,
    /// Gives the class to encoder and decoder (Sohn, Lee and Yan, 2015), so that samples can be of a requested class.
    pub class_conditional: bool,
    /// Draws every pixel black or white, white with the probability of its grey, anew in each step.
    pub binarise: bool,
    /// The flow after the normal numbers of the posterior.
    pub flow: PosteriorFlow,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            pool: false,
            hidden: vec![400],
            latent: 20,
            beta: 1.0,
            kl_warmup: 0,
            free_bits: 0.0,
            capacity: 0.0,
            likelihood: Likelihood::Bernoulli,
            sigma: 0.2,
            activation: "relu".into(),
            class_conditional: false,
            binarise: false,
            flow: PosteriorFlow::default(),
        }
    }
}

/// The functions of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowKind {
    /// No flow: the posterior is normal.
    None,
    /// Planar functions (Rezende and Mohamed, 2015).
    Planar,
    /// Inverse autoregressive functions (Kingma et al., 2016).
    Iaf,
}

impl FlowKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::None, Self::Planar, Self::Iaf];
}

/// Settings of the flow of a posterior, from the normal numbers z₀ that the encoder gives to z.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PosteriorFlow {
    /// The functions.
    pub kind: FlowKind,
    /// Functions one after another.
    pub length: usize,
    /// Width of the hidden layer of an inverse autoregressive function's network.
    pub hidden: usize,
}

impl Default for PosteriorFlow {
    fn default() -> Self {
        Self { kind: FlowKind::None, length: 8, hidden: 320 }
    }
}

/// Functions of a flow, at most.
const MAX_LENGTH: usize = 256;

impl PosteriorFlow {
    /// Checks the settings within those of a model.
    fn check(&self, of: &VaeConfig, batch: usize) -> Check {
        up_to("flow.length", self.length, MAX_LENGTH)?;
        count("flow.hidden", self.hidden)?;
        let bounded = of.free_bits > 0.0 || of.capacity > 0.0;
        ensure(self.kind == FlowKind::None || !bounded, "flow.kind", || {
            "cannot be combined with vae.free_bits or vae.capacity, which bound the divergence of a normal posterior; \
             set both to 0, or vae.flow.kind to none"
                .into()
        })?;
        let (d, inner) = (of.latent, of.hidden.last().copied().unwrap_or(0));
        let (numbers, weights) = match self.kind {
            FlowKind::None => return Ok(()),
            FlowKind::Planar => {
                let width = self.length * planar::width(d);
                (vec![width], (inner + 1) * width)
            }
            FlowKind::Iaf => (vec![self.hidden, 2 * d], self.length * self.hidden * (inner + 3 * d + 1)),
        };
        load("flow.length", "vae.latent and vae.flow.hidden", &numbers, weights, batch)
    }
}

impl VaeConfig {
    /// Checks the settings for such images in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        let SetSpec { image, classes, .. } = *spec;
        of_points(spec, &self.channels, self.likelihood)?;
        conditional("class_conditional", self.class_conditional, classes)?;
        coder(image, &self.channels, self.pool, &self.hidden, self.latent, batch)?;
        activation("activation", &self.activation)?;
        not_negative("beta", self.beta)?;
        positive("sigma", self.sigma)?;
        not_negative("free_bits", self.free_bits)?;
        not_negative("capacity", self.capacity)?;
        self.binarised(spec)?;
        self.flow.check(self, batch)?;
        ensure(self.free_bits == 0.0 || self.capacity == 0.0, "free_bits", || {
            "cannot be combined with vae.capacity, as both bound the KL term; set one of them to 0".into()
        })
    }

    /// Checks that binarised data are pixels of a Bernoulli likelihood.
    fn binarised(&self, spec: &SetSpec) -> Check {
        let fits = spec.points.is_none() && self.likelihood == Likelihood::Bernoulli;
        ensure(!self.binarise || fits, "binarise", || {
            "needs images and vae.likelihood = \"bernoulli\"; set it to false".into()
        })
    }
}
