//! Adapters, the choice among them, and an open device.

use crate::meter::Clock;
use crate::pipelines::Cache;
use crate::self_test::Proofs;
use crate::{Error, Picking, Step, Variant};
use std::fmt;
use std::sync::{Arc, Mutex};

/// What kind of hardware an adapter is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
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

impl fmt::Display for Kind {
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
    pub kind: Kind,
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
struct Needs;

impl Needs {
    const INVOCATIONS: u32 = 256;
    const WORKGROUP_BYTES: u32 = 16 << 10;
    const STORAGE_BUFFERS: u32 = 8;

    /// What an adapter lacks, in words.
    fn missing(caps: &Caps) -> Option<String> {
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
const FEATURES: [(wgpu::Features, &str); 3] = [
    (wgpu::Features::SHADER_F16, "f16"),
    (wgpu::Features::SUBGROUP, "subgroups"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamps"),
];

/// An adapter that was found.
#[derive(Clone, Debug)]
pub struct Adapter {
    inner: wgpu::Adapter,
    /// What it is and allows.
    pub caps: Caps,
}

impl Adapter {
    /// Every adapter there is, the best first: real GPUs before software, cards before integrated ones
    /// (after them under `WGPU_POWER_PREF=low`). `WGPU_BACKEND` chooses backends; GL is used only if named.
    pub fn all() -> Vec<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
        let backends = descriptor.backends;
        let instance = wgpu::Instance::new(descriptor);
        let found = pollster::block_on(instance.enumerate_adapters(backends));
        let mut adapters: Vec<Self> = found.into_iter().map(Self::from).collect();
        let low_power = wgpu::PowerPreference::from_env() == Some(wgpu::PowerPreference::LowPower);
        adapters.sort_by_key(|adapter| match adapter.caps.kind {
            Kind::Integrated if low_power => 0,
            kind => 1 + kind as u32,
        });
        adapters
    }

    /// The best adapter whose name contains `part`, in any case of letters.
    pub fn named(part: &str) -> Result<Self, Error> {
        let all = Self::all();
        let names = all.iter().map(|adapter| adapter.caps.name.clone()).collect::<Vec<_>>().join(", ");
        let matches = |adapter: &Self| adapter.caps.name.to_lowercase().contains(&part.to_lowercase());
        all.into_iter().find(matches).ok_or_else(|| match names.is_empty() {
            true => Error::NoAdapter,
            false => Error::NoSuchAdapter { part: part.into(), names },
        })
    }

    /// The best adapter, a software one too; `WGPU_ADAPTER_NAME` overrules.
    pub fn best() -> Result<Self, Error> {
        match std::env::var("WGPU_ADAPTER_NAME") {
            Ok(name) => Self::named(&name),
            Err(_) => Self::all().into_iter().next().ok_or(Error::NoAdapter),
        }
    }

    /// Opens the adapter with all it allows. `checked` keeps the shaders' bounds checks.
    pub fn open(&self, checked: bool) -> Result<Device, Error> {
        self.open_without(&[], checked)
    }

    /// The same without some optional features, by what they are called here.
    pub(crate) fn open_without(&self, unwanted: &[&str], checked: bool) -> Result<Device, Error> {
        let refused = |why: String| Error::Refused { name: self.caps.name.clone(), why };
        if let Some(lack) = Needs::missing(&self.caps) {
            return Err(refused(lack));
        }
        let wanted = FEATURES.iter().filter(|(_, name)| !unwanted.contains(name));
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("frit"),
            required_features: wanted.fold(wgpu::Features::empty(), |all, (feature, _)| all | *feature)
                & self.inner.features(),
            required_limits: self.inner.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(self.inner.request_device(&descriptor)).map_err(|error| refused(error.to_string()))?;
        let trouble = Arc::new(Trouble::default());
        let (lost, fault) = (trouble.clone(), trouble.clone());
        device.set_device_lost_callback(move |reason, why| {
            let why = if why.is_empty() { format!("{reason:?}").to_lowercase() } else { why };
            lost.lost.lock().expect("no panic under this lock").get_or_insert(why);
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("{error}");
            fault.fault.lock().expect("no panic under this lock").get_or_insert(match error {
                wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what: "what was asked of it".into(), mib: 0 },
                other => Error::Fault { why: other.to_string() },
            });
        }));
        let (caps, picking) = (self.caps.clone(), Picking::default());
        let (pipelines, proofs, clock) = Default::default();
        Ok(Device { device, queue, caps, checked, picking, pipelines, proofs, clock, trouble })
    }
}

impl From<wgpu::Adapter> for Adapter {
    fn from(inner: wgpu::Adapter) -> Self {
        let (info, limits) = (inner.get_info(), inner.limits());
        let caps = Caps {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: [info.driver, info.driver_info].join(" ").trim().to_string(),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
                wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
                wgpu::DeviceType::VirtualGpu => Kind::Virtual,
                wgpu::DeviceType::Other => Kind::Other,
                wgpu::DeviceType::Cpu => Kind::Software,
            },
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroup: (info.subgroup_min_size, info.subgroup_max_size),
            features: FEATURES.iter().filter(|(feature, _)| inner.features().contains(*feature)).map(|f| f.1).collect(),
        };
        Self { inner, caps }
    }
}

/// What went wrong behind our back: callbacks put it here, the executor looks.
#[derive(Debug, Default)]
struct Trouble {
    lost: Mutex<Option<String>>,
    fault: Mutex<Option<Error>>,
}

/// An open adapter.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// What the adapter is and allows.
    pub caps: Caps,
    /// Whether shaders keep their bounds checks.
    pub checked: bool,
    pub(crate) picking: Picking,
    pub(crate) pipelines: Arc<Cache>,
    pub(crate) proofs: Arc<Proofs>,
    /// What tells how long its calls take, once that is known.
    pub(crate) clock: Arc<Mutex<Option<Clock>>>,
    trouble: Arc<Trouble>,
}

impl Device {
    /// The same device with variants of kernels chosen in another way by the executors made from here on.
    pub fn picking(self, picking: Picking) -> Self {
        Self { picking, ..self }
    }

    /// How variants of kernels are chosen.
    pub fn how_picked(&self) -> &Picking {
        &self.picking
    }

    /// The variant that is chosen for a step; none where its kernel has none.
    pub fn variant(&self, step: &Step) -> Option<&'static Variant> {
        self.picking.pick(step, self)
    }

    /// Gives the device back: whatever is asked of it from here on, here or by an executor, fails as on one that was
    /// lost. That is how tests lose one.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// An error if the device was lost or has reported a fault since.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fault = self.trouble.fault.lock().expect("no panic under this lock").take();
        if fault.is_some() {
            // What was asked of a lost device fails as invalid; polling brings the news of the loss itself.
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        if let Some(why) = self.trouble.lost.lock().expect("no panic under this lock").clone() {
            return Err(Error::Lost { why });
        }
        fault.map_or(Ok(()), Err)
    }

    /// Runs `make` with errors of memory and of validation caught. `what` and `bytes` name what is made.
    pub(crate) fn guarded<T>(&self, what: &str, bytes: u64, make: impl FnOnce() -> T) -> Result<T, Error> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = make();
        let faults = [pollster::block_on(validation.pop()), pollster::block_on(internal.pop())];
        let memory = pollster::block_on(memory.pop());
        self.check()?;
        if memory.is_some() {
            return Err(Error::OutOfMemory { what: what.into(), mib: bytes >> 20 });
        }
        match faults.into_iter().flatten().next() {
            Some(fault) => Err(Error::Fault { why: format!("{what}: {fault}") }),
            None => Ok(made),
        }
    }
}
