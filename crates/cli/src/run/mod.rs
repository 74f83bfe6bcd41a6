//! A run: its folder, its checkpoints, and its model on a device.

pub mod checkpoint;
pub mod data;
pub mod device;
pub mod environment;
pub mod epoch_plan;
mod evaluation;
pub mod find;
pub mod folder;
pub mod frozen;
pub mod launch;
pub mod layers;
pub mod metrics;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod planned;
pub mod profile;
pub mod programs;
pub mod ranks;
mod recognise;
mod saved;
pub mod session;
mod spec;
pub mod startup;
pub mod step_timer;
pub mod tensors;
pub mod tuning;
mod upload;
mod version;
