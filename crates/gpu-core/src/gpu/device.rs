//! An open device, its error scopes and callbacks.

use super::pipeline_cache::Cache;
use crate::{Call, Caps, Clock, Error, Needs, Variant, VariantPolicy};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Errors reported by callbacks; [`Device::check`] returns them.
#[derive(Debug, Default)]
pub(crate) struct DeviceErrors {
    pub(crate) lost: Mutex<Option<String>>,
    pub(crate) fault: Mutex<Option<Error>>,
}

/// The results of the self-tests of optional features, each run once per device.
#[derive(Debug)]
pub(crate) struct SelfTests {
    pub(crate) lanes: OnceLock<bool>,
    pub(crate) half: OnceLock<bool>,
    /// With matrices of 8 × 8, and of 16 × 16.
    pub(crate) cooperative: [OnceLock<bool>; 2],
    /// The test itself. It needs an executor, which needs a device, so the code that opens the device passes it in.
    pub(crate) run: fn(&Device, Needs) -> bool,
}

impl SelfTests {
    pub(crate) fn new(run: fn(&Device, Needs) -> bool) -> Self {
        Self { lanes: OnceLock::new(), half: OnceLock::new(), cooperative: Default::default(), run }
    }
}

/// An open adapter.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// The adapter's properties and limits.
    pub caps: Caps,
    /// Keeps the shaders' bounds checks.
    pub checked: bool,
    pub(crate) policy: VariantPolicy,
    pub(crate) cache: Arc<Cache>,
    pub(crate) self_tests: Arc<SelfTests>,
    /// The clock that times calls, chosen at first use.
    pub(crate) clock: Arc<Mutex<Option<Clock>>>,
    pub(crate) errors: Arc<DeviceErrors>,
}

impl Device {
    /// The same device with another variant policy. It applies to executors created from it.
    pub fn with_policy(self, policy: VariantPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The policy that chooses kernel variants.
    pub fn policy(&self) -> &VariantPolicy {
        &self.policy
    }

    /// The variant chosen for a call; `None` if its kernel has no variants.
    pub fn variant(&self, call: &Call) -> Option<&'static Variant> {
        self.policy.pick(call, &self.caps, |needs| self.passes_self_test(needs))
    }

    /// True if variants with these requirements compute correct results on this device. Tested at the first call, by a
    /// small matrix product.
    pub(crate) fn passes_self_test(&self, needs: Needs) -> bool {
        let result = match needs {
            Needs::Nothing | Needs::FewColumns | Needs::Tuning | Needs::Quads => return true,
            Needs::EightLanes | Needs::EightLanesQuads | Needs::EightLanesBlocks => &self.self_tests.lanes,
            Needs::Half => &self.self_tests.half,
            Needs::Cooperative(8) => &self.self_tests.cooperative[0],
            Needs::Cooperative(_) => &self.self_tests.cooperative[1],
        };
        *result.get_or_init(|| (self.self_tests.run)(self, needs))
    }

    /// Destroys the device. Later calls fail as on a lost device, which lets tests simulate one.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Returns an error if the device was lost or has reported an error since the last call.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fault = self.errors.fault.lock().expect("the lock is not poisoned").take();
        if fault.is_some() {
            // Commands to a lost device fail as invalid. Polling delivers the loss itself, once no submit is under way.
            if let Some(early) = self.cache.early.get() {
                early.stop();
                let rest = wgpu::PollType::Wait { submission_index: None, timeout: Some(Duration::from_secs(1)) };
                let _ = self.device.poll(rest);
            }
            let _ = self.device.poll(wgpu::PollType::Poll);
        }
        if let Some(why) = self.errors.lost.lock().expect("the lock is not poisoned").clone() {
            return Err(Error::Lost { why });
        }
        fault.map_or(Ok(()), Err)
    }

    /// Runs `make` and returns memory and validation errors as results. `what` and `bytes` describe the object made.
    pub(crate) fn with_error_scopes<T>(&self, what: &str, bytes: u64, make: impl FnOnce() -> T) -> Result<T, Error> {
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
