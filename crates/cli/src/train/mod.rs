//! Training: the loop, its progress, its monitors, and recovery from errors.

pub mod best_metric;
pub mod fit_memory;
mod lines;
pub mod monitors;
mod nan_search;
mod preview;
pub mod progress;
mod recovery;
pub mod training;
