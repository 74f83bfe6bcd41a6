//! Evaluation: metrics of a trained model on its test set, samples and reconstructions.
//!
//! [`evaluate()`] measures a model, [`sample`] and [`reconstruct`] draw images, [`project()`] finds the latents of
//! given ones, [`open`] loads the model of a run. [`metrics::METRICS`] is the table of every metric.

pub mod autoencoder;
mod baselines;
pub mod classifier;
mod compare;
pub mod completion;
pub mod draw;
pub(crate) mod evaluate;
pub mod features;
pub mod flow;
mod helper_network;
pub mod image_files;
pub mod inception;
pub mod latents;
pub mod measures;
pub mod metrics;
pub mod modes;
pub mod network;
mod own_images;
pub mod passes;
pub mod plane;
pub mod prior;
pub mod project;
pub mod quality;
pub mod random_network;
pub mod sequence;
pub mod targets;
pub(crate) mod trained;
pub mod translation;
pub mod translator;

pub use compare::{CompareOptions, compare_sources};
pub use draw::{Images, reconstruct, sample};
pub use evaluate::{EvalOptions, evaluate, origin};
pub use features::{FeatureChoice, FeatureSpace};
pub use measures::Evaluation;
pub use own_images::OwnImages;
pub use project::{ProjectOptions, Projected, project, project_known};
pub use trained::{DataFacts, OpenOptions, Opened, Weights, open, step_of};
