//! What every model family offers the command line.

use crate::Optimiser;
use crate::micro_batch::MicroBatch;
use crate::network::Network;
use crate::shared_buffers::{DataSpec, SharedBuffers};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::loss::{Kind, Loss};
use gpu_core::{Buf, Memory, Schedule};
use serde::{Deserialize, Serialize};

/// How training draws and moves: what a training schedule needs besides the model's own settings.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Training {
    /// Seeds everything that is drawn.
    pub seed: u64,
    /// Whether each epoch has an order of its own, or the file's.
    pub shuffle: bool,
    /// How weights move.
    pub optimiser: Optimiser,
    /// Multiplies every learning rate.
    pub rate: f32,
    /// Images on the device while this schedule runs: all of them, or a shard.
    pub resident: usize,
    /// How many of these its steps take before the order starts anew.
    pub taken: usize,
    /// How many images of a batch go through the model at once, the rest after them; zero for all of them.
    pub micro_batch: usize,
}

impl Training {
    /// Every image, in whole epochs and batches.
    pub fn whole(seed: u64, shuffle: bool, optimiser: Optimiser, spec: &DataSpec) -> Self {
        Self { seed, shuffle, optimiser, rate: 1.0, resident: spec.train, taken: spec.train, micro_batch: 0 }
    }

    /// The parts that a batch goes through the model in.
    pub(crate) fn micro_batches(&self, batch: usize) -> Vec<MicroBatch> {
        MicroBatch::of(batch, self.micro_batch)
    }
}

/// p(x | z): what the decoder's outputs mean, and so what the reconstruction term is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Each pixel is Bernoulli; the decoder gives its logit. Greys count as probabilities, as is usual on MNIST.
    Bernoulli,
    /// Each pixel is normal around the decoder's output, with one fixed deviation.
    Gaussian,
}

impl Likelihood {
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

    /// The decoder's output as a picture in [0, 1].
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
    /// From −1 to 1, as tanh gives it.
    pub const TANH: Self = Self { low: -1.0, high: 1.0 };
    /// From −½ to ½.
    pub const CENTRED: Self = Self { low: -0.5, high: 0.5 };

    /// Where a number of an image lies between black, 0, and white, 1.
    pub fn to_unit(self, x: f32) -> f32 {
        (x - self.low) / (self.high - self.low)
    }

    /// The number that stands for a share of white.
    pub fn of_unit(self, share: f32) -> f32 {
        self.low + share * (self.high - self.low)
    }
}

/// A schedule whose outputs are read after it has run.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The calls.
    pub schedule: Schedule,
    /// What to read.
    pub outputs: Vec<Buf>,
}

impl Pass {
    /// A pass that ends with these outputs.
    pub fn new(mut schedule: Schedule, outputs: &[Buf]) -> Self {
        outputs.iter().for_each(|&buf| schedule.keep(buf));
        Self { schedule, outputs: outputs.to_vec() }
    }
}

/// Codes of the caller's as pictures.
#[derive(Clone, Debug)]
pub struct Decoding {
    /// Where the codes go, a row for each picture: numbers of a latent, or words, the numbers of codes.
    pub given: Buf,
    /// The pictures, [count, width].
    pub pass: Pass,
}

/// One of the schedules that make a training step.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What it trains.
    pub name: &'static str,
    /// How often it runs in a step, before the next one does: the parts of a batch, which follow one another under one
    /// name, all together.
    pub times: usize,
    /// Its calls.
    pub schedule: Schedule,
}

impl Phase {
    /// A phase that runs once in a step.
    pub fn once(name: &'static str, schedule: Schedule) -> Self {
        Self { name, times: 1, schedule }
    }
}

/// In what order a step runs its phases, by their numbers.
pub fn in_order<'a>(phases: impl IntoIterator<Item = &'a Phase>) -> Vec<usize> {
    let phases: Vec<&Phase> = phases.into_iter().collect();
    let mut order = Vec::new();
    let mut first = 0;
    for parts in phases.chunk_by(|one, next| one.name == next.name) {
        let all = first..first + parts.len();
        (0..parts[0].times).for_each(|_| order.extend(all.clone()));
        first = all.end;
    }
    order
}

/// What is to become small, measured on the test set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objective {
    /// The sum of all columns, and what it is called.
    Sum(&'static str),
    /// The first column.
    First,
    /// There is no such number: players of a game have none in common.
    None,
}

impl Objective {
    /// Its value, from the columns'.
    pub fn of(self, columns: &[f64]) -> Option<f64> {
        match self {
            Self::Sum(_) => Some(columns.iter().sum()),
            Self::First => columns.first().copied(),
            Self::None => None,
        }
    }
}

/// How often each code was used, `[k]`: of the training set's images since it was last set to zero, and of the test
/// set's.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// In training.
    pub train: Buf,
    /// In evaluation.
    pub test: Buf,
}

/// What every model has.
#[derive(Clone, Debug)]
pub struct Base {
    /// Everything persistent.
    pub memory: Memory,
    /// The shared buffers.
    pub buffers: SharedBuffers,
    /// Names of the columns of the loss rings.
    pub columns: &'static [&'static str],
}

impl Base {
    /// The beginning of a model for such data.
    pub fn new(spec: DataSpec, columns: &'static [&'static str]) -> Self {
        let mut memory = Memory::default();
        let buffers = SharedBuffers::new(&mut memory, spec, columns.len());
        Self { memory, buffers, columns }
    }
}

/// A model family with its settings and sizes fixed.
///
/// Batches are sized when a schedule is written, so the last, partial batch of an epoch is a schedule of its own. What
/// a family does not have, it says by `None`.
pub trait Model {
    /// What it has in common with all.
    fn base(&self) -> &Base;

    /// Everything persistent.
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

    /// Its networks.
    fn networks(&self) -> Vec<&Network>;

    /// What tells a better checkpoint from a worse one.
    fn objective(&self) -> Objective;

    /// Black and white of the images in its passes.
    fn range(&self) -> Range {
        Range::UNIT
    }

    /// The clocks that go through the training set's images. The first counts the steps.
    fn clocks(&self) -> Vec<Buf> {
        vec![self.buffers().clock]
    }

    /// What a checkpoint keeps besides the networks, by name.
    fn states(&self) -> Vec<(&'static str, Buf)> {
        vec![("state/clock", self.buffers().clock), ("state/rates", self.buffers().rates)]
    }

    /// Batches of images that one step takes.
    fn batches(&self) -> usize {
        1
    }

    /// What runs once before the first step, with the side clock at zero.
    fn start(&self, _training: &Training) -> Option<Schedule> {
        None
    }

    /// One training step on batches of `batch` images, phase after phase: its row of the ring holds the batch's means.
    /// A batch that goes through the model in parts is a phase for each.
    fn train(&self, batch: usize, training: &Training) -> Vec<Phase>;

    /// The next `batch` test images: a row of the side ring holds the sums of the columns.
    fn evaluate(&self, batch: usize, seed: u64) -> Schedule;

    /// The next `batch` test images and their reconstructions, both [batch, width].
    fn reconstruct(&self, _batch: usize) -> Option<Pass> {
        None
    }

    /// `count` pictures [count, width], drawn from the prior with the latents of the side clock's step under `seed`.
    fn sample(&self, _count: usize, _seed: u64) -> Option<Pass> {
        None
    }

    /// The next `batch` test images' posteriors, mean | log variance: [batch, 2 · latent].
    fn posterior(&self, _batch: usize) -> Option<Pass> {
        None
    }

    /// The next `batch` test images' codes: posteriors as [`Model::posterior`] gives them, latents [batch, latent], or
    /// words [batch, codes of an image].
    fn encode(&self, batch: usize) -> Option<Pass> {
        self.posterior(batch)
    }

    /// `count` codes that the host gives, as pictures; of a model that is told classes, of those asked for.
    fn decode(&self, _count: usize) -> Option<Decoding> {
        None
    }

    /// The importance-weighted bound on the next `batch` test images with `samples` draws for each: a row of the
    /// side ring holds the sum of logsumexp of the log weights, from which log `samples` is yet to be taken.
    fn importance(&self, _batch: usize, _samples: usize, _seed: u64) -> Option<Schedule> {
        None
    }

    /// What a discriminator says of the next `batch` test images and of as many generated ones, each `[batch]`: those
    /// above [`Model::real_above`] it takes for real.
    fn scores(&self, _batch: usize, _seed: u64) -> Option<Pass> {
        None
    }

    /// Where a discriminator's score says real; `None` where scores are only compared with each other.
    fn real_above(&self) -> Option<f64> {
        None
    }

    /// Codes that stand for one image.
    fn codes_per_image(&self) -> Option<usize> {
        None
    }

    /// How often its codes were used.
    fn usage(&self) -> Option<Usage> {
        None
    }
}
