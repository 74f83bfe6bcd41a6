//! The GPU executor on wgpu.

pub(crate) mod caps;
pub(crate) mod device;
mod early;
mod executor;
pub(crate) mod open;
mod pipeline_cache;
mod pipelines;
pub(crate) mod portable;
pub(crate) mod run;
mod self_test;
mod timing;
pub mod tuning;
pub(crate) mod variants;
