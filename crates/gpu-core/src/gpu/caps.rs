//! Adapter properties: kind, limits, optional features.

use std::fmt;

/// The kind of hardware behind an adapter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DeviceKind {
    /// A card with its own memory.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU seen through virtualisation.
    Virtual,
    /// A GPU of unknown kind.
    Other,
    /// A driver that runs shaders on the CPU.
    Software,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "unknown GPU",
            Self::Software => "software, on the CPU",
        })
    }
}

/// The properties and limits of an adapter.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Its name.
    pub name: String,
    /// The graphics API: Vulkan, Metal, Dx12 or Gl.
    pub backend: String,
    /// Driver and version.
    pub driver: String,
    /// The kind of hardware.
    pub kind: DeviceKind,
    /// The largest buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The largest range that a kernel can bind, in bytes.
    pub max_binding_bytes: u64,
    /// The most invocations in a workgroup.
    pub max_invocations: u32,
    /// The most workgroup memory, in bytes.
    pub workgroup_bytes: u32,
    /// The most storage buffers in a kernel.
    pub storage_buffers: u32,
    /// The smallest and the largest subgroup, in lanes.
    pub subgroup: (u32, u32),
    /// Optional features that the adapter has; the device is opened with them, and no kernel requires them.
    pub features: Vec<&'static str>,
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.backend, self.kind)
    }
}

/// The limits that the kernels require, which are WebGPU's defaults.
pub(crate) struct Minimum;

impl Minimum {
    const INVOCATIONS: u32 = 256;
    const WORKGROUP_BYTES: u32 = 16 << 10;
    const STORAGE_BUFFERS: u32 = 8;

    /// Describes the first limit that an adapter does not meet.
    pub(crate) fn missing(caps: &Caps) -> Option<String> {
        let checks = [
            (caps.max_invocations, Self::INVOCATIONS, "invocations in a workgroup"),
            (caps.workgroup_bytes, Self::WORKGROUP_BYTES, "bytes of workgroup memory"),
            (caps.storage_buffers, Self::STORAGE_BUFFERS, "storage buffers in a kernel"),
        ];
        let lack = checks.into_iter().find(|(has, needs, _)| has < needs);
        lack.map(|(has, needs, what)| format!("at most {has} {what}; frit needs {needs}"))
    }
}

/// The optional features in use, with their names in this crate.
pub(crate) const FEATURES: [(wgpu::Features, &str); 3] = [
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
];
