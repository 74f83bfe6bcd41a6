//! The vector-quantised autoencoder: each position of the encoder's output becomes the nearest of K codes.
//!
//! van den Oord, Vinyals and Kavukcuoglu, *Neural discrete representation learning*, 2017. The loss of an image is its
//! mean squared error over the variance of the data's pixels, plus β times the mean of (z − q)², which commits the
//! encoder to its codes. The gradient of q goes straight through to z. The codebook follows the encoder by averages
//! (appendix A.1) or by the gradient of the mean of (q − z)².
//!
//! With finite scalar quantisation (Mentzer et al., 2023), codes are the combinations of a few levels of each number:
//! there is no codebook to learn, and the error is the whole loss.

mod codebook;
mod codec;
mod codes;
mod config;

pub use config::{QuantiserKind, VqVaeConfig};

use crate::capabilities::{CodeSpec, Decoder, Decoding, Encoder, Quantiser, Reconstructor, Usage};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Sequence, Stack, Value, Wrt, halving, halvings};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Parts, Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::validate::InvalidSetting;
use codebook::Rule;
use codes::Codes;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::codebook::{count, perplexity as perplexity_of};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::{channels, record, vq};
use gpu_core::{Buf, Dtype, Memory, Schedule};

/// Numbers of one layer while the initial codes are chosen, at most: 256 MiB.
const MAX_NUMBERS: usize = 1 << 26;
/// Rows that the initial codes are chosen from, at most.
const MAX_ROWS: usize = 1 << 20;

/// A vector-quantised autoencoder.
#[derive(Clone, Debug)]
pub struct VqVae {
    config: VqVaeConfig,
    base: Base,
    usage: Usage,
    /// The use of each code in a micro-batch after the first of its batch.
    micro_usage: Buf,
    network: Network,
    encoder: Stack,
    decoder: Stack,
    codes: Codes,
}

const COLUMNS: &[&str] = &["nmse", "commitment"];
/// Without a codebook, there is nothing to commit to.
const COLUMNS_OF_LEVELS: &[&str] = &["nmse"];

impl VqVae {
    /// The model for the first set of such data. PyTorch's names: `encoder` and `decoder` are each an `nn.Sequential`,
    /// as are residual blocks, which add their input; `codebook.weight` is the codebook, if there is one, with
    /// `codebook.size` and `codebook.total` for running averages.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: VqVaeConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let columns = if config.quantiser == QuantiserKind::Codebook { COLUMNS } else { COLUMNS_OF_LEVELS };
        Self::within(config, Base::new(spec, columns))
    }

    /// The model on the memory of another, which encodes and decodes with it as it is; [`Model::base`] has the memory
    /// with its buffers.
    pub(crate) fn within(config: VqVaeConfig, mut base: Base) -> Self {
        let spec = base.buffers.first().spec;
        let memory = &mut base.memory;
        let usage = Usage {
            train: memory.add("usage", [config.codes()], Dtype::F32),
            test: memory.add("test_usage", [config.codes()], Dtype::F32),
        };
        let micro_usage = memory.add("micro_usage", [config.codes()], Dtype::F32);
        let mut network = Network::new(memory, "vqvae");
        let encoder = encoder(memory, &mut network, &config, spec.image);
        let decoder = decoder(memory, &mut network, &config, spec.image);
        let codes = Codes::new(memory, &mut network, &config);
        Self { config, base, usage, micro_usage, network, encoder, decoder, codes }
    }

    /// z [n, h, w, length of a code] of x [n, width].
    fn encoded(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let images = x.reshape(self.spec().images(x.shape.rows()));
        let (z, saved) = self.encoder.forward(s, Value::plain(images), mode);
        (z.buf, saved)
    }

    /// Latents of the next `batch` test images, before quantisation: [batch, h, w, length of a code].
    fn test_latents(&self, s: &mut Schedule, batch: usize) -> (Buf, Buf) {
        let x = self.base.buffers.next_test(s, batch, Range::CENTRED);
        let (z, _) = self.encoded(s, x, Mode::Use);
        (x, self.codes.latents(s, z))
    }

    /// Images [n, width] of codes [n, h, w, length of a code].
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
        1.0 / (self.positions() * self.config.length()) as f32
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let (mean, per_code) = (micro_batch.share(), self.per_code());
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::CENTRED);

        let (z, encoder) = self.encoded(s, x, Mode::Train);
        let latents = self.codes.latents(s, z);
        let (q, index) = self.codes.quantise(s, latents);
        let (output, decoder) = self.decoded(s, q, Mode::Train);
        let (nmse, doutput) = loss::with_gradient(s, "nmse", output, x, self.error(), mean);

        // Straight through: the gradient of q is taken for that of the latents.
        let dlatents = self.decoder.backward(s, &decoder, doutput, Wrt::Both).expect("the codes need a gradient");
        let dlatents = dlatents.reshape(z.shape);
        let commitment = self.codes.commit(s, z, q, per_code, self.config.commitment * mean * per_code, dlatents);
        let dz = self.codes.latents_backward(s, z, dlatents);
        self.encoder.backward(s, &encoder, dz, Wrt::Params);

        match &self.codes {
            Codes::Codebook(codebook) => {
                let assigned = vq::assign(s, "assigned", z, index, self.config.codes);
                count(s, "usage", assigned.counts, self.usage.train);
                codebook.follow(s, micro_batch, assigned, z, mean * per_code, self.rule(training));
            }
            Codes::Levels(levels) => {
                let counts = vq::counts(s, "assigned", index, levels.codes());
                count(s, "usage", counts, self.usage.train);
            }
        }
        micro_batch.record(s, "nmse", nmse, clock, ring, 0);
        if let Some(commitment) = commitment {
            micro_batch.record(s, "commitment", commitment, clock, ring, 1);
        }
    }

    /// The rule by which the codes follow the encoder.
    fn rule(&self, training: &Training) -> Rule {
        let VqVaeConfig { ema, restart, .. } = self.config;
        Rule { ema, restart, clock: self.base.buffers.clock, seed: training.seed }
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
    layers.conv(config.length(), Window::square(1, 1, 0), Activation::Identity);
    layers.finish()
}

/// The encoder's layers in reverse.
fn decoder(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig, image: [usize; 3]) -> Stack {
    let sizes = halvings(image, config.halvings);
    let [small_h, small_w] = sizes[config.halvings];
    let mut layers = Sequence::of_images(memory, network, "decoder", [small_h, small_w, config.length()]);
    layers.conv(config.width, Window::square(3, 1, 1), Activation::Identity);
    (0..config.blocks).for_each(|_| layers.residual(config.residual));
    layers.activate(Activation::Relu);
    for i in (1..config.halvings).rev() {
        layers.transposed(config.width.div_ceil(2), halving(sizes[i]), sizes[i], Activation::Relu);
    }
    layers.transposed(image[2], halving(sizes[0]), sizes[0], Activation::Identity);
    layers.finish()
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

    /// Chooses the initial codes of a codebook among rows of the first images.
    fn start(&self, training: &Training) -> Option<Schedule> {
        let Codes::Codebook(codebook) = &self.codes else { return None };
        let mut schedule = Schedule::new();
        let s = &mut schedule;
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
        codebook.start(s, z, self.config.restart, buffers.side_clock, training.seed);
        Some(schedule)
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "vqvae", times: 1, network: &self.network, clock, rates };
        let mut sums = vec![(self.usage.train, self.micro_usage)];
        if let Codes::Codebook(codebook) = &self.codes {
            sums.extend(codebook.sums());
        }
        let first = training.micro_batches(batch)[0];
        let finish = |s: &mut Schedule| {
            if let Codes::Codebook(codebook) = &self.codes {
                codebook.finish(s, first.rows * self.positions(), self.rule(training));
            }
        };
        let backward = |s: &mut Schedule, micro_batch| self.backward(s, micro_batch, training);
        let parts = Parts { backward: &backward, sums: &sums, finish: &finish, carried: &[] };
        round.phases_of(&self.base.memory, batch, training, &parts)
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let (x, latents) = self.test_latents(s, batch);
        let (q, index) = self.codes.quantise(s, latents);
        let (output, _) = self.decoded(s, q, Mode::Use);
        let nmse = loss::forward(s, "nmse", output, x, self.error());
        let counts = vq::counts(s, "assigned", index, self.config.codes());
        count(s, "usage", counts, self.usage.test);
        record::record(s, "record.nmse", nmse, side_clock, side_ring, 0, 1.0);
        if matches!(self.codes, Codes::Codebook(_)) {
            let commitment = vq::loss(s, "commitment", latents, q, self.per_code());
            record::record(s, "record.commitment", commitment, side_clock, side_ring, 1, 1.0);
        }
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
        let (x, latents) = self.test_latents(&mut s, batch);
        let (q, _) = self.codes.quantise(&mut s, latents);
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
        let (_, latents) = self.test_latents(&mut s, batch);
        Pass::new(s, &[latents])
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
        let latents = s.scratch([count, h, w, self.config.length()]);
        s.feed(latents);
        let (q, _) = self.codes.quantise(&mut s, latents);
        let (output, _) = self.decoded(&mut s, q, Mode::Use);
        Decoding { given: latents.reshape([count, Decoder::latent(self)]), pass: Pass::new(s, &[output]) }
    }

    fn latent(&self) -> usize {
        self.positions() * self.config.length()
    }
}

impl Quantiser for VqVae {
    fn codes(&self) -> usize {
        self.config.codes()
    }

    fn usage(&self) -> Usage {
        self.usage
    }

    fn codes_per_image(&self) -> usize {
        self.positions()
    }

    fn decoded_by(&self) -> &'static str {
        match self.codes {
            Codes::Codebook(_) => "codebook.weight",
            Codes::Levels(_) => "decoder.0.weight",
        }
    }
}

/// The perplexity of a histogram of codes, and the number of codes that occur.
pub fn perplexity(histogram: Buf) -> Pass {
    let mut s = Schedule::new();
    let (perplexity, used) = perplexity_of(&mut s, "perplexity", histogram);
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
