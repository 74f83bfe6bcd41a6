//! The settings of training that belong to no family.

use crate::micro_batch::MicroBatch;
use crate::optimiser::Optimiser;
use gpu_core::ops::gather::Move;

/// The settings of a training schedule that are not the model's own.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Training {
    /// Random seed.
    pub seed: u64,
    /// Draws a new order of the images in each epoch; otherwise they keep the order of the data.
    pub shuffle: bool,
    /// Random changes of the place of each training image, new in each epoch.
    pub moves: Move,
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
    /// The step includes what runs in every [`Settings::period`](crate::Settings::period)-th step only.
    pub periodic: bool,
}

impl Training {
    /// Training on `images` images, all of them on the device, in whole batches.
    pub fn whole(seed: u64, shuffle: bool, optimiser: Optimiser, images: usize) -> Self {
        Self {
            seed,
            shuffle,
            moves: Move::default(),
            optimiser,
            rate: 1.0,
            resident: images,
            taken: images,
            micro_batch: 0,
            periodic: true,
        }
    }

    /// The micro-batches of a batch.
    pub(crate) fn micro_batches(&self, batch: usize) -> Vec<MicroBatch> {
        MicroBatch::of(batch, self.micro_batch)
    }
}
