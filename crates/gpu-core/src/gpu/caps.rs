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
    /// Sides of the square cooperative matrices with operands in half precision and sums in single; empty unless the
    /// device is opened with them.
    pub cooperative: Vec<u32>,
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

/// The name of cooperative matrices as a feature.
pub(crate) const COOPERATIVE: &str = "cooperative matrices";

/// The sides of square cooperative matrices with operands in half precision and sums in single.
pub(crate) fn cooperative(adapter: &wgpu::Adapter) -> Vec<u32> {
    let half = |listed: &wgpu::CooperativeMatrixProperties| {
        let types = (listed.ab_type, listed.cr_type);
        let square = listed.m_size == listed.n_size && listed.n_size == listed.k_size;
        square && types == (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32)
    };
    let mut sides: Vec<u32> =
        adapter.cooperative_matrix_properties().iter().filter(|p| half(p)).map(|p| p.m_size).collect();
    sides.sort_unstable();
    sides.dedup();
    sides
}

/// The optional features in use, with their names in this crate.
pub(crate) const FEATURES: [(wgpu::Features, &str); 4] = [
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, COOPERATIVE),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
];
