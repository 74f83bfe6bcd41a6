//! The variational autoencoder, with linear layers alone or with convolutions before them.
//!
//! Kingma and Welling, *Auto-encoding variational Bayes*, 2014: q(z|x) = N(mean, exp(logvar)) from the encoder,
//! p(z) = N(0, 1), p(x|z) from the decoder. The loss is E_q[−log p(x|z)] + β KL(q(z|x) ‖ p(z)), per image,
//! with one sample of z; with β = 1 it is −ELBO. A flow may follow the normal numbers of the posterior.

mod capabilities;
mod config;
mod flow;

pub use config::{FlowKind, PosteriorFlow, VaeConfig};

use crate::capabilities::{Decoder, Encoder, Extraction, Posterior, Projector, Reconstructor, Sampler};
use crate::coder::{Coder, pooled_features};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Linear, Mode, Saved, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::validate::InvalidSetting;
use flow::{Flow, Passed};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::fsq::{self, Levels};
use gpu_core::ops::{channels, elementwise, fill, flow_divergence, kl, loss, philox, record, reparameterise};
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};

/// A variational autoencoder.
#[derive(Clone, Debug)]
pub struct Vae {
    config: VaeConfig,
    base: Base,
    network: Network,
    encoder: Stack,
    heads: Linear,
    flow: Option<Flow>,
    decoder: Stack,
}

/// The encoder's output for images x.
struct Encoded {
    /// Its last layer, [n, inner], beside the classes of a class-conditional model.
    h: Value,
    /// mean | logvar of the normal numbers z₀, [n, 2 · latent].
    heads: Buf,
    encoder: Vec<Saved>,
    head: Saved,
}

impl Vae {
    /// The model for the first set of such data. PyTorch's names: `encoder` and `decoder` are each an `nn.Sequential`,
    /// `mean` and `logvar` (one product) the heads between them, and `flow` the layers of a flow. A class-conditional
    /// model's heads and flow take `torch.cat([h, y], 1)` and its decoder `torch.cat([z, y], 1)`, where y is 5 at the
    /// class and 0 elsewhere.
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
        let flow = Flow::new(memory, &mut network, &config, inner + label_width);
        let decoder = coder.decoder(memory, &mut network, *latent + label_width);
        Self { config, base, network, encoder, heads, flow, decoder }
    }

    /// The encoder's output for x [n, width] and the classes of a class-conditional model.
    fn encoded(&self, s: &mut Schedule, x: Buf, y: Option<Buf>, mode: Mode) -> Encoded {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        let (h, encoder) = self.encoder.forward(s, Value::plain(images), mode);
        let h = y.map_or(h, |y| h.beside(s, "h_y", y));
        let (heads, head) = self.heads.forward(s, h, mode);
        Encoded { h, heads: heads.buf, encoder, head }
    }

    /// Draws z [n · repeat, latent] of the posterior by normal noise of that size, and the values of its flow.
    fn drawn(&self, s: &mut Schedule, of: &Encoded, noise: Buf, mode: Mode) -> (Buf, Option<Passed>) {
        let z0 = reparameterise::forward(s, "z", of.heads, noise);
        let passed = self.flow.as_ref().map(|flow| flow.forward(s, of.h, z0, mode));
        (passed.as_ref().map_or(z0, |passed| passed.z), passed)
    }

    /// The next `batch` test images, their classes, and z [batch, latent] of noise 0: the mean of a normal posterior,
    /// or the end of the flow from it.
    fn centres(&self, s: &mut Schedule, batch: usize) -> (Buf, Option<Buf>, Buf) {
        let (x, y) = self.next_test(s, batch, None);
        let encoded = self.encoded(s, x, y, Mode::Use);
        let none = s.scratch([batch, self.config.latent]);
        fill::fill(s, "no_noise", none, 0.0);
        (x, y, self.drawn(s, &encoded, none, Mode::Use).0)
    }

    /// The KL term of each row: exact for a normal posterior, with one draw for that of a flow.
    fn divergence(&self, s: &mut Schedule, heads: Buf, passed: Option<&Passed>) -> Buf {
        let kl = kl::forward(s, "kl", heads);
        let Some(passed) = passed else { return kl };
        let more = flow_divergence::forward(s, "kl_flow", [passed.z, passed.z0()], passed.log_slope);
        elementwise::add(s, "kl_all", kl, more)
    }

    /// The decoder's logits or means, [n, width], of z [n, latent] and the classes.
    fn decoded(&self, s: &mut Schedule, z: Buf, y: Option<Buf>, mode: Mode) -> (Buf, Vec<Saved>) {
        let input = y.map_or(Value::plain(z), |y| Value::plain(z).beside(s, "z_y", y));
        let (output, decoder) = self.decoder.forward(s, input, mode);
        (output.buf.reshape([z.shape.rows(), self.spec().width()]), decoder)
    }

    /// The range of the images that the device gives.
    fn range(&self) -> Range {
        if self.config.binarise { BLACK_AND_WHITE } else { Range::UNIT }
    }

    /// Pixels in [0, 1]: x itself, or the nearest of black and white to x plus noise, if there is some.
    fn pixels(&self, s: &mut Schedule, x: Buf, noise: impl FnOnce(&mut Schedule) -> Option<Buf>) -> Buf {
        if !self.config.binarise {
            return x;
        }
        let sum = noise(s).map_or(x, |noise| elementwise::add(s, "dithered", x, noise));
        let two = Levels::new(&[2]).expect("two levels are allowed");
        let (nearest, _) = fsq::quantise(s, "nearest", sum.reshape([sum.len(), 1]), &two);
        let ones = s.scratch(x.shape);
        fill::fill(s, "ones", ones, 1.0);
        elementwise::add(s, "black_and_white", nearest.reshape(x.shape), ones)
    }

    /// The next `batch` test images, binarised by a seed or to the nearest, and the classes of a class-conditional
    /// model.
    fn next_test(&self, s: &mut Schedule, batch: usize, seed: Option<u64>) -> (Buf, Option<Buf>) {
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let x = buffers.test_images(s, order, self.range());
        let clock = buffers.side_clock;
        let dither = |s: &mut Schedule, seed| philox::uniform(s, "dither", x.shape, clock, seed, Stream::Mix, DITHER);
        let x = self.pixels(s, x, |s| seed.map(|seed| dither(s, seed)));
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
        let x = self.base.buffers.moved_images(s, order, micro_batch, training, clock, self.range());
        let x = self.pixels(s, x, |s| {
            let before = micro_batch.first * self.spec().width();
            Some(philox::uniform_from(s, "dither", x.shape, before, clock, training.seed, Stream::Mix, DITHER))
        });
        let labels = self.base.buffers.first().labels;
        let y = labels.map(|labels| self.base.buffers.one_hot_classes(s, labels.train, order));

        let encoded = self.encoded(s, x, y, Mode::Train);
        let latent = self.config.latent;
        let (shape, before) = ([micro_batch.rows, latent], micro_batch.first * latent);
        let eps = philox::normal_from(s, "noise", shape, before, clock, training.seed, Stream::Train);
        let (z, passed) = self.drawn(s, &encoded, eps, Mode::Train);
        let (output, decoder) = self.decoded(s, z, y, Mode::Train);
        let (recon, doutput) = loss::with_gradient(s, "recon", output, x, self.recon(), mean);
        let kl = self.divergence(s, encoded.heads, passed.as_ref());

        let dz = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("z needs a gradient");
        let dz = self.without_classes(s, "dz", dz);
        let flowed = passed.map(|passed| self.flow_backward(s, &passed, dz, mean));
        let (dz0, dh_flow) = flowed.map_or((dz, None), |(dz0, dh)| (dz0, Some(dh)));
        let dheads = reparameterise::backward(s, "dheads", encoded.heads, eps, dz0);
        self.kl_backward(s, encoded.heads, kl, mean, dheads);
        let dh = self.heads.backward(s, &encoded.head, dheads, Wrt::Both).expect("h needs a gradient");
        let dh = dh_flow.map_or(dh, |more| elementwise::add(s, "dh_all", dh, more));
        let dh = self.without_classes(s, "dh", dh);
        self.encoder.backward(s, &encoded.encoder, dh, Wrt::Params);

        micro_batch.record(s, "recon", recon, clock, ring, 0);
        micro_batch.record(s, "kl", kl, clock, ring, 1);
    }

    /// dz₀ and dh, from the decoder's dz and the part of the KL term that the flow adds, weighted by `mean` for each
    /// image.
    fn flow_backward(&self, s: &mut Schedule, passed: &Passed, dz: Buf, mean: f32) -> (Buf, Buf) {
        let flow = self.flow.as_ref().expect("it has passed");
        let (ends, rates) = ([passed.z, passed.z0()], self.base.buffers.rates);
        let slopes = flow.slopes(passed.z);
        let [of_z, of_z0, dslope] = flow_divergence::backward(s, "dkl_flow", ends, rates, mean, slopes);
        let dz = elementwise::add(s, "dz_all", dz, of_z);
        let (dz0, dh) = flow.backward(s, passed, dz, dslope);
        (elementwise::add(s, "dz0", dz0, of_z0), dh)
    }

    /// Adds the gradient of the KL term of z₀, weighted by `mean` for each image, to dheads.
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
        let encoded = self.encoded(s, x, None, Mode::Use);
        self.drawn(s, &encoded, noise, Mode::Use).0
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
/// The numbers of black and white among two levels.
const BLACK_AND_WHITE: Range = Range { low: -1.0, high: 0.0 };
/// The interval of the noise by which a pixel is nearer to white with the probability of its grey.
const DITHER: [f32; 2] = [-0.5, 0.5];

impl Settings for VaeConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Vae::new(self.clone(), spec))
    }

    fn noise_per_image(&self, _spec: &DataSpec) -> usize {
        self.latent
    }
}

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
        let (x, y) = self.next_test(s, batch, Some(seed));
        let encoded = self.encoded(s, x, y, Mode::Use);
        let eps = self.noise(s, batch, side_clock, seed, Stream::Evaluate);
        let (z, passed) = self.drawn(s, &encoded, eps, Mode::Use);
        let (output, _) = self.decoded(s, z, y, Mode::Use);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        let kl = self.divergence(s, encoded.heads, passed.as_ref());
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
