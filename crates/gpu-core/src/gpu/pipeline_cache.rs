//! The compiled shaders of a device: modules by source, pipelines by kernel and constants.

use super::early::Early;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// A pipeline and the layout of its bind group.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// The name of a kernel, a variant (both unique; tests/contract.rs) or a shared entry point, and the constants.
pub(crate) type Key = (&'static str, Vec<(&'static str, u32)>);

/// The modules and pipelines of a device, shared by its executors.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// One module for each WGSL source.
    pub(crate) modules: Mutex<HashMap<String, wgpu::ShaderModule>>,
    pub(crate) pipelines: Mutex<HashMap<Key, Pipeline>>,
    /// The thread that dispatches new pipelines first, on a processor.
    pub(crate) early: OnceLock<Early>,
}
