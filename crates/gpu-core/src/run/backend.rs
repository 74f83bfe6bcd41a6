//! The choice of an executor: the requested adapter or the CPU executor, or the one expected to be fastest.

use crate::cpu::element_bytes;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::{
    Adapter, Array, Cpu, Device, DeviceKind, Dtype, Error, Executor, Gpu, Memory, Schedule, Sharing, VariantPolicy,
};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A requested device: `auto`, `cpu`, `gpu`, or part of an adapter's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DeviceChoice {
    /// The best GPU; without one, a software adapter or the CPU executor, whichever is measured to be faster.
    #[default]
    Auto,
    /// The CPU executor.
    Cpu,
    /// The best adapter, including software ones.
    Gpu,
    /// The best adapter whose name contains this text.
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            _ => Self::Named(text.into()),
        })
    }
}

/// An executor's device.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The reference executor.
    Cpu,
    /// The GPU executor on an open device.
    Gpu(Box<Device>),
}

impl Backend {
    /// Creates an executor over the buffers of `memory`.
    pub fn executor(&self, memory: Memory, sharing: Sharing) -> Box<dyn Executor> {
        match self {
            Self::Cpu => Box::new(Cpu::new(memory, sharing)),
            Self::Gpu(device) => Box::new(Gpu::new((**device).clone(), memory, sharing)),
        }
    }

    /// The size of an element in bytes.
    pub fn element_bytes(&self, dtype: Dtype) -> u64 {
        match self {
            Self::Cpu => element_bytes(dtype),
            Self::Gpu(_) => size_of::<u32>() as u64,
        }
    }

    /// The same backend with another variant policy; the CPU executor has no variants.
    pub fn with_policy(self, policy: VariantPolicy) -> Self {
        match self {
            Self::Cpu => Self::Cpu,
            Self::Gpu(device) => Self::Gpu(Box::new(device.with_policy(policy))),
        }
    }

    /// Its name for display, which [`DeviceChoice`] accepts.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".into(),
            Self::Gpu(device) => device.caps.name.clone(),
        }
    }
}

/// Chooses a backend, and returns it with a line that explains the choice. `WGPU_ADAPTER_NAME` applies if no adapter is
/// named. `checked` keeps the shaders' bounds checks.
pub fn choose(choice: &DeviceChoice, checked: bool) -> Result<(Backend, String), Error> {
    if let (DeviceChoice::Auto | DeviceChoice::Gpu, Ok(name)) = (choice, std::env::var("WGPU_ADAPTER_NAME")) {
        return choose(&DeviceChoice::Named(name), checked);
    }
    match choice {
        DeviceChoice::Auto => automatic(checked),
        DeviceChoice::Cpu => Ok((Backend::Cpu, "the CPU executor, as requested".into())),
        DeviceChoice::Gpu => {
            let adapter = Adapter::best()?;
            Ok((open(&adapter, checked)?, format!("{}, the best adapter", adapter.caps)))
        }
        DeviceChoice::Named(part) => {
            let adapter = Adapter::named(part)?;
            Ok((open(&adapter, checked)?, format!("{}, as requested", adapter.caps)))
        }
    }
}

fn open(adapter: &Adapter, checked: bool) -> Result<Backend, Error> {
    adapter.open(checked).map(|device| Backend::Gpu(Box::new(device)))
}

/// The best adapter that opens. A software adapter must be faster than the CPU executor, which is the fallback.
fn automatic(checked: bool) -> Result<(Backend, String), Error> {
    let mut passed_over = String::new();
    for adapter in Adapter::all() {
        let name = adapter.caps.to_string();
        match open(&adapter, checked) {
            Ok(software) if adapter.caps.kind == DeviceKind::Software => {
                let (backend, why) = faster(software, &name)?;
                return Ok((backend, why + &passed_over));
            }
            Ok(backend) => return Ok((backend, format!("{name}, the best adapter{passed_over}"))),
            Err(error) => passed_over.push_str(&format!(" ({error})")),
        }
    }
    let none = if passed_over.is_empty() { " (no adapter found)" } else { "" };
    Ok((Backend::Cpu, format!("the CPU executor{none}{passed_over}")))
}

/// Compares a software adapter with the CPU executor on a matrix product and returns the faster.
fn faster(software: Backend, name: &str) -> Result<(Backend, String), Error> {
    let (shaders, cpu) = (product_time(&software)?, product_time(&Backend::Cpu)?);
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Ok(if cpu <= shaders {
        (Backend::Cpu, format!("the CPU executor (matrix product in {}; {name}: {})", ms(cpu), ms(shaders)))
    } else {
        (software, format!("{name} (matrix product in {}; CPU executor: {})", ms(shaders), ms(cpu)))
    })
}

/// The best time of three for a product of 384 × 384 matrices, after one run to warm up.
fn product_time(backend: &Backend) -> Result<Duration, Error> {
    const SIDE: usize = 384;
    let mut schedule = Schedule::new();
    let a = schedule.scratch([SIDE, SIDE]);
    schedule.feed(a);
    let y = product(&mut schedule, "probe", a, a, Form::NN, PLAIN);
    schedule.keep(y);
    let mut executor = backend.executor(Memory::default(), Sharing::On);
    let program = executor.prepare(&schedule)?;
    executor.write(a, &Array::F32(vec![0.5; SIDE * SIDE]))?;
    let mut best = Duration::MAX;
    for round in 0..4 {
        let start = Instant::now();
        let ticket = executor.submit(&[program], 1, &[])?;
        executor.wait(ticket)?;
        if round > 0 {
            best = best.min(start.elapsed());
        }
    }
    Ok(best)
}
