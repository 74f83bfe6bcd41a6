//! The plain autoencoder: the VAE's deterministic twin, with a code in place of a distribution.
//!
//! The loss is −log p(x | code(x)), summed over pixels, per image: with a Bernoulli likelihood the binary
//! cross-entropy, with a Gaussian one the squared error up to constants.

use crate::faults::{activation_fault, positive_fault, sizes_fault};
use crate::layers::{Mlp, Saved, Value, Wrt, nonlinearity};
use crate::model::{DataSpec, Likelihood, Model, Pass, Pins, Training};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::{loss, record};
use gpu_core::{Buf, Memory, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// Settings of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Widths of the encoder's hidden layers; the decoder's are these in reverse.
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
        Self { hidden: vec![400], latent: 20, likelihood: Likelihood::Bernoulli, sigma: 0.2, activation: "relu".into() }
    }
}

impl AutoencoderConfig {
    /// What is wrong with the settings for images of `width` numbers in batches of `batch`, if anything: one sentence.
    pub fn fault(&self, width: usize, batch: usize) -> Option<String> {
        sizes_fault(&self.hidden, self.latent, width, batch)
            .or_else(|| activation_fault(&self.activation))
            .or_else(|| positive_fault("sigma", self.sigma))
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Autoencoder {
    config: AutoencoderConfig,
    memory: Memory,
    pins: Pins,
    weights: Weights,
    encoder: Mlp,
    decoder: Mlp,
    width: usize,
}

impl Autoencoder {
    /// The model for data of that size. PyTorch's names: `encoder.0`, `encoder.2` …, the last of which gives
    /// the code, and `decoder.0` ….
    ///
    /// # Panics
    /// When [`AutoencoderConfig::fault`] has something to say.
    pub fn new(config: AutoencoderConfig, spec: DataSpec) -> Self {
        assert_eq!(config.fault(spec.width, 1), None);
        let mut memory = Memory::default();
        let pins = Pins::new(&mut memory, spec, COLUMNS.len());
        let mut weights = Weights::new(&mut memory, "ae");
        let act = nonlinearity(&config.activation).expect("checked above");
        let down: Vec<usize> = [spec.width].iter().chain(&config.hidden).chain([&config.latent]).copied().collect();
        let up: Vec<usize> = down.iter().rev().copied().collect();
        let encoder = Mlp::new(&mut memory, &mut weights, "encoder", &down, act, Activation::Identity);
        let decoder = Mlp::new(&mut memory, &mut weights, "decoder", &up, act, Activation::Identity);
        Self { config, memory, pins, weights, encoder, decoder, width: spec.width }
    }

    /// The decoder's output for x [n, width], with what both halves saved.
    fn forward(&self, s: &mut Schedule, x: Buf) -> (Buf, Vec<Saved>, Vec<Saved>) {
        let (code, encoder) = self.encoder.forward(s, Value::plain(x));
        let (output, decoder) = self.decoder.forward(s, code);
        (output.buf, encoder, decoder)
    }

    fn recon(&self) -> loss::Loss {
        self.config.likelihood.loss(self.config.sigma, self.width)
    }
}

const COLUMNS: &[&str] = &["recon"];

impl Model for Autoencoder {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn pins(&self) -> &Pins {
        &self.pins
    }

    fn networks(&self) -> Vec<&Weights> {
        vec![&self.weights]
    }

    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn train(&self, batch: usize, training: &Training) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Pins { clock, rates, ring, .. } = self.pins;
        let mean = 1.0 / batch as f32;
        let x = self.pins.train_batch(s, batch, training, 0.0, 0);

        let (output, encoder, decoder) = self.forward(s, x);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), mean);

        let dcode = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the code wants a gradient");
        self.encoder.backward(s, &encoder, dcode, Wrt::Params);

        record::record(s, "record.recon", recon, clock, ring, 0, mean);
        training.optimiser.step(s, &self.memory, &self.weights, rates);
        schedule
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Pins { side_clock, side_ring, .. } = self.pins;
        let x = self.pins.test_batch(s, batch);
        let (output, ..) = self.forward(s, x);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        record::record(s, "record.recon", recon, side_clock, side_ring, 0, 1.0);
        schedule
    }

    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.pins.test_batch(&mut s, batch);
        let (output, ..) = self.forward(&mut s, x);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[x, picture])
    }

    fn sample(&self, _count: usize, _seed: u64) -> Option<Pass> {
        None
    }

    fn posterior(&self, _batch: usize) -> Option<Pass> {
        None
    }

    fn importance(&self, _batch: usize, _samples: usize, _seed: u64) -> Option<Schedule> {
        None
    }
}
