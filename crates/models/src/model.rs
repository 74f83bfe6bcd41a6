//! The interface of every model family.

use crate::Optimiser;
use crate::capabilities::{Decoder, Discriminator, Encoder, Posterior, Quantiser, Reconstructor, Sampler};
use crate::micro_batch::MicroBatch;
use crate::network::Network;
use crate::phase::Phase;
use crate::shared_buffers::{DataSpec, SharedBuffers};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::loss::{Kind, Loss};
use gpu_core::{Buf, Memory, Schedule};
use serde::{Deserialize, Serialize};

/// The settings of a training schedule that are not the model's own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Training {
    /// Random seed.
    pub seed: u64,
    /// Draws a new order of the images in each epoch; otherwise they keep the order of the data.
    pub shuffle: bool,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// Multiplies every learning rate.
    pub rate: f32,
    /// Training images on the device: all, or those of a shard.
    pub resident: usize,
    /// Images that the steps take before a new order begins.
    pub taken: usize,
    /// Images that go through the model at once; zero for the whole batch.
    pub micro_batch: usize,
}

impl Training {
    /// Training on `images` images, all of them on the device, in whole batches.
    pub fn whole(seed: u64, shuffle: bool, optimiser: Optimiser, images: usize) -> Self {
        Self { seed, shuffle, optimiser, rate: 1.0, resident: images, taken: images, micro_batch: 0 }
    }

    /// The micro-batches of a batch.
    pub(crate) fn micro_batches(&self, batch: usize) -> Vec<MicroBatch> {
        MicroBatch::of(batch, self.micro_batch)
    }
}

/// The likelihood p(x | z), which fixes the reconstruction loss and the meaning of the decoder's output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Bernoulli pixels; the decoder gives logits. Grey levels count as probabilities, as is usual on MNIST.
    Bernoulli,
    /// Normal pixels with one fixed standard deviation; the decoder gives means.
    Gaussian,
}

impl Likelihood {
    /// All likelihoods.
    pub const ALL: [Self; 2] = [Self::Bernoulli, Self::Gaussian];

    /// −log p(x | z) summed over `width` pixels, in nats, as a loss on the decoder's output.
    pub fn loss(self, sigma: f32, width: usize) -> Loss {
        match self {
            Self::Bernoulli => Loss { kind: Kind::Bernoulli, scale: 1.0, offset: 0.0 },
            // ½ ((x − μ)/σ)² and, for every pixel, ½ log 2πσ².
            Self::Gaussian => Loss {
                kind: Kind::Squared,
                scale: 0.5 / (sigma * sigma),
                offset: 0.5 * width as f32 * (std::f32::consts::TAU * sigma * sigma).ln(),
            },
        }
    }

    /// The decoder's output as images with pixels in [0, 1].
    pub fn picture(self, s: &mut Schedule, output: Buf) -> Buf {
        match self {
            Self::Bernoulli => activation::forward(s, "picture", output, Activation::Sigmoid),
            Self::Gaussian => output,
        }
    }
}

/// The numbers that are black and white in a model's images.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    /// Black.
    pub low: f32,
    /// White.
    pub high: f32,
}

impl Range {
    /// From 0 to 1.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };
    /// From −1 to 1, the range of tanh.
    pub const TANH: Self = Self { low: -1.0, high: 1.0 };
    /// From −½ to ½.
    pub const CENTRED: Self = Self { low: -0.5, high: 0.5 };

    /// A number of an image on the scale from black, 0, to white, 1.
    pub fn to_unit(self, x: f32) -> f32 {
        (x - self.low) / (self.high - self.low)
    }

    /// The inverse of [`Range::to_unit`].
    pub fn of_unit(self, share: f32) -> f32 {
        self.low + share * (self.high - self.low)
    }
}

/// A schedule and its outputs.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The calls.
    pub schedule: Schedule,
    /// The buffers to read after the schedule has run.
    pub outputs: Vec<Buf>,
}

impl Pass {
    /// A pass that ends with these outputs.
    pub fn new(mut schedule: Schedule, outputs: &[Buf]) -> Self {
        outputs.iter().for_each(|&buf| schedule.keep(buf));
        Self { schedule, outputs: outputs.to_vec() }
    }
}

/// The loss that a model minimises, measured on the test set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objective {
    /// The sum of all columns, and its name.
    Sum(&'static str),
    /// The first column.
    First,
    /// No single loss: the networks of a GAN minimise different ones.
    None,
}

impl Objective {
    /// Its value, from the columns.
    pub fn of(self, columns: &[f64]) -> Option<f64> {
        match self {
            Self::Sum(_) => Some(columns.iter().sum()),
            Self::First => columns.first().copied(),
            Self::None => None,
        }
    }
}

/// The parts that all models have.
#[derive(Clone, Debug)]
pub struct Base {
    /// The persistent buffers.
    pub memory: Memory,
    /// The shared buffers.
    pub buffers: SharedBuffers,
    /// Names of the columns of the loss rings.
    pub columns: &'static [&'static str],
}

impl Base {
    /// The parts of a model for such data.
    pub fn new(spec: &DataSpec, columns: &'static [&'static str]) -> Self {
        let mut memory = Memory::default();
        let buffers = SharedBuffers::new(&mut memory, spec, columns.len());
        Self { memory, buffers, columns }
    }
}

/// A model with its settings and sizes fixed.
///
/// Batches are sized when a schedule is built, so the last, smaller batch of an epoch has a schedule of its own. A
/// capability that the family lacks is `None`.
pub trait Model {
    /// The parts that all models have.
    fn base(&self) -> &Base;

    /// The persistent buffers.
    fn memory(&self) -> &Memory {
        &self.base().memory
    }

    /// The shared buffers.
    fn buffers(&self) -> &SharedBuffers {
        &self.base().buffers
    }

    /// Names of the columns of the loss rings.
    fn columns(&self) -> &'static [&'static str] {
        self.base().columns
    }

    /// The networks.
    fn networks(&self) -> Vec<&Network>;

    /// The loss that selects the best checkpoint.
    fn objective(&self) -> Objective;

    /// Black and white in the images of all passes.
    fn range(&self) -> Range {
        Range::UNIT
    }

    /// The clocks that go through the training images; the first counts the steps.
    fn clocks(&self) -> Vec<Buf> {
        vec![self.buffers().clock]
    }

    /// Tensors of a checkpoint that belong to no network, by name.
    fn states(&self) -> Vec<(&'static str, Buf)> {
        vec![("state/clock", self.buffers().clock), ("state/rates", self.buffers().rates)]
    }

    /// Batches of training images that one step takes.
    fn batches(&self) -> usize {
        1
    }

    /// The schedule that runs once before the first step, with the side clock at zero.
    fn start(&self, _training: &Training) -> Option<Schedule> {
        None
    }

    /// One training step on batches of `batch` images, as phases in order ([`in_order`](crate::in_order)). Its row of
    /// the ring holds the means over the batch.
    fn train(&self, batch: usize, training: &Training) -> Vec<Phase>;

    /// The losses of the next `batch` test images: a row of the side ring holds the sums of the columns.
    fn evaluate(&self, batch: usize, seed: u64) -> Schedule;

    /// Sampling from a prior.
    fn sampler(&self) -> Option<&dyn Sampler> {
        None
    }

    /// Reconstruction of images.
    fn reconstructor(&self) -> Option<&dyn Reconstructor> {
        None
    }

    /// Encoding of images.
    fn encoder(&self) -> Option<&dyn Encoder> {
        None
    }

    /// Decoding of codes.
    fn decoder(&self) -> Option<&dyn Decoder> {
        None
    }

    /// Inference of posteriors.
    fn posterior(&self) -> Option<&dyn Posterior> {
        None
    }

    /// Scoring of images.
    fn discriminator(&self) -> Option<&dyn Discriminator> {
        None
    }

    /// Quantisation with a codebook.
    fn quantiser(&self) -> Option<&dyn Quantiser> {
        None
    }
}
