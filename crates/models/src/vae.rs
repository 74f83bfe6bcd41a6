//! The variational autoencoder with linear layers.
//!
//! Kingma and Welling, *Auto-encoding variational Bayes*, 2014: q(z|x) = N(mean, exp(logvar)) from the encoder,
//! p(z) = N(0, 1), p(x|z) from the decoder. The loss is E_q[−log p(x|z)] + β KL(q(z|x) ‖ p(z)), per image,
//! with one sample of z; with β = 1 it is −ELBO.

use crate::faults::{activation_fault, not_negative_fault, positive_fault, sizes_fault};
use crate::layers::{Linear, Mlp, Saved, Value, Wrt, nonlinearity};
use crate::model::{DataSpec, Likelihood, Model, Pass, Pins, Training};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::{kl, log_weight, loss, philox, record, reparameterise, softmax};
use gpu_core::random::Stream;
use gpu_core::{Buf, Memory, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// Settings of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaeConfig {
    /// Widths of the encoder's hidden layers; the decoder's are these in reverse.
    pub hidden: Vec<usize>,
    /// Length of z.
    pub latent: usize,
    /// Weight of the KL term (β of Higgins et al., 2017); 1 is the ELBO.
    pub beta: f32,
    /// Steps over which that weight rises from zero; zero for none.
    pub kl_warmup: usize,
    /// What the decoder's outputs mean.
    pub likelihood: Likelihood,
    /// Standard deviation of a Gaussian likelihood.
    pub sigma: f32,
    /// Activation of the hidden layers.
    pub activation: String,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            hidden: vec![400],
            latent: 20,
            beta: 1.0,
            kl_warmup: 0,
            likelihood: Likelihood::Bernoulli,
            sigma: 0.2,
            activation: "relu".into(),
        }
    }
}

impl VaeConfig {
    /// What is wrong with the settings for images of `width` numbers in batches of `batch`, if anything: one sentence.
    pub fn fault(&self, width: usize, batch: usize) -> Option<String> {
        sizes_fault(&self.hidden, self.latent, width, batch)
            .or_else(|| activation_fault(&self.activation))
            .or_else(|| not_negative_fault("beta", self.beta))
            .or_else(|| positive_fault("sigma", self.sigma))
    }
}

/// The model.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    memory: Memory,
    pins: Pins,
    weights: Weights,
    encoder: Mlp,
    heads: Linear,
    decoder: Mlp,
    width: usize,
}

impl Vae {
    /// The model for data of that size. PyTorch's names: `encoder.0`, `encoder.2` … for the hidden layers,
    /// `mean` and `logvar` for the heads (one product), `decoder.0` … for the way back.
    ///
    /// # Panics
    /// When [`VaeConfig::fault`] has something to say.
    pub fn new(config: VaeConfig, spec: DataSpec) -> Self {
        assert_eq!(config.fault(spec.width, 1), None);
        let mut memory = Memory::default();
        let pins = Pins::new(&mut memory, spec, COLUMNS.len());
        let mut weights = Weights::new(&mut memory, "vae");
        let act = nonlinearity(&config.activation).expect("checked above");
        let inner = *config.hidden.last().expect("checked above");
        let down: Vec<usize> = [spec.width].iter().chain(&config.hidden).copied().collect();
        let up: Vec<usize> = [config.latent].into_iter().chain(down.iter().rev().copied()).collect();
        let encoder = Mlp::new(&mut memory, &mut weights, "encoder", &down, act, act);
        let heads = ["mean", "logvar"];
        let heads = Linear::joined(&mut memory, &mut weights, &heads, inner, config.latent, Activation::Identity);
        let decoder = Mlp::new(&mut memory, &mut weights, "decoder", &up, act, Activation::Identity);
        Self { config, memory, pins, weights, encoder, heads, decoder, width: spec.width }
    }

    /// q(z|x): mean | logvar, [n, 2 · latent].
    fn encode(&self, s: &mut Schedule, x: Buf) -> (Buf, Vec<Saved>, Saved) {
        let (h, encoder) = self.encoder.forward(s, Value::plain(x));
        let (heads, head) = self.heads.forward(s, h);
        (heads.buf, encoder, head)
    }

    /// What the decoder says of z [n, latent]: logits or means, [n, width].
    fn decode(&self, s: &mut Schedule, z: Buf) -> (Buf, Vec<Saved>) {
        let (output, decoder) = self.decoder.forward(s, Value::plain(z));
        (output.buf, decoder)
    }

    fn noise(&self, s: &mut Schedule, rows: usize, clock: Buf, seed: u64, stream: Stream) -> Buf {
        philox::normal(s, "noise", [rows, self.config.latent], clock, seed, stream)
    }

    fn recon(&self) -> loss::Loss {
        self.config.likelihood.loss(self.config.sigma, self.width)
    }
}

const COLUMNS: &[&str] = &["recon", "kl"];

impl Model for Vae {
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
        let x = self.pins.train_batch(s, batch, training, self.config.beta, self.config.kl_warmup);

        let (heads, encoder, head) = self.encode(s, x);
        let eps = self.noise(s, batch, clock, training.seed, Stream::Train);
        let z = reparameterise::forward(s, "z", heads, eps);
        let (output, decoder) = self.decode(s, z);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), mean);
        let kl = kl::forward(s, "kl", heads);

        let dz = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("z wants a gradient");
        let dheads = reparameterise::backward(s, "dheads", heads, eps, dz);
        kl::backward(s, "dkl", heads, rates, mean, dheads);
        let dh = self.heads.backward(s, &head, dheads, Wrt::Both).expect("h wants a gradient");
        self.encoder.backward(s, &encoder, dh, Wrt::Params);

        record::record(s, "record.recon", recon, clock, ring, 0, mean);
        record::record(s, "record.kl", kl, clock, ring, 1, mean);
        training.optimiser.step(s, &self.memory, &self.weights, rates);
        schedule
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Pins { side_clock, side_ring, .. } = self.pins;
        let x = self.pins.test_batch(s, batch);
        let (heads, ..) = self.encode(s, x);
        let eps = self.noise(s, batch, side_clock, seed, Stream::Evaluate);
        let z = reparameterise::forward(s, "z", heads, eps);
        let (output, _) = self.decode(s, z);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        let kl = kl::forward(s, "kl", heads);
        record::record(s, "record.recon", recon, side_clock, side_ring, 0, 1.0);
        record::record(s, "record.kl", kl, side_clock, side_ring, 1, 1.0);
        schedule
    }

    /// Reconstructions decode the posterior's mean.
    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.pins.test_batch(&mut s, batch);
        let (heads, ..) = self.encode(&mut s, x);
        // Noise of zero: z is the mean.
        let none = s.scratch([batch, self.config.latent]);
        gpu_core::ops::fill::fill(&mut s, "no_noise", none, 0.0);
        let z = reparameterise::forward(&mut s, "z", heads, none);
        let (output, _) = self.decode(&mut s, z);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[x, picture])
    }

    fn sample(&self, count: usize, seed: u64) -> Option<Pass> {
        let mut s = Schedule::new();
        let z = self.noise(&mut s, count, self.pins.side_clock, seed, Stream::Sample);
        let (output, _) = self.decode(&mut s, z);
        let picture = self.config.likelihood.picture(&mut s, output);
        Some(Pass::new(s, &[picture]))
    }

    fn posterior(&self, batch: usize) -> Option<Pass> {
        let mut s = Schedule::new();
        let x = self.pins.test_batch(&mut s, batch);
        let (heads, ..) = self.encode(&mut s, x);
        Some(Pass::new(s, &[heads]))
    }

    /// log p(x) ≥ E log (1/K Σ p(x, z_k) / q(z_k|x)): Burda, Grosse and Salakhutdinov, 2016.
    fn importance(&self, batch: usize, samples: usize, seed: u64) -> Option<Schedule> {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Pins { side_clock, side_ring, .. } = self.pins;
        let x = self.pins.test_batch(s, batch);
        let (heads, ..) = self.encode(s, x);
        let eps = self.noise(s, batch * samples, side_clock, seed, Stream::Evaluate);
        let z = reparameterise::forward(s, "z", heads, eps);
        let (output, _) = self.decode(s, z);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        let log_weights = log_weight::forward(s, "log_weights", recon, z, eps, heads).reshape([batch, samples]);
        let bound = softmax::logsumexp(s, "bound", log_weights);
        record::record(s, "record.bound", bound, side_clock, side_ring, 0, 1.0);
        Some(schedule)
    }
}
