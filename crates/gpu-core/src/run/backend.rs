//! The choice of an executor: the requested one, or the one expected to be fastest.

use crate::cpu::element_bytes;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::{
    Adapter, Array, Caps, Cpu, Device, DeviceKind, Dtype, Error, Executor, Gpu, Memory, Reference, Schedule, Sharing,
    VariantPolicy,
};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// A requested device: `auto`, `cpu`, `reference`, `gpu`, `gpu:N`, or part of an adapter's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DeviceChoice {
    /// The best GPU; without one, a software adapter or the CPU executor, whichever is measured to be faster.
    #[default]
    Auto,
    /// The CPU executor.
    Cpu,
    /// The reference executor.
    Reference,
    /// The best adapter, including software ones.
    Gpu,
    /// The adapter of this number in [`Adapter::all`].
    Number(usize),
    /// The best adapter whose name contains this text.
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "reference" => Self::Reference,
            "gpu" => Self::Gpu,
            word => match word.strip_prefix("gpu:").and_then(|number| number.parse().ok()) {
                Some(number) => Self::Number(number),
                None => Self::Named(text.into()),
            },
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Reference => f.write_str("reference"),
            Self::Gpu => f.write_str("gpu"),
            Self::Number(number) => write!(f, "gpu:{number}"),
            Self::Named(part) => f.write_str(part),
        }
    }
}

/// An executor's device.
#[derive(Clone, Debug)]
pub enum Backend {
    /// The CPU executor, in single precision.
    Cpu,
    /// The reference executor: the CPU in double precision.
    Reference,
    /// The GPU executor on an open device.
    Gpu(Box<Device>),
}

impl Backend {
    /// Creates an executor over the buffers of `memory`.
    pub fn executor(&self, memory: Memory, sharing: Sharing) -> Box<dyn Executor> {
        match self {
            Self::Cpu => Box::new(Cpu::new(memory, sharing)),
            Self::Reference => Box::new(Reference::new(memory, sharing)),
            Self::Gpu(device) => Box::new(Gpu::new((**device).clone(), memory, sharing)),
        }
    }

    /// The size of an element in bytes.
    pub fn element_bytes(&self, dtype: Dtype) -> u64 {
        match self {
            Self::Reference => element_bytes::<f64>(dtype),
            Self::Cpu | Self::Gpu(_) => size_of::<u32>() as u64,
        }
    }

    /// The same backend with another variant policy; the executors on the CPU have no variants.
    pub fn with_policy(self, policy: VariantPolicy) -> Self {
        match self {
            Self::Cpu | Self::Reference => self,
            Self::Gpu(device) => Self::Gpu(Box::new(device.with_policy(policy))),
        }
    }

    /// Its name for display, which [`DeviceChoice`] accepts.
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => "cpu".into(),
            Self::Reference => "reference".into(),
            Self::Gpu(device) => device.caps.name.clone(),
        }
    }
}

/// The times of one matrix product, by which the CPU executor is compared with a software adapter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ProductTimes {
    /// On the adapter.
    pub adapter: Duration,
    /// On the CPU executor.
    pub cpu: Duration,
}

/// Returns the times for a software adapter, from a cache or by calling the function, which measures them.
pub type TimeProducts<'a> =
    dyn FnMut(&Caps, &dyn Fn() -> Result<ProductTimes, Error>) -> Result<ProductTimes, Error> + 'a;

/// Chooses a backend, and returns it with a line that explains the choice. `WGPU_ADAPTER_NAME` applies if no adapter is
/// named. `checked` keeps the shaders' bounds checks.
///
/// # Errors
/// There is no such adapter, or it does not open.
pub fn choose(choice: &DeviceChoice, checked: bool) -> Result<(Backend, String), Error> {
    choose_by(choice, checked, &mut |_, measure| measure())
}

/// The same, with `times` between the choice and the measurements that it needs; only [`DeviceChoice::Auto`] needs any.
///
/// # Errors
/// Those of [`choose`].
pub fn choose_by(
    choice: &DeviceChoice,
    checked: bool,
    times: &mut TimeProducts<'_>,
) -> Result<(Backend, String), Error> {
    if let (DeviceChoice::Auto | DeviceChoice::Gpu, Ok(name)) = (choice, std::env::var("WGPU_ADAPTER_NAME")) {
        return choose_by(&DeviceChoice::Named(name), checked, times);
    }
    match choice {
        DeviceChoice::Auto => automatic(checked, times),
        DeviceChoice::Cpu => Ok((Backend::Cpu, "the CPU executor, as requested".into())),
        DeviceChoice::Reference => Ok((Backend::Reference, "the reference executor, as requested".into())),
        DeviceChoice::Gpu => {
            let adapter = Adapter::best()?;
            Ok((open(&adapter, checked)?, format!("{}, the best adapter", adapter.caps)))
        }
        DeviceChoice::Number(number) => {
            let adapter = Adapter::numbered(*number)?;
            Ok((open(&adapter, checked)?, format!("{}, as requested", adapter.caps)))
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
fn automatic(checked: bool, times: &mut TimeProducts<'_>) -> Result<(Backend, String), Error> {
    let mut rejected = String::new();
    for adapter in Adapter::all() {
        let name = adapter.caps.to_string();
        let found = match adapter.caps.kind {
            DeviceKind::Software => faster(&adapter, checked, times),
            _ => open(&adapter, checked).map(|backend| (backend, format!("{name}, the best adapter"))),
        };
        match found {
            Ok((backend, why)) => return Ok((backend, why + &rejected)),
            Err(error) => rejected.push_str(&format!(" ({error})")),
        }
    }
    let none = if rejected.is_empty() { " (no adapter found)" } else { "" };
    Ok((Backend::Cpu, format!("the CPU executor{none}{rejected}")))
}

/// The faster of a software adapter and the CPU executor, by a matrix product.
fn faster(adapter: &Adapter, checked: bool, times: &mut TimeProducts<'_>) -> Result<(Backend, String), Error> {
    let measure = || {
        let software = open(adapter, checked)?;
        Ok(ProductTimes { adapter: product_time(&software)?, cpu: product_time(&Backend::Cpu)? })
    };
    let ProductTimes { adapter: shaders, cpu } = times(&adapter.caps, &measure)?;
    Ok(if cpu <= shaders {
        (Backend::Cpu, format!("the CPU executor, faster here than {}", adapter.caps.name))
    } else {
        (open(adapter, checked)?, format!("{}, faster here than the CPU executor", adapter.caps.name))
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
