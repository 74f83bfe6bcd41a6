//! The roofline of a device: its copy bandwidth and arithmetic rate, measured.

use crate::DeviceKind;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::ops::roof;
use crate::{Array, Backend, Buf, Clock, Error, Memory, Schedule, Sharing};
use std::time::Duration;

/// The measured peak rates of a device, against which kernels are compared.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// The clock used.
    pub clock: Clock,
    /// Bytes read and written per second by a copy.
    pub copy: f64,
    /// Floating-point operations per second of multiply-adds in registers.
    pub fma: f64,
    /// Floating-point operations per second of a product of square matrices.
    pub product: f64,
    /// The side of these matrices.
    pub side: usize,
}

/// Timed runs, after one to warm up; the fastest counts.
const RUNS: usize = 5;

impl Roofline {
    /// Measures a backend on a new executor.
    pub fn measure(backend: &Backend) -> Result<Self, Error> {
        let (side, copied, summed, turns) = match backend {
            Backend::Gpu(device) if device.caps.kind != DeviceKind::Software => {
                // More than fits in any cache, within the binding limit.
                let elements = (device.caps.max_binding_bytes.min(256 << 20) / 4) as usize;
                (1024, elements, 1 << 20, 512)
            }
            _ => (512, 1 << 23, 1 << 13, 512),
        };
        let (clock, copy) = best(backend, [copied], |s, x| roof::copy(s, "roof.copy", x))?;
        let (_, fma) = best(backend, [summed], |s, x| roof::fma(s, "roof.fma", x, turns, 0.5, 0.5))?;
        let (_, dense) = best(backend, [side, side], |s, x| product(s, "roof.product", x, x, Form::NN, PLAIN))?;
        Ok(Self { clock, copy: copy.bytes, fma: fma.flops, product: dense.flops, side })
    }

    /// The peak arithmetic rate: the higher of `fma` and `product`.
    pub fn flops(&self) -> f64 {
        self.fma.max(self.product)
    }

    /// The least time for this much work if arithmetic and memory traffic overlap.
    pub fn least(&self, flops: u64, bytes: u64) -> Duration {
        Duration::from_secs_f64((flops as f64 / self.flops()).max(bytes as f64 / self.copy))
    }
}

/// The rates of one call, per second.
struct Rate {
    flops: f64,
    bytes: f64,
}

/// The rate of the call that `push` adds, in its fastest run on a buffer of this shape.
fn best(
    backend: &Backend,
    shape: impl Into<crate::Shape>,
    push: impl FnOnce(&mut Schedule, Buf) -> Buf,
) -> Result<(Clock, Rate), Error> {
    let mut schedule = Schedule::new();
    let x = schedule.scratch(shape);
    schedule.feed(x);
    let y = push(&mut schedule, x);
    schedule.keep(y);
    let mut executor = backend.executor(Memory::default(), Sharing::On);
    let program = executor.prepare(&schedule)?;
    executor.write(x, &Array::F32(vec![0.5; x.len()]))?;
    let mut timing = executor.time_calls(program)?;
    let mut fastest = Duration::MAX;
    for _ in 0..RUNS {
        timing = executor.time_calls(program)?;
        fastest = fastest.min(timing.calls[0]);
    }
    let (call, seconds) = (&schedule.calls()[0], fastest.as_secs_f64().max(1e-9));
    Ok((timing.clock, Rate { flops: call.flops as f64 / seconds, bytes: call.bytes() as f64 / seconds }))
}
