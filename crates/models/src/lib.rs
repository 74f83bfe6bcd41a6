//! Model families as schedules of kernel calls: configuration in, schedules out.
//!
//! A model names its networks and builds its training step and its passes of other kinds. Backward passes are the
//! forward lines in reverse. Nothing here knows a device, a file or a clock.

mod autoencoder;
pub mod capabilities;
mod classifier;
mod coder;
mod data;
mod families;
mod flow;
mod gan;
pub mod inception;
mod initial;
pub mod latents;
mod layers;
mod likelihood;
pub mod metrics;
mod micro_batch;
mod model;
mod network;
mod optimiser;
mod pass;
mod phase;
mod pixelcnn;
mod prior;
mod projection;
mod realnvp;
mod settings;
mod shared_buffers;
mod training;
mod translation;
mod unet;
mod vae;
mod validate;
mod vqvae;
mod wavenet;

pub use autoencoder::{Autoencoder, AutoencoderConfig};
pub use classifier::{Classifier, ClassifierConfig};
pub use data::{DataSpec, Range, SetSpec, Side, noun};
pub use families::{Family, ModelConfig};
pub use flow::{Flow, FlowConfig, Solver};
pub use gan::{Change, Gan, GanConfig, Penalty};
pub use gpu_core::ops::activation::Activation;
pub use gpu_core::ops::corrupt::Corruption;
pub use gpu_core::ops::gan_loss::GanLoss;
pub use initial::initial_values;
pub use layers::{
    AveragePool, Conv, ConvSpec, GroupNorm, InstanceNorm, Layer, Linear, LinearSpec, MaxPool, MinibatchStd, Mode, Norm,
    Pad, Saved, Sequence, Slope, Stack, Upsample, Value, Wrt,
};
pub use likelihood::Likelihood;
pub use micro_batch::MicroBatch;
pub use model::{Base, Model, Objective};
pub use network::{Network, State};
pub use optimiser::{LrSchedule, Optimiser, OptimiserKind};
pub use pass::Pass;
pub use phase::{Left, Phase, PhaseKind, in_order};
pub use pixelcnn::{PixelCnn, PixelCnnConfig};
pub use prior::{Prior, PriorConfig};
pub use projection::{Descent, PROJECTION_ROWS, Projection};
pub use realnvp::{Coupling, RealNvp, RealNvpConfig};
pub use settings::Settings;
pub use shared_buffers::{ASKED_ROWS, Labels, RING_ROWS, SetBuffers, SharedBuffers};
pub use training::Training;
pub use translation::{Corrupt, CycleGan, CycleGanConfig, Paired, PairedConfig};
pub use vae::{FlowKind, PosteriorFlow, Vae, VaeConfig};
pub use validate::InvalidSetting;
pub use vqvae::{QuantiserKind, VqVae, VqVaeConfig, perplexity};
pub use wavenet::{MAX_POSITIONS, SEQUENCE_BLOCK, SEQUENCE_ROWS, Wavenet, WavenetConfig};
