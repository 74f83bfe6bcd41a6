//! Model families, written down as schedules of kernel calls: configuration in, schedules out.
//!
//! Nothing here knows a device, a file or a clock. A model names its networks and gives its training step and
//! its sampling, encoding and evaluation passes; backward passes are the forward lines read upwards.

mod autoencoder;
mod classifier;
mod coder;
mod gan;
pub mod latents;
mod layers;
pub mod metrics;
mod micro_batch;
mod model;
mod network;
mod optimiser;
mod shared_buffers;
mod vae;
mod validate;
mod vqvae;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use classifier::{Classifier, ClassifierConfig};
pub use gan::{Gan, GanConfig, GanLossKind};
pub use layers::{
    Conv, ConvSpec, Layer, Linear, LinearSpec, MaxPool, Mode, Norm, Saved, Sequence, Slope, Stack, Upsample, Value, Wrt,
};
pub use micro_batch::MicroBatch;
pub use model::{Base, Decoding, Likelihood, Model, Objective, Pass, Phase, Range, Training, Usage, in_order};
pub use network::{Network, State};
pub use optimiser::{LrSchedule, Optimiser, OptimiserKind};
pub use shared_buffers::{ASKED_ROWS, DataSpec, Labels, RING_ROWS, SharedBuffers};
pub use vae::{Vae, VaeConfig};
pub use vqvae::{VqVae, VqVaeConfig, perplexity};
