//! What every model family offers the command line, and the buffers they share.

use crate::Optimiser;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::loss::{Kind, Loss};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{gather::gather, permute::permute};
use gpu_core::{Buf, Dtype, Memory, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// Rows of a loss ring: how many steps may pass before the host has looked.
pub const RING_ROWS: usize = 256;
/// Columns of the evaluation ring.
pub const EVAL_COLUMNS: usize = 2;

/// The size of the data that a model is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataSpec {
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Numbers in an image.
    pub width: usize,
}

/// How training draws and moves: what a training schedule needs besides the model's own settings.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Training {
    /// Seeds everything that is drawn.
    pub seed: u64,
    /// Whether each epoch has an order of its own, or the file's.
    pub shuffle: bool,
    /// How weights move.
    pub optimiser: Optimiser,
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

/// The persistent buffers every model shares.
#[derive(Clone, Copy, Debug)]
pub struct Pins {
    /// Training images as bytes, four to a word.
    pub train: Buf,
    /// Test images likewise.
    pub test: Buf,
    /// Step, epoch, start and next of training: see docs/numerics.md.
    pub clock: Buf,
    /// Learning rate, bias corrections and KL weight of the current step.
    pub rates: Buf,
    /// One row per step: batch means of the losses.
    pub ring: Buf,
    /// The clock of evaluation and of drawing, which the host sets.
    pub side_clock: Buf,
    /// Rates that evaluation's tick may write to.
    pub side_rates: Buf,
    /// One row per evaluated batch: sums of the losses.
    pub side_ring: Buf,
    spec: DataSpec,
}

impl Pins {
    /// Pins them, the loss ring with `columns` columns.
    pub fn new(memory: &mut Memory, spec: DataSpec, columns: usize) -> Self {
        let words = |images: usize| (images * spec.width).div_ceil(4);
        Self {
            train: memory.pin("train", [words(spec.train)], Dtype::U32),
            test: memory.pin("test", [words(spec.test)], Dtype::U32),
            clock: memory.pin("clock", [4], Dtype::U32),
            rates: memory.pin("rates", [4], Dtype::F32),
            ring: memory.pin("ring", [RING_ROWS, columns], Dtype::F32),
            side_clock: memory.pin("side_clock", [4], Dtype::U32),
            side_rates: memory.pin("side_rates", [4], Dtype::F32),
            side_ring: memory.pin("side_ring", [RING_ROWS, EVAL_COLUMNS], Dtype::F32),
            spec,
        }
    }

    /// Advances the training clock by one batch and gathers its images: x [batch, width] in [0, 1]. The weight of
    /// the KL term rises to `kl_weight` over the first `warmup` steps.
    pub fn train_batch(
        &self,
        s: &mut Schedule,
        batch: usize,
        training: &Training,
        kl_weight: f32,
        warmup: usize,
    ) -> Buf {
        let optimiser = &training.optimiser;
        let step = Tick {
            batch,
            count: self.spec.train,
            lr: optimiser.lr,
            beta1: optimiser.beta1,
            beta2: optimiser.beta2,
            kl_weight,
            warmup,
        };
        tick(s, "tick", self.clock, self.rates, step);
        let order = permute(s, "order", batch, self.clock, self.spec.train, training.seed, training.shuffle);
        gather(s, "x", self.train, order, self.spec.width, 1.0 / 255.0, 0.0)
    }

    /// Advances the side clock by one batch and gathers test images in file order: x [batch, width] in [0, 1].
    pub fn test_batch(&self, s: &mut Schedule, batch: usize) -> Buf {
        let step = Tick { batch, count: self.spec.test, lr: 0.0, beta1: 0.0, beta2: 0.0, kl_weight: 0.0, warmup: 0 };
        tick(s, "tick", self.side_clock, self.side_rates, step);
        let order = permute(s, "order", batch, self.side_clock, self.spec.test, 0, false);
        gather(s, "x", self.test, order, self.spec.width, 1.0 / 255.0, 0.0)
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

/// A model family with its settings and sizes fixed.
///
/// Batches are sized when a schedule is written, so the last, partial batch of an epoch is a schedule of its own.
pub trait Model {
    /// Everything persistent.
    fn memory(&self) -> &Memory;

    /// The shared buffers.
    fn pins(&self) -> &Pins;

    /// Its networks.
    fn networks(&self) -> Vec<&Weights>;

    /// Names of the loss ring's columns, all in nats per image.
    fn columns(&self) -> &'static [&'static str];

    /// One training step on `batch` images: its row of the ring holds the batch's means.
    fn train(&self, batch: usize, training: &Training) -> Schedule;

    /// The next `batch` test images: a row of the side ring holds the sums of the columns.
    fn evaluate(&self, batch: usize, seed: u64) -> Schedule;

    /// The next `batch` test images and their reconstructions, both [batch, width] in [0, 1].
    fn reconstruct(&self, batch: usize) -> Pass;

    /// `count` pictures [count, width] in [0, 1], drawn from the prior with the latents of the side clock's
    /// step under `seed`; `None` where the family has no prior.
    fn sample(&self, count: usize, seed: u64) -> Option<Pass>;

    /// The next `batch` test images' posteriors, mean | log variance: [batch, 2 · latent]; `None` where
    /// codes are not distributions.
    fn posterior(&self, batch: usize) -> Option<Pass>;

    /// The importance-weighted bound on the next `batch` test images with `samples` draws for each: a row of the
    /// side ring holds the sum of logsumexp of the log weights, from which log `samples` is yet to be taken.
    fn importance(&self, batch: usize, samples: usize, seed: u64) -> Option<Schedule>;
}
