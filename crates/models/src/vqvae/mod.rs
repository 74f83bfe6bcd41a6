//! The vector-quantised autoencoder: each position of the encoder's output becomes the nearest of K codes.
//!
//! van den Oord, Vinyals and Kavukcuoglu, *Neural discrete representation learning*, 2017. The loss of an image is its
//! mean squared error over the variance of the data's pixels, plus β times the mean of (z − q)², which commits the
//! encoder to its codes. The gradient of q goes straight through to z. The codebook follows the encoder by averages
//! (appendix A.1) or by the gradient of the mean of (q − z)².

mod codec;
mod config;

pub use config::VqVaeConfig;

use crate::capabilities::{CodeSpec, Decoder, Decoding, Encoder, Quantiser, Reconstructor, Usage};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Sequence, Stack, Value, Wrt, halving, halvings};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::validate::InvalidSetting;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::codebook::{self, Averages, Restart};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::{channels, record, vq};
use gpu_core::{Buf, Dtype, Init, Memory, Schedule};

/// Numbers of one layer while the initial codes are chosen, at most: 256 MiB.
const MAX_NUMBERS: usize = 1 << 26;
/// Rows that the initial codes are chosen from, at most.
const MAX_ROWS: usize = 1 << 20;
/// Smooths the counts of codes, so that no division is by zero.
const EPSILON: f32 = 1e-5;

/// The codebook, [codes, latent].
#[derive(Clone, Copy, Debug)]
struct Codebook {
    codes: Buf,
    /// The running averages that it follows, if any.
    averages: Option<Averages>,
}

/// A vector-quantised autoencoder.
#[derive(Clone, Debug)]
pub struct VqVae {
    config: VqVaeConfig,
    base: Base,
    usage: Usage,
    network: Network,
    encoder: Stack,
    decoder: Stack,
    codebook: Codebook,
}

const COLUMNS: &[&str] = &["nmse", "commitment"];

impl VqVae {
    /// The model for the first set of such data. PyTorch's names: `encoder` and `decoder` are each an `nn.Sequential`,
    /// as are residual blocks, which add their input; `codebook.weight` is the codebook, with `codebook.size` and
    /// `codebook.total` for running averages.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: VqVaeConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        Self::within(config, Base::new(spec, COLUMNS))
    }

    /// The model on the memory of another, which encodes and decodes with it as it is; [`Model::base`] has the memory
    /// with its buffers.
    pub(crate) fn within(config: VqVaeConfig, mut base: Base) -> Self {
        let spec = base.buffers.first().spec;
        let memory = &mut base.memory;
        let usage = Usage {
            train: memory.add("usage", [config.codes], Dtype::F32),
            test: memory.add("test_usage", [config.codes], Dtype::F32),
        };
        let mut network = Network::new(memory, "vqvae");
        let encoder = encoder(memory, &mut network, &config, spec.image);
        let decoder = decoder(memory, &mut network, &config, spec.image);
        let codebook = Codebook::new(memory, &mut network, &config);
        Self { config, base, usage, network, encoder, decoder, codebook }
    }

    /// z [n, h, w, latent] of x [n, width].
    fn encoded(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        let (z, saved) = self.encoder.forward(s, Value::plain(images), mode);
        (z.buf, saved)
    }

    /// The nearest codes, and their indices `u32 [n · h · w]`.
    fn quantise(&self, s: &mut Schedule, z: Buf) -> (Buf, Buf) {
        let index = vq::nearest(s, "nearest", z, self.codebook.codes);
        (vq::lookup(s, "q", index, self.codebook.codes, z.shape), index)
    }

    /// Images [n, width] of codes [n, h, w, latent].
    fn decoded(&self, s: &mut Schedule, q: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let (output, saved) = self.decoder.forward(s, Value::plain(q), mode);
        (output.buf.reshape([q.shape.dims()[0] as usize, self.spec().width()]), saved)
    }

    /// The mean squared error of each image, over the variance of the data.
    fn error(&self) -> Loss {
        let spec = self.spec();
        Loss { kind: Kind::Squared, scale: 1.0 / (spec.width() as f32 * spec.variance), offset: 0.0 }
    }

    /// Codes of one image.
    fn positions(&self) -> usize {
        self.grid().iter().product()
    }

    /// One over the numbers in the codes of an image.
    fn per_code(&self) -> f32 {
        1.0 / (self.positions() * self.config.latent) as f32
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let (mean, per_code) = (micro_batch.share(), self.per_code());
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::CENTRED);

        let (z, encoder) = self.encoded(s, x, Mode::Train);
        let (q, index) = self.quantise(s, z);
        let (output, decoder) = self.decoded(s, q, Mode::Train);
        let (nmse, doutput) = loss::with_gradient(s, "nmse", output, x, self.error(), mean);

        // Straight through: the gradient of q is taken for that of z.
        let dz = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the codes need a gradient");
        let dz = dz.reshape(z.shape);
        let weight = self.config.commitment * mean * per_code;
        let commitment = vq::loss_with_gradient(s, "commitment", z, q, per_code, weight, dz);
        self.encoder.backward(s, &encoder, dz, Wrt::Params);

        let assigned = vq::assign(s, "assigned", z, index, self.config.codes);
        codebook::count(s, "usage", assigned.counts, self.usage.train);
        self.codebook.follow(s, micro_batch, assigned, self.config.ema, mean * per_code);
        if micro_batch.is_last() {
            self.codebook.restart(s, z, self.config.restart, clock, training.seed);
        }
        micro_batch.record(s, "nmse", nmse, clock, ring, 0);
        micro_batch.record(s, "commitment", commitment, clock, ring, 1);
    }

    /// Images from which the initial codes are chosen: a multiple of 64 with sixteen rows to a code, or as many as fit.
    fn first_images(&self, training: &Training) -> usize {
        let enough = (16 * self.config.codes).div_ceil(self.positions()).next_multiple_of(64);
        let fit = MAX_NUMBERS / self.config.widest(self.spec().image);
        enough.min(fit).min(MAX_ROWS / self.positions()).min(training.resident).max(1)
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }
}

/// Convolutions that halve the image, one that keeps its size, residual blocks, and a 1×1 convolution to the latents.
fn encoder(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig, image: [usize; 3]) -> Stack {
    let mut layers = Sequence::of_images(memory, network, "encoder", image);
    for i in 1..=config.halvings {
        let channels = if i == config.halvings { config.width } else { config.width.div_ceil(2) };
        let [h, w, _] = layers.image();
        layers.conv(channels, halving([h, w]), Activation::Relu);
    }
    layers.conv(config.width, Window::square(3, 1, 1), Activation::Identity);
    (0..config.blocks).for_each(|_| layers.residual(config.residual));
    layers.activate(Activation::Relu);
    layers.conv(config.latent, Window::square(1, 1, 0), Activation::Identity);
    layers.finish()
}

/// The encoder's layers in reverse.
fn decoder(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig, image: [usize; 3]) -> Stack {
    let sizes = halvings(image, config.halvings);
    let [small_h, small_w] = sizes[config.halvings];
    let mut layers = Sequence::of_images(memory, network, "decoder", [small_h, small_w, config.latent]);
    layers.conv(config.width, Window::square(3, 1, 1), Activation::Identity);
    (0..config.blocks).for_each(|_| layers.residual(config.residual));
    layers.activate(Activation::Relu);
    for i in (1..config.halvings).rev() {
        layers.transposed(config.width.div_ceil(2), halving(sizes[i]), sizes[i], Activation::Relu);
    }
    layers.transposed(image[2], halving(sizes[0]), sizes[0], Activation::Identity);
    layers.finish()
}

impl Codebook {
    fn new(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig) -> Self {
        let (k, dim) = (config.codes, config.latent);
        let start = Init::Uniform(1.0 / k as f32);
        if config.ema == 0.0 {
            return Self { codes: network.weights.add(memory, "codebook.weight", [k, dim], start), averages: None };
        }
        let none = Init::Constant(0.0);
        let codes = network.state(memory, "codebook.weight", [k, dim], start);
        let size = network.state(memory, "codebook.size", [k], none);
        let total = network.state(memory, "codebook.total", [k, dim], none);
        Self { codes, averages: Some(Averages { size, total }) }
    }

    /// Moves the codes towards their rows: by running averages, or by the gradient of `weight` · Σ (q − z)². Averages
    /// move the codes at the last micro-batch of a batch.
    fn follow(&self, s: &mut Schedule, micro_batch: MicroBatch, assigned: vq::Assigned, ema: f32, weight: f32) {
        let codes = self.codes;
        match self.averages {
            None => vq::codebook_backward(s, "backward_codebook", assigned, codes, weight, codes.grad()),
            Some(averages) => {
                codebook::ema(s, "codebook.averages", assigned, averages, ema, micro_batch.is_first());
                if micro_batch.is_last() {
                    codebook::smooth(s, "codebook", averages, codes, EPSILON);
                }
            }
        }
    }

    /// Restarts codes that fewer than `threshold` rows use at random rows of z.
    fn restart(&self, s: &mut Schedule, z: Buf, threshold: f32, clock: Buf, seed: u64) {
        let Some(averages) = self.averages.filter(|_| threshold > 0.0) else { return };
        // Twice the threshold, or they would restart again at once.
        let restart = Restart { threshold, weight: 2.0 * threshold };
        codebook::restart(s, "restart", z, averages.size, self.codes, Some(averages), restart, clock, seed);
    }
}

impl Settings for VqVaeConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        if let Some(points) = spec.first().points.map(|points| points.name()) {
            return Err(InvalidSetting::new(
                "data.source",
                format!("is {points}, points without pixels for the convolutions of a vqvae; use a set of images"),
            ));
        }
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(VqVae::new(self.clone(), spec))
    }
}

impl Model for VqVae {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn range(&self) -> Range {
        Range::CENTRED
    }

    fn states(&self) -> Vec<(&'static str, Buf)> {
        vec![
            ("state/clock", self.base.buffers.clock),
            ("state/rates", self.base.buffers.rates),
            ("state/usage", self.usage.train),
        ]
    }

    /// Chooses the initial codes among rows of the first images by k-means++ (Arthur and Vassilvitskii, 2007).
    fn start(&self, training: &Training) -> Option<Schedule> {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Codebook { codes, averages } = self.codebook;
        let buffers = &self.base.buffers;
        let encoded = training.micro_batches(self.first_images(training)).into_iter().map(|micro_batch| {
            let order = buffers.train_order(s, micro_batch, training, buffers.side_clock);
            let x = buffers.train_images(s, order, Range::CENTRED);
            let (z, _) = self.encoded(s, x, Mode::Batch);
            z.reshape([1, z.len()])
        });
        let encoded: Vec<Buf> = encoded.collect();
        let joined = encoded.into_iter().reduce(|z, more| channels::concat(s, "z", z, more)).expect("there are images");
        let z = joined.reshape([joined.len() / self.config.latent, self.config.latent]);
        // A small count lets the codes follow an untrained encoder; it is above the threshold of restarts.
        let averages = averages.map(|averages| (averages, f32::max(1.0, 2.0 * self.config.restart)));
        codebook::plus_plus(s, "codebook", z, codes, averages, self.base.buffers.side_clock, training.seed);
        Some(schedule)
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "vqvae", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let x = self.base.buffers.next_test(s, batch, Range::CENTRED);
        let (z, _) = self.encoded(s, x, Mode::Use);
        let (q, index) = self.quantise(s, z);
        let (output, _) = self.decoded(s, q, Mode::Use);
        let nmse = loss::forward(s, "nmse", output, x, self.error());
        let commitment = vq::loss(s, "commitment", z, q, self.per_code());
        let assigned = vq::assign(s, "assigned", z, index, self.config.codes);
        codebook::count(s, "usage", assigned.counts, self.usage.test);
        record::record(s, "record.nmse", nmse, side_clock, side_ring, 0, 1.0);
        record::record(s, "record.commitment", commitment, side_clock, side_ring, 1, 1.0);
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

    fn quantiser(&self) -> Option<&dyn Quantiser> {
        Some(self)
    }
}

impl Reconstructor for VqVae {
    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::CENTRED);
        let (z, _) = self.encoded(&mut s, x, Mode::Use);
        let (q, _) = self.quantise(&mut s, z);
        let (output, _) = self.decoded(&mut s, q, Mode::Use);
        Pass::new(s, &[x, output])
    }
}

/// The code is the indices of an image's codes.
impl Encoder for VqVae {
    fn encode(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::CENTRED);
        let codes = self.codes_of(&mut s, x);
        Pass::new(s, &[codes])
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.positions(), dtype: Dtype::U32 }
    }

    fn latents(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::CENTRED);
        let (z, _) = self.encoded(&mut s, x, Mode::Use);
        Pass::new(s, &[z])
    }
}

impl Decoder for VqVae {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let index = s.scratch_of([count * self.positions()], Dtype::U32);
        s.feed(index);
        let given = index.reshape([count, self.positions()]);
        let output = self.images_of(&mut s, given);
        Decoding { given, pass: Pass::new(s, &[output]) }
    }

    fn code(&self) -> CodeSpec {
        Encoder::code(self)
    }

    fn decode_latents(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let [h, w] = self.config.small(self.spec().image);
        let z = s.scratch([count, h, w, self.config.latent]);
        s.feed(z);
        let (q, _) = self.quantise(&mut s, z);
        let (output, _) = self.decoded(&mut s, q, Mode::Use);
        Decoding { given: z.reshape([count, Decoder::latent(self)]), pass: Pass::new(s, &[output]) }
    }

    fn latent(&self) -> usize {
        self.positions() * self.config.latent
    }
}

impl Quantiser for VqVae {
    fn usage(&self) -> Usage {
        self.usage
    }

    fn codes_per_image(&self) -> usize {
        self.positions()
    }
}

/// The perplexity of a histogram of codes, and the number of codes that occur.
pub fn perplexity(histogram: Buf) -> Pass {
    let mut s = Schedule::new();
    let (perplexity, used) = codebook::perplexity(&mut s, "perplexity", histogram);
    Pass::new(s, &[perplexity, used])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Optimiser;

    /// With one code per image, sixteen images to each of 8,192 codes are more numbers than a buffer holds.
    #[test]
    fn initial_codes_are_chosen_from_images_that_fit() {
        let spec = SetSpec { train: 200_000, test: 1, image: [32, 32, 3], classes: 1, variance: 0.1, points: None };
        let config = VqVaeConfig { halvings: 5, codes: 8192, ..VqVaeConfig::default() };
        let model = VqVae::new(config.clone(), &spec.into());
        let training = Training::whole(0, true, Optimiser::default(), spec.train);
        let images = model.first_images(&training);
        assert!(images * config.widest(spec.image) <= MAX_NUMBERS && images >= 32, "{images}");
        assert!(model.start(&training).is_some());
    }
}
