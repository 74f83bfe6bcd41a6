//! The plain autoencoder: a VAE with a code in place of a distribution.
//!
//! The loss is −log p(x | code(x)), summed over pixels, per image: with a Bernoulli likelihood the binary
//! cross-entropy, with a Gaussian one the squared error up to constants.

use crate::capabilities::{CodeSpec, Decoder, Decoding, Encoder, Projector, Reconstructor};
use crate::coder::Coder;
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Stack, Value, Wrt};
use crate::likelihood::{Likelihood, of_points};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::projection::{Descent, Projection, Search};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::validate::{InvalidSetting, activation, coder, positive};
use gpu_core::ops::{loss, record};
use gpu_core::{Buf, Dtype, Schedule};
use serde::{Deserialize, Serialize};

/// Settings of an autoencoder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Channels of the encoder's convolutions, each of which halves the image; `[]` for linear layers only. The decoder
    /// has their transposes in reverse.
    pub channels: Vec<usize>,
    /// Replaces each by a 3×3 convolution and 2×2 max pooling, and its transpose by upsampling and a 3×3 convolution.
    pub pool: bool,
    /// Widths of the encoder's linear layers; the decoder has them in reverse.
    pub hidden: Vec<usize>,
    /// Length of the code.
    pub latent: usize,
    /// The likelihood p(x | code).
    pub likelihood: Likelihood,
    /// Standard deviation of a Gaussian likelihood.
    pub sigma: f32,
    /// Activation of the hidden layers.
    pub activation: String,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        let (channels, hidden, activation) = (Vec::new(), vec![400], "relu".into());
        Self { channels, pool: false, hidden, latent: 20, likelihood: Likelihood::Bernoulli, sigma: 0.2, activation }
    }
}

impl Settings for AutoencoderConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        of_points(spec.first(), &self.channels, self.likelihood)?;
        coder(spec.first().image, &self.channels, self.pool, &self.hidden, self.latent, batch)?;
        activation("activation", &self.activation)?;
        positive("sigma", self.sigma)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Autoencoder::new(self.clone(), spec))
    }
}

/// An autoencoder.
#[derive(Clone, Debug)]
pub struct Autoencoder {
    config: AutoencoderConfig,
    base: Base,
    network: Network,
    encoder: Stack,
    decoder: Stack,
}

impl Autoencoder {
    /// The model for the first set of such data. PyTorch's names: `encoder`, whose last layer gives the code, and
    /// `decoder` are each an `nn.Sequential`.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: AutoencoderConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        Self::within(config, Base::new(spec, COLUMNS))
    }

    /// The model on the memory of another, which encodes and decodes with it as it is; [`Model::base`] has the memory
    /// with its buffers.
    pub(crate) fn within(config: AutoencoderConfig, mut base: Base) -> Self {
        let image = base.buffers.first().spec.image;
        let memory = &mut base.memory;
        let mut network = Network::new(memory, "ae");
        let AutoencoderConfig { channels, pool, hidden, latent, activation, .. } = &config;
        let coder = Coder::new(image, channels, *pool, hidden, activation);
        let encoder = coder.encoder(memory, &mut network, "encoder", Some(*latent));
        let decoder = coder.decoder(memory, &mut network, *latent);
        Self { config, base, network, encoder, decoder }
    }

    /// The decoder's output for x, [n, width] as x, and the saved values of encoder and decoder.
    fn forward(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, Vec<Saved>, Vec<Saved>) {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        let (code, encoder) = self.encoder.forward(s, Value::plain(images), mode);
        let (output, decoder) = self.decoder.forward(s, code, mode);
        (output.buf.reshape(x.shape), encoder, decoder)
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::UNIT);

        let (output, encoder, decoder) = self.forward(s, x, Mode::Train);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), micro_batch.share());

        let dcode = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the code needs a gradient");
        self.encoder.backward(s, &encoder, dcode, Wrt::Params);

        micro_batch.record(s, "recon", recon, clock, ring, 0);
    }

    /// The codes [n, latent] of images x [n, width].
    pub(crate) fn latents_of(&self, s: &mut Schedule, x: Buf) -> Buf {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        self.encoder.forward(s, Value::plain(images), Mode::Use).0.buf
    }

    /// Images [n, width] of codes [n, latent].
    pub(crate) fn images_of(&self, s: &mut Schedule, code: Buf) -> Buf {
        let (output, _) = self.decoder.forward(s, Value::plain(code), Mode::Use);
        self.config.likelihood.picture(s, output.buf.reshape([code.shape.rows(), self.spec().width()]))
    }

    fn recon(&self) -> loss::Loss {
        self.config.likelihood.loss(self.config.sigma, self.spec().width())
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }
}

const COLUMNS: &[&str] = &["recon"];

impl Model for Autoencoder {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "ae", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let x = self.base.buffers.next_test(s, batch, Range::UNIT);
        let (output, ..) = self.forward(s, x, Mode::Use);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        record::record(s, "record.recon", recon, side_clock, side_ring, 0, 1.0);
        schedule
    }

    fn reconstructor(&self) -> Option<&dyn Reconstructor> {
        Some(self)
    }

    fn encoder(&self) -> Option<&dyn Encoder> {
        Some(self)
    }

    fn decoder(&self) -> Option<&dyn Decoder> {
        Some(self)
    }

    fn projector(&self) -> Option<&dyn Projector> {
        Some(self)
    }
}

impl Reconstructor for Autoencoder {
    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::UNIT);
        let (output, ..) = self.forward(&mut s, x, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[x, picture])
    }
}

impl Encoder for Autoencoder {
    fn encode(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::UNIT);
        let code = self.latents_of(&mut s, x);
        Pass::new(s, &[code])
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.config.latent, dtype: Dtype::F32 }
    }
}

impl Decoder for Autoencoder {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let code = s.scratch([count, self.config.latent]);
        s.feed(code);
        let picture = self.images_of(&mut s, code);
        Decoding { given: code, pass: Pass::new(s, &[picture]) }
    }

    fn code(&self) -> CodeSpec {
        Encoder::code(self)
    }
}

impl Projector for Autoencoder {
    fn project(&self, rows: usize, descent: Descent) -> Projection {
        let mut s = Schedule::new();
        let mut search = Search::begin(&mut s, &self.base.buffers, [rows, self.config.latent], descent);
        let (output, saved) = self.decoder.forward(&mut s, Value::plain(search.z), Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output.buf);
        let dpicture = search.error(&mut s, picture, Range::UNIT);
        let doutput = self.config.likelihood.picture_backward(&mut s, output.buf, dpicture);
        let dcode = self.decoder.backward(&mut s, &saved, doutput, Wrt::Input).expect("the code needs a gradient");
        search.finish(s, dcode)
    }
}
