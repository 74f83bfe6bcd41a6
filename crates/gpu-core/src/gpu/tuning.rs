//! Benchmarks of the variants of a call on a device. Each is compared with the default variant before it is timed.

use super::device::Device;
use super::run::Gpu;
use super::variants::eligible;
use crate::{
    Access, Array, Buf, Call, Dtype, Error, Executor, Memory, Program, Schedule, Sharing, Variant, VariantPolicy,
};
use std::time::{Duration, Instant};

/// The most variants to try for one call.
const CANDIDATES: usize = 24;
/// Rounds over all candidates; the median of the rounds counts.
const ROUNDS: usize = 5;
/// The target time of one candidate in a round.
const ROUND: Duration = Duration::from_millis(20);
/// The most runs in a round.
const RUNS: u32 = 64;

/// The result of trying one variant.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The variant's name.
    pub name: &'static str,
    /// The median time of one run, or the reason why the device cannot use the variant.
    pub result: Result<Duration, String>,
}

/// A variant being timed.
struct Runner {
    gpu: Gpu,
    program: Program,
    /// Runs in a round.
    runs: u32,
    times: Vec<Duration>,
}

/// Tries the variants of a call on random numbers, the default one first. Returns nothing if there is only one. `half`
/// includes variants in half precision.
///
/// # Errors
/// If the device fails to run the default variant.
pub fn trials(device: &Device, call: &Call, half: bool) -> Result<Vec<Trial>, Error> {
    let mut candidates = eligible(call, &device.caps);
    candidates.retain(|variant| (half || !variant.is_half()) && device.passes_self_test(variant.needs));
    candidates.truncate(CANDIDATES);
    if candidates.len() < 2 {
        return Ok(Vec::new());
    }
    let (schedule, bufs) = Schedule::alone(call);
    let mut trials = Vec::new();
    let mut expected: Option<Vec<Array>> = None;
    let mut runners = Vec::new();
    for variant in candidates {
        let tolerance = tolerance(call, variant);
        let started = start(device, call, &schedule, &bufs, variant.suffix(call.kernel.name));
        let runner = match (started, &expected) {
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => Err(error.to_string()),
            (Ok((runner, found)), None) => {
                expected = Some(found);
                Ok(runner)
            }
            (Ok((runner, found)), Some(expected)) => match distance(&found, expected) {
                error if error <= tolerance => Ok(runner),
                error => Err(format!("error {error:.1e} exceeds the tolerance {tolerance:.1e}")),
            },
        };
        match runner {
            Ok(runner) => runners.push((variant.name, runner)),
            Err(why) => trials.push(Trial { name: variant.name, result: Err(why) }),
        }
    }
    for _ in 0..ROUNDS {
        for (_, runner) in &mut runners {
            let took = runner.round()?;
            runner.times.push(took);
        }
    }
    for (name, mut runner) in runners {
        runner.times.sort();
        trials.push(Trial { name, result: Ok(runner.times[ROUNDS / 2]) });
    }
    Ok(trials)
}

impl Runner {
    /// Runs one round and returns the time of one run.
    fn round(&mut self) -> Result<Duration, Error> {
        let start = Instant::now();
        let ticket = self.gpu.submit(&[self.program], self.runs, &[])?;
        self.gpu.wait(ticket)?;
        Ok(start.elapsed() / self.runs)
    }
}

/// Prepares a variant and runs it once; also returns its outputs.
fn start(
    device: &Device,
    call: &Call,
    schedule: &Schedule,
    bufs: &[Buf],
    suffix: &'static str,
) -> Result<(Runner, Vec<Array>), Error> {
    let device = device.clone().with_policy(VariantPolicy::Only(suffix));
    let mut gpu = Gpu::new(device, Memory::default(), Sharing::Off);
    let program = gpu.prepare(schedule)?;
    for (index, buf) in bufs.iter().enumerate() {
        gpu.write(*buf, &numbers(*buf, index))?;
    }
    let written = call.kernel.bindings.iter().zip(bufs).filter(|(binding, _)| binding.access != Access::Read);
    let written: Vec<Buf> = written.map(|(_, buf)| *buf).collect();
    let ticket = gpu.submit(&[program], 1, &written)?;
    let found = gpu.wait(ticket)?;
    let mut runner = Runner { gpu, program, runs: 1, times: Vec::new() };
    let once = runner.round()?;
    runner.runs = (ROUND.as_secs_f64() / once.as_secs_f64().max(1e-6)).clamp(1.0, f64::from(RUNS)) as u32;
    Ok((runner, found))
}

/// Pseudo-random numbers in [−1, 1); words are zero.
fn numbers(buf: Buf, seed: usize) -> Array {
    let mix = |i: usize| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7) % 2000;
    match buf.dtype {
        Dtype::F32 => Array::F32((0..buf.len()).map(|i| mix(i) as f32 / 1000.0 - 1.0).collect()),
        Dtype::U32 => Array::U32(vec![0; buf.len()]),
    }
}

/// The largest allowed difference between two variants: they sum in different orders, and half precision rounds each
/// operand.
fn tolerance(call: &Call, variant: &Variant) -> f64 {
    let outputs: usize = call.writes().map(|buf| buf.len()).sum();
    let terms = call.flops as f64 / 2.0 / outputs as f64;
    let unit = if variant.is_half() { 2f64.powi(-11) } else { f64::from(f32::EPSILON) };
    16.0 * unit * terms.max(1.0).sqrt()
}

/// The largest |found − expected| / max(1, |expected|); infinite if a value is not finite.
fn distance(found: &[Array], expected: &[Array]) -> f64 {
    let pairs = found.iter().zip(expected).flat_map(|(a, b)| a.to_f64().into_iter().zip(b.to_f64()));
    let errors = pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
    errors.map(|error| if error.is_finite() { error } else { f64::INFINITY }).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Adapter;
    use crate::ops::matmul::{Form, MATMUL, MatmulParams, PLAIN, plain_params, product};
    use crate::{Grid, Kernel};

    fn device() -> Device {
        Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver is installed")
    }

    fn operands(schedule: &mut Schedule) -> [Buf; 2] {
        let bufs = [[40, 30], [30, 70]].map(|shape| schedule.scratch(shape));
        bufs.into_iter().for_each(|buf| schedule.feed(buf));
        bufs
    }

    #[test]
    fn every_variant_is_timed() {
        let device = device();
        let mut schedule = Schedule::new();
        let [a, b] = operands(&mut schedule);
        product(&mut schedule, "y", a, b, Form::NN, PLAIN);
        let call = &schedule.calls()[0];
        let tried = trials(&device, call, true).unwrap();
        assert_eq!(tried.len(), eligible(call, &device.caps).len());
        assert_eq!(tried[0].name, "matmul");
        assert!(tried.iter().all(|trial| trial.result.as_ref().is_ok_and(|took| *took > Duration::ZERO)), "{tried:?}");
    }

    /// A kernel whose second variant computes a wrong result and whose third does not compile.
    #[test]
    fn a_wrong_variant_is_refused() {
        let wrong: &str = MATMUL.source.concat().replace("c00 += a0.x * b0;", "c00 += 1.01 * a0.x * b0;").leak();
        let broken: &str = MATMUL.source.concat().replace("c00 += a0.x * b0;", "c00 += nothing;").leak();
        let with = |source: &'static str| {
            let source: &'static [&'static str] = vec![source].leak();
            Variant { source, ..MATMUL.variants[0] }
        };
        let variants = vec![
            MATMUL.variants[0],
            Variant { name: "matmul_wrong", ..with(wrong) },
            Variant { name: "matmul_broken", ..with(broken) },
        ];
        let kernel: &'static Kernel = Box::leak(Box::new(Kernel { variants: variants.leak(), ..MATMUL }));
        let mut schedule = Schedule::new();
        let [a, b] = operands(&mut schedule);
        let y = schedule.scratch([40, 70]);
        let params: MatmulParams = plain_params(40, 70, 30, Form::NN);
        let grid = Grid::Tiles { rows: 40, cols: 70, layers: 1 };
        schedule.push(kernel, "y", &[a, b, a, a, y], &params, grid, 2 * 40 * 70 * 30);
        let tried = trials(&device(), &schedule.calls()[0], false).unwrap();
        let of = |name| &tried.iter().find(|trial| trial.name == name).expect("the variant is tried").result;
        assert!(of("matmul").is_ok());
        assert!(of("matmul_wrong").as_ref().is_err_and(|why| why.starts_with("error ")), "{tried:?}");
        assert!(of("matmul_broken").as_ref().is_err_and(|why| why.contains("matmul_broken")), "{tried:?}");
    }
}
