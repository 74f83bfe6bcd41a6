//! Training: from a configuration to a run folder with checkpoints, sample grids and metrics.
//!
//! [`train`] trains a new run and [`resume()`] continues one. [`Setup`] starts a model without training it,
//! [`Verification`] trains a recipe and checks its targets.

pub mod best_metric;
mod divergence;
mod events;
pub mod fit_memory;
mod follow;
mod generative;
mod kept_images;
mod lines;
pub mod monitors;
mod nan_search;
mod options;
mod preview;
mod processes;
pub mod progress;
mod recovery;
mod resume;
mod rollback;
mod saving;
mod setup;
mod shard;
mod start;
mod start_message;
mod summary;
mod team;
pub mod training;
mod verify;

pub use events::{Event, Observer};
pub use options::{Length, MicroBatchSize, ResumeOptions, TrainOptions, epochs_for};
pub use processes::{follow, follow_resumed};
pub use resume::resume;
pub use setup::{Inputs, Setup, StepTime};
pub use start::{DryRun, Trained, dry_run, train};
pub use summary::Summary;
pub use training::{Outcome, Trainer};
pub use verify::Verification;
