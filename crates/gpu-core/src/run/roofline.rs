//! The roofline of a device: its copy bandwidth and arithmetic rate, measured.

use crate::DeviceKind;
use crate::ops::matmul::{Form, PLAIN, product};
use crate::ops::roof;
use crate::{Array, Backend, Buf, Clock, Error, Memory, Schedule, Sharing};
use std::time::Duration;

/// What a device reaches at its best, measured on it: the roofs over its kernels.
#[derive(Clone, Debug)]
pub struct Roofline {
    /// What the times were told by.
    pub clock: Clock,
    /// Bytes a second that a copy reads and writes.
    pub copy: f64,
    /// Floating-point operations a second of multiply-adds on what registers hold.
    pub fma: f64,
    /// Floating-point operations a second of a product of square matrices.
    pub product: f64,
    /// Their side.
    pub side: usize,
}

/// Runs of which the fastest counts, after one to warm up.
const RUNS: usize = 5;

impl Roofline {
    /// Measures them on an executor of their own.
    pub fn measure(backend: &Backend) -> Result<Self, Error> {
        let (side, copied, summed, turns) = match backend {
            Backend::Gpu(device) if device.caps.kind != DeviceKind::Software => {
                // More than any cache holds, if it may be bound.
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

    /// Operations a second that no kernel is expected to pass: the better of the two that were tried.
    pub fn flops(&self) -> f64 {
        self.fma.max(self.product)
    }

    /// The least time for so much work: arithmetic and memory may overlap.
    pub fn least(&self, flops: u64, bytes: u64) -> Duration {
        Duration::from_secs_f64((flops as f64 / self.flops()).max(bytes as f64 / self.copy))
    }
}

/// What one call did in a second.
struct Rate {
    flops: f64,
    bytes: f64,
}

/// The rate of the one call that `push` makes of a fed buffer, in its fastest run.
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
