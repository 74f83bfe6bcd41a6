//! The interface of every model family.

use crate::capabilities::{
    Classify, CodePrior, Decoder, Discriminator, Encoder, LogDensity, Posterior, Projector, Quantiser, Reconstructor,
    Sampler, Sequencer, Translator,
};
use crate::data::{DataSpec, Range};
use crate::network::Network;
use crate::phase::Phase;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use gpu_core::{Buf, Memory, Schedule};

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
/// Batches are sized when a schedule is built, so the last, smaller batch of an epoch has a separate schedule. A
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

    /// A network of another run that the model uses and does not train.
    fn frozen(&self) -> Option<&Network> {
        None
    }

    /// The schedule that runs for each `batch` training images on the device, from the first on, before they are
    /// trained on; the side clock counts them.
    fn encode_train(&self, _batch: usize) -> Option<Schedule> {
        None
    }

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

    /// Drawing of codes.
    fn code_prior(&self) -> Option<&dyn CodePrior> {
        None
    }

    /// Drawing of sequences.
    fn sequencer(&self) -> Option<&dyn Sequencer> {
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

    /// Projection of images to latents.
    fn projector(&self) -> Option<&dyn Projector> {
        None
    }

    /// Inference of posteriors.
    fn posterior(&self) -> Option<&dyn Posterior> {
        None
    }

    /// Density of images.
    fn log_density(&self) -> Option<&dyn LogDensity> {
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

    /// Classification of images.
    fn classifier(&self) -> Option<&dyn Classify> {
        None
    }

    /// Translation of images.
    fn translator(&self) -> Option<&dyn Translator> {
        None
    }
}
