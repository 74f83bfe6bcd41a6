//! The buffers that all models share: data, clocks, loss rings.

use crate::data::{DataSpec, Range, SetSpec};
use crate::micro_batch::MicroBatch;
use crate::optimiser::Optimiser;
use crate::training::Training;
use gpu_core::ops::density::density;
use gpu_core::ops::gather::{self, Move, gather, gather_moved};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{permute::permute, philox, vq};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Memory, Schedule};

/// Rows of a loss ring: steps that may pass before the host reads it.
pub const RING_ROWS: usize = 256;

/// The name of the loss ring in a memory.
pub(crate) const RING: &str = "ring";

/// The name of a ring for the losses of one micro-batch after the first.
pub(crate) const MICRO_RING: &str = "micro_ring";

/// Images of requested classes that are generated at once, at most.
pub const ASKED_ROWS: usize = 1024;

/// The value of a one-hot class as a network's input. Beside hundreds of pixels a value of 1 would carry little weight.
pub(crate) const ONE_HOT_SCALE: f32 = 5.0;

/// One-hot labels as bytes, 255 at the class: for class-conditional models.
#[derive(Clone, Copy, Debug)]
pub struct Labels {
    /// Of the training images.
    pub train: Buf,
    /// Of the test images.
    pub test: Buf,
    /// Of the images to generate, [`ASKED_ROWS`] of them, which the host writes.
    pub asked: Buf,
}

/// The buffers of one set of images.
#[derive(Clone, Copy, Debug)]
pub struct SetBuffers {
    /// The sizes.
    pub spec: SetSpec,
    /// Training images as bytes, four to a word. Of points, which are drawn, it is empty but for a word.
    pub train: Buf,
    /// Test images likewise; test points as numbers, [test, 2].
    pub test: Buf,
    /// Labels, of class-conditional models and classifiers.
    pub labels: Option<Labels>,
}

/// The persistent buffers of every model.
#[derive(Clone, Debug)]
pub struct SharedBuffers {
    /// Images, set by set.
    pub sets: Vec<SetBuffers>,
    /// Step, epoch, start and next of training: see docs/numerics.md.
    pub clock: Buf,
    /// Learning rate, bias corrections and KL weight of the current step.
    pub rates: Buf,
    /// One row per step: batch means of the losses.
    pub ring: Buf,
    /// The clock of evaluation and sampling, which the host sets.
    pub side_clock: Buf,
    /// The rates that evaluation's tick writes and nothing reads.
    pub side_rates: Buf,
    /// One row per evaluated batch: sums of the losses.
    pub side_ring: Buf,
}

/// Words that hold this many bytes.
fn words(bytes: usize) -> [usize; 1] {
    [bytes.div_ceil(4)]
}

/// The name of a buffer of a set; that of the first set has no number.
fn name(of: &str, set: usize) -> String {
    if set == 0 { of.into() } else { format!("{of}.{set}") }
}

impl SharedBuffers {
    /// The buffers for such data, with loss rings of `columns` columns.
    pub fn new(memory: &mut Memory, spec: &DataSpec, columns: usize) -> Self {
        let mut sets = Vec::with_capacity(spec.sets.len());
        for (number, &spec) in spec.sets.iter().enumerate() {
            let (of_train, of_test) = (name("train", number), name("test", number));
            let [train, test] = match spec.points {
                None => [(of_train, spec.train), (of_test, spec.test)]
                    .map(|(name, images)| memory.add(&name, words(images * spec.width()), Dtype::U32)),
                Some(_) => [
                    memory.add(&of_train, words(1), Dtype::U32),
                    memory.add(&of_test, [spec.test, spec.width()], Dtype::F32),
                ],
            };
            sets.push(SetBuffers { spec, train, test, labels: None });
        }
        memory.add(MICRO_RING, [RING_ROWS, columns], Dtype::F32);
        Self {
            sets,
            clock: memory.add("clock", [4], Dtype::U32),
            rates: memory.add("rates", [4], Dtype::F32),
            ring: memory.add(RING, [RING_ROWS, columns], Dtype::F32),
            side_clock: memory.add("side_clock", [4], Dtype::U32),
            side_rates: memory.add("side_rates", [4], Dtype::F32),
            side_ring: memory.add("side_ring", [RING_ROWS, columns], Dtype::F32),
        }
    }

    /// The same with buffers for the labels of every set.
    pub fn labelled(mut self, memory: &mut Memory) -> Self {
        for (number, set) in self.sets.iter_mut().enumerate() {
            let SetSpec { train, test, classes, .. } = set.spec;
            set.labels = Some(Labels {
                train: memory.add(&name("train_labels", number), words(train * classes), Dtype::U32),
                test: memory.add(&name("test_labels", number), words(test * classes), Dtype::U32),
                asked: memory.add(&name("asked_labels", number), words(ASKED_ROWS * classes), Dtype::U32),
            });
        }
        self
    }

    /// The first set, the only one of most families.
    ///
    /// # Panics
    /// When there is none.
    pub fn first(&self) -> &SetBuffers {
        self.sets.first().expect("data has at least one set")
    }

    /// Advances the training clock by one batch, at the batch's first micro-batch. The weight of the KL term rises to
    /// `kl_weight` over the first `kl_warmup` steps.
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

    /// Advances the training clock at a batch's first micro-batch, and takes the micro-batch's images: x [rows, width].
    pub fn next_train(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training, range: Range) -> Buf {
        self.tick(s, micro_batch, training, 0.0, 0);
        let order = self.train_order(s, micro_batch, training, self.clock);
        self.moved_images(s, order, micro_batch, training, self.clock, range)
    }

    /// The numbers of a micro-batch's images by a training clock, `u32 [rows]`.
    pub fn train_order(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training, clock: Buf) -> Buf {
        permute(s, "order", micro_batch.range(), clock, training.resident, training.seed, training.shuffle)
    }

    /// A micro-batch's training images by their numbers, moved as training asks: x [rows, width]. Points are drawn, by
    /// their numbers and the clock.
    pub fn moved_images(
        &self,
        s: &mut Schedule,
        order: Buf,
        micro_batch: MicroBatch,
        training: &Training,
        clock: Buf,
        range: Range,
    ) -> Buf {
        if let Some(points) = self.first().spec.points {
            return density(s, "x", order, clock, training.seed, Stream::Points, points);
        }
        self.set_images(s, 0, order, micro_batch, training, clock, range)
    }

    /// A micro-batch's training images of a set by their numbers, moved as training asks: x [rows, width]. Images of
    /// two sets in the same rows under the same clock are moved alike.
    #[expect(clippy::too_many_arguments, reason = "those of moved_images, and the set")]
    pub fn set_images(
        &self,
        s: &mut Schedule,
        set: usize,
        order: Buf,
        micro_batch: MicroBatch,
        training: &Training,
        clock: Buf,
        range: Range,
    ) -> Buf {
        let (label, SetBuffers { train, spec, .. }) = (name("x", set), self.sets[set]);
        if training.moves == Move::default() {
            let [scale, shift] = scale_and_shift(range);
            return gather(s, &label, train, order, spec.width(), scale, shift);
        }
        let (first, size) = (gather::DRAWS * micro_batch.first, [micro_batch.rows, gather::DRAWS]);
        let (seed, interval) = (training.seed, [0.0, 1.0]);
        let draws = philox::uniform_from(s, "moves", size, first, clock, seed, Stream::Move, interval);
        gather_moved(s, &label, train, order, draws, spec.image, training.moves, scale_and_shift(range))
    }

    /// Training images by their numbers, as they are: x [batch, width].
    pub fn train_images(&self, s: &mut Schedule, order: Buf, range: Range) -> Buf {
        images(s, self.first().train, order, self.first().spec.width(), range)
    }

    /// Advances the side clock by one batch: the next `batch` test images in file order, `u32 [batch]`. Of several
    /// sets, they are as many as the smallest set has.
    pub fn test_order(&self, s: &mut Schedule, batch: usize) -> Buf {
        let count = self.sets.iter().map(|set| set.spec.test).min().expect("data has at least one set");
        let step = Tick { batch, count, ..Tick::default() };
        tick(s, "tick", self.side_clock, self.side_rates, step);
        permute(s, "order", 0..batch, self.side_clock, count, 0, false)
    }

    /// The next `batch` test images: x [batch, width].
    pub fn next_test(&self, s: &mut Schedule, batch: usize, range: Range) -> Buf {
        let order = self.test_order(s, batch);
        self.test_images(s, order, range)
    }

    /// Test images by their numbers: x [batch, width].
    pub fn test_images(&self, s: &mut Schedule, order: Buf, range: Range) -> Buf {
        let SetBuffers { spec, test, .. } = *self.first();
        if spec.points.is_some() {
            return vq::lookup(s, "x", order, test, [order.len(), spec.width()]);
        }
        self.set_test_images(s, 0, order, range)
    }

    /// Test images of a set by their numbers: x [batch, width].
    pub fn set_test_images(&self, s: &mut Schedule, set: usize, order: Buf, range: Range) -> Buf {
        let SetBuffers { spec, test, .. } = self.sets[set];
        let [scale, shift] = scale_and_shift(range);
        gather(s, &name("x", set), test, order, spec.width(), scale, shift)
    }

    /// The requested classes of `count` images as a network's input, [count, classes]; the side clock begins at row 0.
    pub fn asked_classes(&self, s: &mut Schedule, labels: Labels, count: usize) -> Buf {
        let rows = permute(s, "asked", 0..count, self.side_clock, ASKED_ROWS, 0, false);
        self.one_hot_classes(s, labels.asked, rows)
    }

    /// Rows of `labels` as a network's input, [batch, classes]: 5 at the class, 0 elsewhere.
    pub fn one_hot_classes(&self, s: &mut Schedule, labels: Buf, order: Buf) -> Buf {
        gather(s, "class_conditional", labels, order, self.first().spec.classes, ONE_HOT_SCALE / 255.0, 0.0)
    }

    /// Rows of `labels` as one-hot classes: [batch, classes].
    pub fn classes(&self, s: &mut Schedule, labels: Buf, order: Buf) -> Buf {
        gather(s, "classes", labels, order, self.first().spec.classes, 1.0 / 255.0, 0.0)
    }
}

/// The tick of an optimiser's step on `batch` images.
pub(crate) fn tick_of(batch: usize, training: &Training) -> Tick {
    let Optimiser { lr, lr_warmup, beta1, beta2, .. } = training.optimiser;
    let (lr, (lr_hold, decay)) = (lr * training.rate, training.optimiser.hold_and_decay());
    Tick { batch, count: training.taken, lr, lr_warmup, lr_hold, decay, beta1, beta2, ..Tick::default() }
}

fn images(s: &mut Schedule, data: Buf, order: Buf, width: usize, range: Range) -> Buf {
    let [scale, shift] = scale_and_shift(range);
    gather(s, "x", data, order, width, scale, shift)
}

/// Numbers that make one of the range of a byte.
fn scale_and_shift(range: Range) -> [f32; 2] {
    [(range.high - range.low) / 255.0, range.low]
}
