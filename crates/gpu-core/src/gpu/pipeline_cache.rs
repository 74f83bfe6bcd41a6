//! The compiled shaders of a device: modules by source, pipelines by kernel and constants.

use std::collections::HashMap;
use std::sync::Mutex;

/// A pipeline and the layout of its bind group.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// The name of a kernel or variant (unique; tests/contract.rs) and the values of its overrides.
pub(crate) type Key = (&'static str, Vec<u32>);

/// The modules and pipelines of a device, shared by its executors.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// One module for each WGSL source.
    pub(crate) modules: Mutex<HashMap<String, wgpu::ShaderModule>>,
    pub(crate) pipelines: Mutex<HashMap<Key, Pipeline>>,
}
