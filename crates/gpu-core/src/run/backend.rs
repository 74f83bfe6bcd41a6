//! Which interpreter runs: the adapter or the CPU executor that was asked for, or the one that should be fastest.

use crate::cpu::element_bytes;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::{
    Adapter, Array, Cpu, Device, DeviceKind, Dtype, Error, Executor, Gpu, Memory, Schedule, Sharing, VariantPolicy,
};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// What to run on, as it is typed: `auto`, `cpu`, `gpu`, or a part of an adapter's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DeviceChoice {
    /// A real GPU; without one, a software adapter or the CPU executor, whichever measures faster.
    #[default]
    Auto,
    /// The CPU executor.
    Cpu,
    /// The best adapter, a software one too.
    Gpu,
    /// The best adapter with this in its name.
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            name => Self::Named(name.into()),
        })
    }
}

/// What was chosen.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The reference executor.
    Cpu,
    /// The GPU executor on an open device.
    Gpu(Box<Device>),
}

impl Backend {
    /// An executor over the places of `memory`.
    pub fn executor(&self, memory: Memory, sharing: Sharing) -> Box<dyn Executor> {
        match self {
            Self::Cpu => Box::new(Cpu::new(memory, sharing)),
            Self::Gpu(device) => Box::new(Gpu::new((**device).clone(), memory, sharing)),
        }
    }

    /// Bytes that an element takes.
    pub fn element_bytes(&self, dtype: Dtype) -> u64 {
        match self {
            Self::Cpu => element_bytes(dtype),
            Self::Gpu(_) => size_of::<u32>() as u64,
        }
    }

    /// The same with variants of kernels chosen in another way; the CPU executor has none.
    pub fn with_policy(self, policy: VariantPolicy) -> Self {
        match self {
            Self::Cpu => Self::Cpu,
            Self::Gpu(device) => Self::Gpu(Box::new(device.with_policy(policy))),
        }
    }

    /// Its name for people, and for the next run to ask for.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".into(),
            Self::Gpu(device) => device.caps.name.clone(),
        }
    }
}

/// Chooses, and says why in one line; `WGPU_ADAPTER_NAME` speaks where nothing is named. `checked` keeps the
/// shaders' bounds checks.
pub fn choose(choice: &DeviceChoice, checked: bool) -> Result<(Backend, String), Error> {
    if let (DeviceChoice::Auto | DeviceChoice::Gpu, Ok(name)) = (choice, std::env::var("WGPU_ADAPTER_NAME")) {
        return choose(&DeviceChoice::Named(name), checked);
    }
    match choice {
        DeviceChoice::Auto => automatic(checked),
        DeviceChoice::Cpu => Ok((Backend::Cpu, "the CPU executor, as asked".into())),
        DeviceChoice::Gpu => {
            let adapter = Adapter::best()?;
            Ok((open(&adapter, checked)?, format!("{}, the best adapter", adapter.caps)))
        }
        DeviceChoice::Named(part) => {
            let adapter = Adapter::named(part)?;
            Ok((open(&adapter, checked)?, format!("{}, as asked", adapter.caps)))
        }
    }
}

fn open(adapter: &Adapter, checked: bool) -> Result<Backend, Error> {
    adapter.open(checked).map(|device| Backend::Gpu(Box::new(device)))
}

/// The best adapter that opens; a software one only if it is faster than the CPU executor, which is what is left.
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
    let none = if passed_over.is_empty() { ": there is no adapter" } else { "" };
    Ok((Backend::Cpu, format!("the CPU executor{none}{passed_over}")))
}

/// Of a software adapter and the CPU executor, the one that multiplies matrices faster.
fn faster(software: Backend, name: &str) -> Result<(Backend, String), Error> {
    let (shaders, cpu) = (product_time(&software)?, product_time(&Backend::Cpu)?);
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    Ok(if cpu <= shaders {
        (Backend::Cpu, format!("the CPU executor: a product takes it {}, and {name} {}", ms(cpu), ms(shaders)))
    } else {
        (software, format!("{name}: a product takes it {}, and the CPU executor {}", ms(shaders), ms(cpu)))
    })
}

/// The best time of a few for a product of 384 × 384 matrices, after one to warm up.
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
