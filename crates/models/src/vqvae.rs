//! The vector-quantised autoencoder: every pixel of the encoder's small image is the nearest of K codes.
//!
//! van den Oord, Vinyals and Kavukcuoglu, *Neural discrete representation learning*, 2017. The loss of an image is its
//! mean squared error over the variance of the data's pixels, plus β times the mean of (z − q)², which commits the
//! encoder to its codes. The gradient of q goes straight through to z. The codebook follows the encoder by averages
//! (appendix A.1) or by the gradient of the mean of (q − z)².

use crate::layers::{Mode, Saved, Sequence, Stack, Value, Wrt, halving, halvings};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Decoding, Model, Objective, Pass, Phase, Range, Training, Usage};
use crate::network::Network;
use crate::shared_buffers::{DataSpec, SharedBuffers};
use crate::validate::{
    count_fault, decay_fault, halvings_fault, load_fault, most_fault, not_negative_fault, positive_fault,
};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::codebook::{self, Averages, Restart};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::{channels, record, vq};
use gpu_core::{Buf, Dtype, Init, Memory, Schedule};
use serde::{Deserialize, Serialize};

/// Settings of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VqVaeConfig {
    /// Times that the encoder halves the image.
    pub halvings: usize,
    /// Channels of the encoder's and the decoder's small images; the larger ones have half of them.
    pub width: usize,
    /// Channels between the two convolutions of a residual block.
    pub residual: usize,
    /// Residual blocks on either side.
    pub blocks: usize,
    /// Numbers in a code.
    pub latent: usize,
    /// Codes.
    pub codes: usize,
    /// Weight of the commitment, β.
    pub commitment: f32,
    /// Decay of the averages that make the codebook; zero for a codebook that follows its gradient.
    pub ema: f32,
    /// A code that fewer rows than this have had, by the averages, is put back at a random row; zero for never.
    pub restart: f32,
}

impl Default for VqVaeConfig {
    fn default() -> Self {
        Self {
            halvings: 2,
            width: 128,
            residual: 32,
            blocks: 2,
            latent: 64,
            codes: 512,
            commitment: 0.25,
            ema: 0.99,
            restart: 0.0,
        }
    }
}

/// The most codes: choosing the first ones takes a few calls for each.
const MAX_CODES: usize = 8192;
/// The most residual blocks.
const MAX_BLOCKS: usize = 256;
/// The most numbers of one layer while they are chosen: 256 MiB.
const MAX_NUMBERS: usize = 1 << 26;
/// The most rows that they are chosen from.
const MAX_ROWS: usize = 1 << 20;
/// Smooths the counts of codes, so that none is divided by zero.
const EPSILON: f32 = 1e-5;

impl VqVaeConfig {
    /// What is wrong with the settings for such images in batches of `batch`, if anything: one sentence.
    pub fn fault(&self, spec: &DataSpec, batch: usize) -> Option<String> {
        let counts =
            [("width", self.width), ("residual", self.residual), ("latent", self.latent), ("codes", self.codes)];
        let restart = || {
            (self.restart > 0.0 && self.ema == 0.0).then(|| {
                "restart needs the averages to tell which codes are dead; set vqvae.ema = 0.99 or vqvae.restart = 0"
                    .to_string()
            })
        };
        counts
            .into_iter()
            .find_map(|(name, n)| count_fault(name, n))
            .or_else(|| count_fault("halvings", self.halvings))
            .or_else(|| halvings_fault(spec.image, self.halvings, false))
            .or_else(|| most_fault("codes", self.codes, MAX_CODES))
            .or_else(|| most_fault("blocks", self.blocks, MAX_BLOCKS))
            .or_else(|| not_negative_fault("commitment", self.commitment))
            .or_else(|| decay_fault("ema", self.ema))
            .or_else(|| not_negative_fault("restart", self.restart))
            .or_else(restart)
            .or_else(|| positive_fault("the variance of the training images", spec.variance))
            .or_else(|| self.size_fault(spec, batch))
    }

    fn size_fault(&self, spec: &DataSpec, batch: usize) -> Option<String> {
        let weights =
            self.width * (16 * self.width * self.halvings + 18 * self.width + 10 * self.residual * self.blocks);
        let widest = self.widest(spec.image);
        load_fault("width, residual, blocks and codes", &[widest], 2 * weights + self.codes * self.latent, batch)
    }

    /// The most numbers that an image becomes: in the first layer, in a small one, or as distances from all codes.
    fn widest(&self, image: [usize; 3]) -> usize {
        let [h, w, c] = image;
        let small: usize = self.small(image).iter().product();
        (h * w * self.width / 2).max(h * w * c).max(small * self.width.max(self.codes))
    }

    /// Height and width of the image of codes.
    fn small(&self, image: [usize; 3]) -> [usize; 2] {
        halvings(image, self.halvings)[self.halvings]
    }
}

/// The codebook, [codes, latent], and what moves it.
#[derive(Clone, Copy, Debug)]
struct Codebook {
    codes: Buf,
    /// Where it follows averages.
    averages: Option<Averages>,
}

/// The model.
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
    /// The model for such data. PyTorch's names: `encoder` and `decoder` are each an `nn.Sequential`, a residual block
    /// being one that adds its input; `codebook.weight` is the codebook, beside `codebook.size` and `codebook.total`
    /// where it follows averages.
    ///
    /// # Panics
    /// When [`VqVaeConfig::fault`] has something to say.
    pub fn new(config: VqVaeConfig, spec: DataSpec) -> Self {
        assert_eq!(config.fault(&spec, 1), None);
        let mut base = Base::new(spec, COLUMNS);
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
        let images = x.reshape(self.base.buffers.spec().images(x.shape.rows()));
        let (z, saved) = self.encoder.forward(s, Value::plain(images), mode);
        (z.buf, saved)
    }

    /// The nearest codes, and their numbers `u32 [n · h · w]`.
    fn quantise(&self, s: &mut Schedule, z: Buf) -> (Buf, Buf) {
        let index = vq::nearest(s, "nearest", z, self.codebook.codes);
        (vq::lookup(s, "q", index, self.codebook.codes, z.shape), index)
    }

    /// Images [n, width] of codes [n, h, w, latent].
    fn decoded(&self, s: &mut Schedule, q: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let (output, saved) = self.decoder.forward(s, Value::plain(q), mode);
        (output.buf.reshape([q.shape.dims()[0] as usize, self.base.buffers.spec().width()]), saved)
    }

    /// The mean squared error of each image, over the variance of the data.
    fn error(&self) -> Loss {
        let spec = self.base.buffers.spec();
        Loss { kind: Kind::Squared, scale: 1.0 / (spec.width() as f32 * spec.variance), offset: 0.0 }
    }

    /// Codes that an image becomes.
    fn positions(&self) -> usize {
        self.config.small(self.base.buffers.spec().image).iter().product()
    }

    /// One over the numbers in an image of codes.
    fn per_code(&self) -> f32 {
        1.0 / (self.positions() * self.config.latent) as f32
    }

    /// The step on a part of its batch.
    fn train_micro_batch(&self, micro_batch: MicroBatch, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { clock, rates, ring, .. } = self.base.buffers;
        let (mean, per_code) = (micro_batch.share(), self.per_code());
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::CENTRED);

        let (z, encoder) = self.encoded(s, x, Mode::Train);
        let (q, index) = self.quantise(s, z);
        let (output, decoder) = self.decoded(s, q, Mode::Train);
        let (nmse, doutput) = loss::with_gradient(s, "nmse", output, x, self.error(), mean);

        // Straight through: what q should have been moved by, z is moved by.
        let dz = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the codes want a gradient");
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
        training.optimiser.end(s, micro_batch, &self.base.memory, &self.network.weights, rates);
        Phase::once("vqvae", schedule)
    }

    /// Images whose codes the first codebook is chosen from: sixty-fours, until there are sixteen rows to a code, but
    /// no more than fit.
    fn first_images(&self, training: &Training) -> usize {
        let enough = (16 * self.config.codes).div_ceil(self.positions()).next_multiple_of(64);
        let fit = MAX_NUMBERS / self.config.widest(self.base.buffers.spec().image);
        enough.min(fit).min(MAX_ROWS / self.positions()).min(training.resident).max(1)
    }
}

/// Convolutions that halve the image, one that does not, residual blocks, and one pixel by pixel to a code.
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

/// The way back.
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

    /// Towards the rows that have each code: by averages, or by the gradient of `weight` · Σ (q − z)². The codes stay
    /// until the last part of a batch has been seen.
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

    /// Codes that fewer than `threshold` rows have had of late become rows of z.
    fn restart(&self, s: &mut Schedule, z: Buf, threshold: f32, clock: Buf, seed: u64) {
        let Some(averages) = self.averages.filter(|_| threshold > 0.0) else { return };
        // Twice the threshold, or they would be dead again at once.
        let restart = Restart { threshold, weight: 2.0 * threshold };
        codebook::restart(s, "restart", z, averages.size, self.codes, Some(averages), restart, clock, seed);
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

    /// The codes become rows of the first images, spread out by k-means++ (Arthur and Vassilvitskii, 2007).
    fn start(&self, training: &Training) -> Option<Schedule> {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let Codebook { codes, averages } = self.codebook;
        let buffers = &self.base.buffers;
        let parts = training.micro_batches(self.first_images(training)).into_iter().map(|micro_batch| {
            let order = buffers.train_order(s, micro_batch, training, buffers.side_clock);
            let x = buffers.train_images(s, order, Range::CENTRED);
            let (z, _) = self.encoded(s, x, Mode::Batch);
            z.reshape([1, z.len()])
        });
        let parts: Vec<Buf> = parts.collect();
        let joined = parts
            .into_iter()
            .reduce(|z, micro_batch| channels::concat(s, "z", z, micro_batch))
            .expect("there are images");
        let z = joined.reshape([joined.len() / self.config.latent, self.config.latent]);
        // Few rows, so that codes follow an encoder that has yet to learn, but more than dead codes have.
        let averages = averages.map(|averages| (averages, f32::max(1.0, 2.0 * self.config.restart)));
        codebook::plus_plus(s, "codebook", z, codes, averages, self.base.buffers.side_clock, training.seed);
        Some(schedule)
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

    fn reconstruct(&self, batch: usize) -> Option<Pass> {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::CENTRED);
        let (z, _) = self.encoded(&mut s, x, Mode::Use);
        let (q, _) = self.quantise(&mut s, z);
        let (output, _) = self.decoded(&mut s, q, Mode::Use);
        Some(Pass::new(s, &[x, output]))
    }

    fn encode(&self, batch: usize) -> Option<Pass> {
        let mut s = Schedule::new();
        let x = self.base.buffers.next_test(&mut s, batch, Range::CENTRED);
        let (z, _) = self.encoded(&mut s, x, Mode::Use);
        let (_, index) = self.quantise(&mut s, z);
        Some(Pass::new(s, &[index.reshape([batch, self.positions()])]))
    }

    fn decode(&self, count: usize) -> Option<Decoding> {
        let mut s = Schedule::new();
        let index = s.scratch_of([count * self.positions()], Dtype::U32);
        s.feed(index);
        let [h, w] = self.config.small(self.base.buffers.spec().image);
        let q = vq::lookup(&mut s, "q", index, self.codebook.codes, [count, h, w, self.config.latent]);
        let (output, _) = self.decoded(&mut s, q, Mode::Use);
        Some(Decoding { given: index.reshape([count, self.positions()]), pass: Pass::new(s, &[output]) })
    }

    fn codes_per_image(&self) -> Option<usize> {
        Some(self.positions())
    }

    fn usage(&self) -> Option<Usage> {
        Some(self.usage)
    }
}

/// The perplexity of a histogram of codes, and how many of them it has.
pub fn perplexity(histogram: Buf) -> Pass {
    let mut s = Schedule::new();
    let (perplexity, used) = codebook::perplexity(&mut s, "perplexity", histogram);
    Pass::new(s, &[perplexity, used])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Optimiser;

    /// Sixteen images to each of 8,192 codes, where an image is one code, would be more numbers than a buffer holds.
    #[test]
    fn the_first_codes_are_chosen_from_what_fits() {
        let spec = DataSpec { train: 200_000, test: 1, image: [32, 32, 3], classes: 1, variance: 0.1 };
        let config = VqVaeConfig { halvings: 5, codes: 8192, ..VqVaeConfig::default() };
        let model = VqVae::new(config.clone(), spec);
        let training = Training::whole(0, true, Optimiser::default(), &spec);
        let images = model.first_images(&training);
        assert!(images * config.widest(spec.image) <= MAX_NUMBERS && images >= 32, "{images}");
        assert!(model.start(&training).is_some());
    }
}
