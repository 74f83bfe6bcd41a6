//! The variational autoencoder, with linear layers alone or with convolutions before them.
//!
//! Kingma and Welling, *Auto-encoding variational Bayes*, 2014: q(z|x) = N(mean, exp(logvar)) from the encoder,
//! p(z) = N(0, 1), p(x|z) from the decoder. The loss is E_q[−log p(x|z)] + β KL(q(z|x) ‖ p(z)), per image,
//! with one sample of z; with β = 1 it is −ELBO.

use crate::capabilities::{
    CodeSpec, Decoder, Decoding, Encoder, Extraction, Posterior, Projector, Reconstructor, Sampler,
};
use crate::coder::{Coder, pooled_features};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Linear, Mode, Saved, Stack, Value, Wrt};
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
use crate::validate::{InvalidSetting, activation, coder, conditional, ensure, not_negative, positive};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::{channels, fill, kl, log_weight, loss, philox, record, reparameterise, softmax};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};
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
        }
    }
}

impl Settings for VaeConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        let SetSpec { image, classes, .. } = *spec.first();
        of_points(spec.first(), &self.channels, self.likelihood)?;
        conditional("class_conditional", self.class_conditional, classes)?;
        coder(image, &self.channels, self.pool, &self.hidden, self.latent, batch)?;
        activation("activation", &self.activation)?;
        not_negative("beta", self.beta)?;
        positive("sigma", self.sigma)?;
        not_negative("free_bits", self.free_bits)?;
        not_negative("capacity", self.capacity)?;
        ensure(self.free_bits == 0.0 || self.capacity == 0.0, "free_bits", || {
            "cannot be combined with vae.capacity, as both bound the KL term; set one of them to 0".into()
        })
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Vae::new(self.clone(), spec))
    }

    fn noise_per_image(&self, _spec: &DataSpec) -> usize {
        self.latent
    }
}

/// A variational autoencoder.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    base: Base,
    network: Network,
    encoder: Stack,
    heads: Linear,
    decoder: Stack,
}

impl Vae {
    /// The model for the first set of such data. PyTorch's names: `encoder` and `decoder` are each an `nn.Sequential`,
    /// `mean` and `logvar` (one product) the heads between them. A class-conditional model's heads take
    /// `torch.cat([h, y], 1)` and its decoder `torch.cat([z, y], 1)`, where y is 5 at the class and 0 elsewhere.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: VaeConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        if config.class_conditional {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        Self::within(config, base)
    }

    /// The model on the memory of another, with labels if it is class-conditional, which encodes and decodes with it as
    /// it is; [`Model::base`] has the memory with its buffers.
    pub(crate) fn within(config: VaeConfig, mut base: Base) -> Self {
        let spec = base.buffers.first().spec;
        let label_width = if config.class_conditional { spec.classes } else { 0 };
        let memory = &mut base.memory;
        let mut network = Network::new(memory, "vae");
        let VaeConfig { channels, pool, hidden, latent, activation, .. } = &config;
        let coder = Coder::new(spec.image, channels, *pool, hidden, activation);
        let inner = *hidden.last().expect("checked above");
        let encoder = coder.encoder(memory, &mut network, "encoder", None);
        let heads = ["mean", "logvar"];
        let heads = Linear::joined(memory, &mut network, &heads, inner + label_width, *latent, Activation::Identity);
        let decoder = coder.decoder(memory, &mut network, *latent + label_width);
        Self { config, base, network, encoder, heads, decoder }
    }

    /// q(z|x): mean | logvar, [n, 2 · latent], of x [n, width] and the classes of a class-conditional model.
    fn encoded(&self, s: &mut Schedule, x: Buf, y: Option<Buf>, mode: Mode) -> (Buf, Vec<Saved>, Saved) {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        let (h, encoder) = self.encoder.forward(s, Value::plain(images), mode);
        let h = y.map_or(h, |y| h.beside(s, "h_y", y));
        let (heads, head) = self.heads.forward(s, h, mode);
        (heads.buf, encoder, head)
    }

    /// The decoder's logits or means, [n, width], of z [n, latent] and the classes.
    fn decoded(&self, s: &mut Schedule, z: Buf, y: Option<Buf>, mode: Mode) -> (Buf, Vec<Saved>) {
        let input = y.map_or(Value::plain(z), |y| Value::plain(z).beside(s, "z_y", y));
        let (output, decoder) = self.decoder.forward(s, input, mode);
        (output.buf.reshape([z.shape.rows(), self.spec().width()]), decoder)
    }

    /// The next `batch` test images, and their classes for a class-conditional model.
    fn next_test(&self, s: &mut Schedule, batch: usize) -> (Buf, Option<Buf>) {
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let x = buffers.test_images(s, order, Range::UNIT);
        (x, buffers.first().labels.map(|labels| buffers.one_hot_classes(s, labels.test, order)))
    }

    /// The first columns of a gradient: those of the rows that classes were put beside.
    fn without_classes(&self, s: &mut Schedule, label: &str, gradient: Buf) -> Buf {
        let (cols, label_width) = (gradient.shape.cols(), self.spec().classes);
        if self.config.class_conditional {
            channels::slice(s, label, gradient, 0..cols - label_width)
        } else {
            gradient
        }
    }

    fn noise(&self, s: &mut Schedule, rows: usize, clock: Buf, seed: u64, stream: Stream) -> Buf {
        philox::normal(s, "noise", [rows, self.config.latent], clock, seed, stream)
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let mean = micro_batch.share();
        let VaeConfig { beta, capacity, kl_warmup, .. } = self.config;
        // The weight of the term rises, or its target.
        self.base.buffers.tick(s, micro_batch, training, if capacity > 0.0 { capacity } else { beta }, kl_warmup);
        let order = self.base.buffers.train_order(s, micro_batch, training, clock);
        let x = self.base.buffers.moved_images(s, order, micro_batch, training, clock, Range::UNIT);
        let labels = self.base.buffers.first().labels;
        let y = labels.map(|labels| self.base.buffers.one_hot_classes(s, labels.train, order));

        let (heads, encoder, head) = self.encoded(s, x, y, Mode::Train);
        let latent = self.config.latent;
        let (shape, before) = ([micro_batch.rows, latent], micro_batch.first * latent);
        let eps = philox::normal_from(s, "noise", shape, before, clock, training.seed, Stream::Train);
        let z = reparameterise::forward(s, "z", heads, eps);
        let (output, decoder) = self.decoded(s, z, y, Mode::Train);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), mean);
        let kl = kl::forward(s, "kl", heads);

        let dz = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("z needs a gradient");
        let dz = self.without_classes(s, "dz", dz);
        let dheads = reparameterise::backward(s, "dheads", heads, eps, dz);
        self.kl_backward(s, heads, kl, mean, dheads);
        let dh = self.heads.backward(s, &head, dheads, Wrt::Both).expect("h needs a gradient");
        let dh = self.without_classes(s, "dh", dh);
        self.encoder.backward(s, &encoder, dh, Wrt::Params);

        micro_batch.record(s, "recon", recon, clock, ring, 0);
        micro_batch.record(s, "kl", kl, clock, ring, 1);
    }

    /// Adds the gradient of the KL term, weighted by `mean` for each image, to dheads.
    fn kl_backward(&self, s: &mut Schedule, heads: Buf, rows: Buf, mean: f32, dheads: Buf) {
        let VaeConfig { beta, free_bits, capacity, .. } = self.config;
        let rates = self.base.buffers.rates;
        if capacity > 0.0 {
            kl::backward_held(s, "dkl", heads, rates, rows, beta * mean, dheads);
        } else if free_bits > 0.0 {
            let units = kl::units(s, "kl_units", heads);
            kl::backward_free(s, "dkl", heads, rates, units, mean, free_bits, dheads);
        } else {
            kl::backward(s, "dkl", heads, rates, mean, dheads);
        }
    }

    /// Features of `count` given images: means over the pixels of the encoder's last convolution, as many as it has
    /// channels; without convolutions, its last layer.
    pub fn features(&self, count: usize) -> Extraction {
        let mut s = Schedule::new();
        let given = s.scratch([count, self.spec().width()]);
        s.feed(given);
        let images = given.reshape(self.spec().images(count));
        let (_, saved) = self.encoder.forward(&mut s, Value::plain(images), Mode::Use);
        let features = pooled_features(&mut s, &saved);
        Extraction { given, pass: Pass::new(s, &[features]) }
    }

    /// Latents [n, latent] of images x [n, width] by normal noise of that size, without classes.
    pub(crate) fn latents_of(&self, s: &mut Schedule, x: Buf, noise: Buf) -> Buf {
        let (heads, ..) = self.encoded(s, x, None, Mode::Use);
        reparameterise::forward(s, "z", heads, noise)
    }

    /// Images [n, width] of latents [n, latent], without classes.
    pub(crate) fn images_of(&self, s: &mut Schedule, z: Buf) -> Buf {
        let (output, _) = self.decoded(s, z, None, Mode::Use);
        self.config.likelihood.picture(s, output)
    }

    fn recon(&self) -> loss::Loss {
        self.config.likelihood.loss(self.config.sigma, self.spec().width())
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }

    /// The requested classes of `count` images, of a class-conditional model.
    fn asked(&self, s: &mut Schedule, count: usize) -> Option<Buf> {
        let buffers = &self.base.buffers;
        buffers.first().labels.map(|labels| buffers.asked_classes(s, labels, count))
    }
}

const COLUMNS: &[&str] = &["recon", "kl"];

impl Model for Vae {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::Sum("neg_elbo")
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "vae", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let (x, y) = self.next_test(s, batch);
        let (heads, ..) = self.encoded(s, x, y, Mode::Use);
        let eps = self.noise(s, batch, side_clock, seed, Stream::Evaluate);
        let z = reparameterise::forward(s, "z", heads, eps);
        let (output, _) = self.decoded(s, z, y, Mode::Use);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        let kl = kl::forward(s, "kl", heads);
        record::record(s, "record.recon", recon, side_clock, side_ring, 0, 1.0);
        record::record(s, "record.kl", kl, side_clock, side_ring, 1, 1.0);
        schedule
    }

    fn sampler(&self) -> Option<&dyn Sampler> {
        Some(self)
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

    fn posterior(&self) -> Option<&dyn Posterior> {
        Some(self)
    }
}

impl Sampler for Vae {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let z = self.noise(&mut s, count, self.base.buffers.side_clock, seed, Stream::Sample);
        let y = self.asked(&mut s, count);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[picture])
    }

    fn latent(&self) -> Option<usize> {
        Some(self.config.latent)
    }
}

/// Reconstructions decode the posterior's mean.
impl Reconstructor for Vae {
    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let (x, y) = self.next_test(&mut s, batch);
        let (heads, ..) = self.encoded(&mut s, x, y, Mode::Use);
        // With noise of zero, z is the mean.
        let none = s.scratch([batch, self.config.latent]);
        fill::fill(&mut s, "no_noise", none, 0.0);
        let z = reparameterise::forward(&mut s, "z", heads, none);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[x, picture])
    }
}

/// The code is the posterior.
impl Encoder for Vae {
    fn encode(&self, batch: usize) -> Pass {
        Posterior::posterior(self, batch)
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: 2 * self.config.latent, dtype: Dtype::F32 }
    }
}

impl Decoder for Vae {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let z = s.scratch([count, self.config.latent]);
        s.feed(z);
        let y = self.asked(&mut s, count);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Decoding { given: z, pass: Pass::new(s, &[picture]) }
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.config.latent, dtype: Dtype::F32 }
    }
}

impl Projector for Vae {
    fn project(&self, rows: usize, descent: Descent) -> Projection {
        let mut s = Schedule::new();
        let mut search = Search::begin(&mut s, &self.base.buffers, [rows, self.config.latent], descent);
        let y = self.asked(&mut s, rows);
        let (output, saved) = self.decoded(&mut s, search.z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        let dpicture = search.error(&mut s, picture, Range::UNIT);
        let doutput = self.config.likelihood.picture_backward(&mut s, output, dpicture);
        let dz = self.decoder.backward(&mut s, &saved, doutput, Wrt::Input).expect("z needs a gradient");
        let dz = self.without_classes(&mut s, "dz", dz);
        search.finish(s, dz)
    }
}

impl Posterior for Vae {
    fn posterior(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let (x, y) = self.next_test(&mut s, batch);
        let (heads, ..) = self.encoded(&mut s, x, y, Mode::Use);
        Pass::new(s, &[heads])
    }

    /// log p(x) ≥ E log (1/K Σ p(x, z_k) / q(z_k|x)).
    fn importance(&self, batch: usize, samples: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let (x, y) = self.next_test(s, batch);
        let (heads, ..) = self.encoded(s, x, y, Mode::Use);
        let eps = self.noise(s, batch * samples, side_clock, seed, Stream::Evaluate);
        let z = reparameterise::forward(s, "z", heads, eps);
        // All draws of an image have its class.
        let y = y.map(|y| repeated(s, y, samples));
        let (output, _) = self.decoded(s, z, y, Mode::Use);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        let log_weights = log_weight::forward(s, "log_weights", recon, z, eps, heads).reshape([batch, samples]);
        let bound = softmax::logsumexp(s, "bound", log_weights);
        record::record(s, "record.bound", bound, side_clock, side_ring, 0, 1.0);
        schedule
    }
}

/// Each row of y [n, q] repeated `times` times in a row: [n · times, q], by doubling.
fn repeated(s: &mut Schedule, y: Buf, times: usize) -> Buf {
    let (rows, cols) = (y.shape.rows(), y.shape.cols());
    let (mut wide, mut copies) = (y, 1);
    while copies < times {
        let more = copies.min(times - copies);
        let rest = if more < copies { channels::slice(s, "y_part", wide, 0..more * cols) } else { wide };
        wide = channels::concat(s, "y_copies", wide, rest);
        copies += more;
    }
    wide.reshape([rows * times, cols])
}
