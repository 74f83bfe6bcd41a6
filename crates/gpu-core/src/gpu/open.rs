//! Adapters: enumeration, selection and opening.

use super::caps::{COOPERATIVE, Caps, DeviceKind, FEATURES, Minimum, cooperative};
use super::device::{Device, DeviceErrors, SelfTests};
use super::self_test;
use crate::{Error, VariantPolicy};
use std::sync::Arc;

/// An adapter of this system.
#[derive(Clone, Debug)]
pub struct Adapter {
    inner: wgpu::Adapter,
    /// Its properties and limits.
    pub caps: Caps,
}

impl Adapter {
    /// All adapters, best first: GPUs before software adapters, discrete before integrated ones (after them under
    /// `WGPU_POWER_PREF=low`). `WGPU_BACKEND` selects backends; GL is used only if it is named there.
    pub fn all() -> Vec<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
        let backends = descriptor.backends;
        let instance = wgpu::Instance::new(descriptor);
        let found = pollster::block_on(instance.enumerate_adapters(backends));
        let mut adapters: Vec<Self> = found.into_iter().map(Self::from).collect();
        let low_power = wgpu::PowerPreference::from_env() == Some(wgpu::PowerPreference::LowPower);
        adapters.sort_by_key(|adapter| match adapter.caps.kind {
            DeviceKind::Integrated if low_power => 0,
            kind => 1 + kind as u32,
        });
        adapters
    }

    /// The best adapter whose name contains `part`, ignoring case.
    pub fn named(part: &str) -> Result<Self, Error> {
        let all = Self::all();
        let names = all.iter().map(|adapter| adapter.caps.name.clone()).collect::<Vec<_>>().join(", ");
        let matches = |adapter: &Self| adapter.caps.name.to_lowercase().contains(&part.to_lowercase());
        all.into_iter().find(matches).ok_or_else(|| match names.is_empty() {
            true => Error::NoAdapter,
            false => Error::NoSuchAdapter { part: part.into(), names },
        })
    }

    /// The adapter of this number in [`Self::all`].
    pub fn numbered(number: usize) -> Result<Self, Error> {
        let mut all = Self::all();
        if all.is_empty() {
            return Err(Error::NoAdapter);
        }
        if number >= all.len() {
            let names = all.iter().enumerate().map(|(number, adapter)| format!("gpu:{number} {}", adapter.caps.name));
            return Err(Error::NoSuchAdapter {
                part: format!("gpu:{number}"),
                names: names.collect::<Vec<_>>().join(", "),
            });
        }
        Ok(all.swap_remove(number))
    }

    /// The best adapter, including software ones; `WGPU_ADAPTER_NAME` takes precedence.
    pub fn best() -> Result<Self, Error> {
        match std::env::var("WGPU_ADAPTER_NAME") {
            Ok(name) => Self::named(&name),
            Err(_) => Self::all().into_iter().next().ok_or(Error::NoAdapter),
        }
    }

    /// Opens the adapter with all its features and limits. `checked` keeps the shaders' bounds checks. Cooperative
    /// matrices, which wgpu calls experimental, are left out where the device does not open with them.
    pub fn open(&self, checked: bool) -> Result<Device, Error> {
        match self.open_without(&[], checked) {
            Err(Error::Refused { why, .. }) if !self.caps.cooperative.is_empty() => {
                log::warn!("{}: not using cooperative matrices: {why}", self.caps);
                self.open_without(&[COOPERATIVE], checked)
            }
            opened => opened,
        }
    }

    /// The same without some optional features, named as in [`FEATURES`].
    pub(crate) fn open_without(&self, unwanted: &[&str], checked: bool) -> Result<Device, Error> {
        let refused = |why: String| Error::Refused { name: self.caps.name.clone(), why };
        if let Some(lack) = Minimum::missing(&self.caps) {
            return Err(refused(lack));
        }
        let mut caps = self.caps.clone();
        caps.features.retain(|name| !unwanted.contains(name));
        if !caps.features.contains(&COOPERATIVE) {
            caps.cooperative.clear();
        }
        let wanted = FEATURES.iter().filter(|(_, name)| caps.features.contains(name));
        let experimental_features = match caps.cooperative.is_empty() {
            true => wgpu::ExperimentalFeatures::disabled(),
            // SAFETY: cooperative matrices are the only experimental feature that is requested. Kernels that use them
            // have their sizes and types from the adapter's list, and pass a self-test before first use.
            false => unsafe { wgpu::ExperimentalFeatures::enabled() },
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("frit"),
            required_features: wanted.fold(wgpu::Features::empty(), |all, (feature, _)| all | *feature),
            experimental_features,
            required_limits: self.inner.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(self.inner.request_device(&descriptor)).map_err(|error| refused(error.to_string()))?;
        let errors = Arc::new(DeviceErrors::default());
        let (lost, fault) = (errors.clone(), errors.clone());
        device.set_device_lost_callback(move |reason, why| {
            let why = if why.is_empty() { format!("{reason:?}").to_lowercase() } else { why };
            lost.lost.lock().expect("the lock is not poisoned").get_or_insert(why);
        });
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("{error}");
            fault.fault.lock().expect("the lock is not poisoned").get_or_insert(match error {
                wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what: "a command".into(), mib: 0 },
                other => Error::Fault { why: other.to_string() },
            });
        }));
        let policy = VariantPolicy::default();
        let self_tests = Arc::new(SelfTests::new(self_test::run));
        let (cache, clock) = Default::default();
        Ok(Device { device, queue, caps, checked, policy, cache, self_tests, clock, errors })
    }
}

impl From<wgpu::Adapter> for Adapter {
    fn from(inner: wgpu::Adapter) -> Self {
        let (info, limits) = (inner.get_info(), inner.limits());
        let mut caps = Caps {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: [info.driver, info.driver_info].join(" ").trim().to_string(),
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
                wgpu::DeviceType::IntegratedGpu => DeviceKind::Integrated,
                wgpu::DeviceType::VirtualGpu => DeviceKind::Virtual,
                wgpu::DeviceType::Other => DeviceKind::Other,
                wgpu::DeviceType::Cpu => DeviceKind::Software,
            },
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            subgroup: (info.subgroup_min_size, info.subgroup_max_size),
            cooperative: cooperative(&inner),
            features: FEATURES.iter().filter(|(feature, _)| inner.features().contains(*feature)).map(|f| f.1).collect(),
        };
        // They are of no use without a fitting size and f16.
        if caps.cooperative.is_empty() || !caps.features.contains(&"f16") {
            caps.cooperative.clear();
            caps.features.retain(|name| *name != COOPERATIVE);
        }
        Self { inner, caps }
    }
}
