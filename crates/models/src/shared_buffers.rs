//! The buffers that all models share: data, clocks, loss rings.

use crate::Optimiser;
use crate::micro_batch::MicroBatch;
use crate::model::{Range, Training};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{gather::gather, permute::permute};
use gpu_core::{Buf, Dtype, Memory, Schedule};

/// Rows of a loss ring: how many steps may pass before the host has looked.
pub const RING_ROWS: usize = 256;

/// The data that a model is made for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DataSpec {
    /// Training images on the device at once, at most.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Height, width and channels of an image.
    pub image: [usize; 3],
    /// Classes that images belong to.
    pub classes: usize,
    /// Variance of the training images' pixels, black being 0 and white 1.
    pub variance: f32,
}

impl DataSpec {
    /// The shape of `n` images.
    pub fn images(&self, n: usize) -> [usize; 4] {
        let [h, w, c] = self.image;
        [n, h, w, c]
    }

    /// Numbers in an image.
    pub fn width(&self) -> usize {
        self.image.iter().product()
    }
}

/// Pictures of asked classes that are drawn at once, at most.
pub const ASKED_ROWS: usize = 1024;

/// What a network is told of an image's class, in place of one: beside hundreds of pixels a single number of one is
/// hardly heard.
pub(crate) const ONE_HOT_SCALE: f32 = 5.0;

/// One-hot labels as bytes, 255 where the class is: for models that are told classes.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// Of the training images.
    pub train: Buf,
    /// Of the test images.
    pub test: Buf,
    /// Of the pictures to be drawn, [`ASKED_ROWS`] of them: the host says which.
    pub asked: Buf,
}

/// The persistent buffers every model shares.
#[derive(Clone, Copy, Debug)]
pub struct SharedBuffers {
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
    /// Classes, where the model is told them.
    pub labels: Option<Labels>,
    spec: DataSpec,
}

/// Words that hold so many bytes.
fn words(bytes: usize) -> [usize; 1] {
    [bytes.div_ceil(4)]
}

impl SharedBuffers {
    /// SharedBuffers them, the loss rings with `columns` columns.
    pub fn new(memory: &mut Memory, spec: DataSpec, columns: usize) -> Self {
        Self {
            train: memory.add("train", words(spec.train * spec.width()), Dtype::U32),
            test: memory.add("test", words(spec.test * spec.width()), Dtype::U32),
            clock: memory.add("clock", [4], Dtype::U32),
            rates: memory.add("rates", [4], Dtype::F32),
            ring: memory.add("ring", [RING_ROWS, columns], Dtype::F32),
            side_clock: memory.add("side_clock", [4], Dtype::U32),
            side_rates: memory.add("side_rates", [4], Dtype::F32),
            side_ring: memory.add("side_ring", [RING_ROWS, columns], Dtype::F32),
            labels: None,
            spec,
        }
    }

    /// The same with room for labels.
    pub fn labelled(self, memory: &mut Memory) -> Self {
        let DataSpec { train, test, classes, .. } = self.spec;
        let labels = Labels {
            train: memory.add("train_labels", words(train * classes), Dtype::U32),
            test: memory.add("test_labels", words(test * classes), Dtype::U32),
            asked: memory.add("asked_labels", words(ASKED_ROWS * classes), Dtype::U32),
        };
        Self { labels: Some(labels), ..self }
    }

    /// The data that they were made for.
    pub fn spec(&self) -> &DataSpec {
        &self.spec
    }

    /// Advances the training clock by one batch, with its first part. The weight of the KL term rises to `kl_weight`
    /// over the first `kl_warmup` steps.
    pub fn tick(
        &self,
        s: &mut Schedule,
        micro_batch: MicroBatch,
        training: &Training,
        kl_weight: f32,
        kl_warmup: usize,
    ) {
        if micro_batch.is_first() {
            let step = Tick { kl_weight, kl_warmup, ..tick_of(micro_batch.batch, training) };
            tick(s, "tick", self.clock, self.rates, step);
        }
    }

    /// Advances the training clock, where a batch begins, and takes the part's images: x [rows, width].
    pub fn next_train(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training, range: Range) -> Buf {
        self.tick(s, micro_batch, training, 0.0, 0);
        let order = self.train_order(s, micro_batch, training, self.clock);
        self.train_images(s, order, range)
    }

    /// Which images are that part of the batch of a training clock, `u32 [rows]`.
    pub fn train_order(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training, clock: Buf) -> Buf {
        permute(s, "order", micro_batch.range(), clock, training.resident, training.seed, training.shuffle)
    }

    /// Images of the training set: x [batch, width].
    pub fn train_images(&self, s: &mut Schedule, order: Buf, range: Range) -> Buf {
        images(s, self.train, order, self.spec.width(), range)
    }

    /// Advances the side clock by one batch: the next `batch` test images in file order, `u32 [batch]`.
    pub fn test_order(&self, s: &mut Schedule, batch: usize) -> Buf {
        let step = Tick { batch, count: self.spec.test, ..Tick::default() };
        tick(s, "tick", self.side_clock, self.side_rates, step);
        permute(s, "order", 0..batch, self.side_clock, self.spec.test, 0, false)
    }

    /// The next `batch` test images: x [batch, width].
    pub fn next_test(&self, s: &mut Schedule, batch: usize, range: Range) -> Buf {
        let order = self.test_order(s, batch);
        self.test_images(s, order, range)
    }

    /// Images of the test set: x [batch, width].
    pub fn test_images(&self, s: &mut Schedule, order: Buf, range: Range) -> Buf {
        images(s, self.test, order, self.spec.width(), range)
    }

    /// One-hot classes of the first `count` pictures to be drawn, [count, classes]; the side clock begins at row 0.
    pub fn asked_classes(&self, s: &mut Schedule, labels: Labels, count: usize) -> Buf {
        let rows = permute(s, "asked", 0..count, self.side_clock, ASKED_ROWS, 0, false);
        self.one_hot_classes(s, labels.asked, rows)
    }

    /// Classes of such rows of `labels` as a network is told them, [batch, classes]: 5 at the class, 0 elsewhere.
    pub fn one_hot_classes(&self, s: &mut Schedule, labels: Buf, order: Buf) -> Buf {
        gather(s, "class_conditional", labels, order, self.spec.classes, ONE_HOT_SCALE / 255.0, 0.0)
    }

    /// One-hot classes of such rows of `labels`: [batch, classes].
    pub fn classes(&self, s: &mut Schedule, labels: Buf, order: Buf) -> Buf {
        gather(s, "classes", labels, order, self.spec.classes, 1.0 / 255.0, 0.0)
    }
}

/// A step of an optimiser on `batch` images.
pub(crate) fn tick_of(batch: usize, training: &Training) -> Tick {
    let Optimiser { lr, lr_warmup, beta1, beta2, .. } = training.optimiser;
    let (lr, decay) = (lr * training.rate, training.optimiser.decay());
    Tick { batch, count: training.taken, lr, lr_warmup, decay, beta1, beta2, ..Tick::default() }
}

fn images(s: &mut Schedule, data: Buf, order: Buf, width: usize, range: Range) -> Buf {
    gather(s, "x", data, order, width, (range.high - range.low) / 255.0, range.low)
}
