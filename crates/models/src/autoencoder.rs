//! The plain autoencoder: the VAE's deterministic twin, with a code in place of a distribution.
//!
//! The loss is −log p(x | code(x)), summed over pixels, per image: with a Bernoulli likelihood the binary
//! cross-entropy, with a Gaussian one the squared error up to constants.

use crate::coder::Coder;
use crate::layers::{Mode, Saved, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Decoding, Likelihood, Model, Objective, Pass, Phase, Range, Training};
use crate::network::Network;
use crate::shared_buffers::{DataSpec, SharedBuffers};
use crate::validate::{activation_fault, coder_fault, positive_fault};
use gpu_core::ops::{loss, record};
use gpu_core::{Buf, Schedule};
use serde::{Deserialize, Serialize};

/// Settings of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Channels of the encoder's convolutions, each of which halves the image; none for linear layers alone. The
    /// decoder has their transposes in reverse.
    pub channels: Vec<usize>,
    /// Whether each is a 3×3 convolution and a 2×2 maximum, mirrored by enlarging and a 3×3 convolution.
    pub pool: bool,
    /// Widths of the encoder's linear layers; the decoder's are these in reverse.
    pub hidden: Vec<usize>,
    /// Length of the code.
    pub latent: usize,
    /// What the decoder's outputs mean.
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

impl AutoencoderConfig {
    /// What is wrong with the settings for such images in batches of `batch`, if anything: one sentence.
    pub fn fault(&self, spec: &DataSpec, batch: usize) -> Option<String> {
        coder_fault(spec.image, &self.channels, self.pool, &self.hidden, self.latent, batch)
            .or_else(|| activation_fault(&self.activation))
            .or_else(|| positive_fault("sigma", self.sigma))
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Autoencoder {
    config: AutoencoderConfig,
    base: Base,
    network: Network,
    encoder: Stack,
    decoder: Stack,
}

impl Autoencoder {
    /// The model for such data. PyTorch's names: `encoder`, whose last layer gives the code, and `decoder` are each an
    /// `nn.Sequential`.
    ///
    /// # Panics
    /// When [`AutoencoderConfig::fault`] has something to say.
    pub fn new(config: AutoencoderConfig, spec: DataSpec) -> Self {
        assert_eq!(config.fault(&spec, 1), None);
        let mut base = Base::new(spec, COLUMNS);
        let memory = &mut base.memory;
        let mut network = Network::new(memory, "ae");
        let AutoencoderConfig { channels, pool, hidden, latent, activation, .. } = &config;
        let coder = Coder::new(spec.image, channels, *pool, hidden, activation);
        let encoder = coder.encoder(memory, &mut network, "encoder", Some(*latent));
        let decoder = coder.decoder(memory, &mut network, *latent);
        Self { config, base, network, encoder, decoder }
    }

    /// The decoder's output for x, [n, width] like it, with what both halves saved.
    fn forward(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, Vec<Saved>, Vec<Saved>) {
        let (code, encoder) =
            self.encoder.forward(s, Value::plain(x.reshape(self.base.buffers.spec().images(x.shape.rows()))), mode);
        let (output, decoder) = self.decoder.forward(s, code, mode);
        (output.buf.reshape(x.shape), encoder, decoder)
    }

    /// The step on a part of its batch.
    fn train_micro_batch(&self, micro_batch: MicroBatch, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { clock, rates, ring, .. } = self.base.buffers;
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::UNIT);

        let (output, encoder, decoder) = self.forward(s, x, Mode::Train);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), micro_batch.share());

        let dcode = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the code wants a gradient");
        self.encoder.backward(s, &encoder, dcode, Wrt::Params);

        micro_batch.record(s, "recon", recon, clock, ring, 0);
        training.optimiser.end(s, micro_batch, &self.base.memory, &self.network.weights, rates);
        Phase::once("ae", schedule)
    }

    fn recon(&self) -> loss::Loss {
        self.config.likelihood.loss(self.config.sigma, self.base.buffers.spec().width())
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
        training
            .micro_batches(batch)
            .into_iter()
            .map(|micro_batch| self.train_micro_batch(micro_batch, training))
            .collect()
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

    fn encode(&self, batch: usize) -> Option<Pass> {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::UNIT);
        let images = x.reshape(self.base.buffers.spec().images(batch));
        let (code, _) = self.encoder.forward(&mut s, Value::plain(images), Mode::Use);
        Some(Pass::new(s, &[code.buf]))
    }

    fn decode(&self, count: usize) -> Option<Decoding> {
        let mut s = Schedule::new();
        let code = s.scratch([count, self.config.latent]);
        s.feed(code);
        let (output, _) = self.decoder.forward(&mut s, Value::plain(code), Mode::Use);
        let output = output.buf.reshape([count, self.base.buffers.spec().width()]);
        let picture = self.config.likelihood.picture(&mut s, output);
        Some(Decoding { given: code, pass: Pass::new(s, &[picture]) })
    }

    fn reconstruct(&self, batch: usize) -> Option<Pass> {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::UNIT);
        let (output, ..) = self.forward(&mut s, x, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Some(Pass::new(s, &[x, picture]))
    }
}
