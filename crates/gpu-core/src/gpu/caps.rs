//! Adapter properties: kind, limits, optional features.

use std::fmt;

/// What kind of hardware an adapter is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeviceKind {
    /// A card with its own memory.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU seen through virtualisation.
    Virtual,
    /// Something else that calls itself a GPU.
    Other,
    /// A driver that runs shaders on the processor.
    Software,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "unknown GPU",
            Self::Software => "software, on the processor",
        })
    }
}

/// What an adapter is and allows.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Its name.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// What kind of hardware it is.
    pub kind: DeviceKind,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The largest range that a kernel can bind, in bytes.
    pub max_binding_bytes: u64,
    /// Invocations in a workgroup, at most.
    pub max_invocations: u32,
    /// Workgroup memory, in bytes.
    pub workgroup_bytes: u32,
    /// Storage buffers that one kernel can bind.
    pub storage_buffers: u32,
    /// Lanes in a subgroup, least and most.
    pub subgroup: (u32, u32),
    /// Optional features that the adapter has and the device is opened with; the kernels need none of them.
    pub features: Vec<&'static str>,
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.kind)
    }
}

/// What the kernels need and WebGPU's defaults promise.
pub(crate) struct Minimum;

impl Minimum {
    const INVOCATIONS: u32 = 256;
    const WORKGROUP_BYTES: u32 = 16 << 10;
    const STORAGE_BUFFERS: u32 = 8;

    /// What an adapter lacks, in words.
    pub(crate) fn missing(caps: &Caps) -> Option<String> {
        let checks = [
            (caps.max_invocations, Self::INVOCATIONS, "invocations in a workgroup"),
            (caps.workgroup_bytes, Self::WORKGROUP_BYTES, "bytes of workgroup memory"),
            (caps.storage_buffers, Self::STORAGE_BUFFERS, "storage buffers in a kernel"),
        ];
        let lack = checks.into_iter().find(|(has, needs, _)| has < needs);
        lack.map(|(has, needs, what)| format!("it allows {has} {what}, and {needs} are needed"))
    }
}

/// The optional features worth having, and what they are called here.
pub(crate) const FEATURES: [(wgpu::Features, &str); 3] = [
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
];
