//! Measured time of a training step, call by call.

use crate::io::error::Result;
use crate::run::epoch_plan::EpochPlan;
use crate::run::planned::{Footprint, Planned, barriers_of, order, phases, schedules};
use crate::run::session::Session;
use crate::run::startup::Startup;
use gpu_core::{Backend, BarrierCounts, Clock, Counters, Program, Roofline, SubmitLoop, Waits};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Time to spend on timing calls, and on timing whole steps, if no number of steps is given.
const LONG_ENOUGH: Duration = Duration::from_secs(3);
/// The fewest steps for a median, and the most if no number is given.
const STEPS: (u64, u64) = (3, 1000);
/// Parts in which whole steps are timed; the median counts.
const PARTS: u64 = 3;
/// Share of the matrix product's rate above which a call counts as bound by arithmetic.
pub const NEAR_PRODUCT: f64 = 0.7;

/// One call of a step.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the phase.
    pub phase: &'static str,
    /// Label of the call.
    pub label: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Name of the variant that the device runs.
    pub variant: &'static str,
    /// Its work in a step.
    pub work: Work,
}

/// Work and time of one or more calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Calls.
    pub calls: u64,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Measured time.
    pub time: Duration,
    /// The least time by the roofline.
    pub least: Duration,
}

impl Work {
    /// The sum of both.
    pub fn and(self, other: &Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            flops: self.flops + other.flops,
            bytes: self.bytes + other.bytes,
            time: self.time + other.time,
            least: self.least + other.least,
        }
    }

    /// Operations a second.
    pub fn flop_rate(&self) -> f64 {
        self.flops as f64 / self.seconds()
    }

    /// Bytes a second.
    pub fn byte_rate(&self) -> f64 {
        self.bytes as f64 / self.seconds()
    }

    /// The share of the roofline. Data in a cache may exceed the roof of the memory.
    pub fn roof_share(&self) -> f64 {
        self.least.as_secs_f64() / self.seconds()
    }

    fn seconds(&self) -> f64 {
        self.time.as_secs_f64().max(1e-9)
    }
}

/// Whole steps as training runs them: many to a submit, two submits in flight.
#[derive(Clone, Copy, Debug)]
pub struct Whole {
    /// Steps timed.
    pub steps: u64,
    /// The median of the parts.
    pub step: Duration,
    /// Host time spent in encoding a step.
    pub encoding: Duration,
    /// Host time spent in submitting it.
    pub submitting: Duration,
    /// Submits.
    pub submits: u64,
    /// Waits for the device.
    pub waits: Waits,
    /// Waits for anything else.
    pub other_waits: u64,
}

/// A profile.
pub struct Profile {
    /// The clock of the calls.
    pub clock: Clock,
    /// Steps whose calls were timed.
    pub timed: u64,
    /// In order.
    pub calls: Vec<Call>,
    /// Whole steps.
    pub whole: Whole,
    /// Rates of the device.
    pub rates: Roofline,
    /// Planned memory.
    pub planned: Footprint,
    /// Barriers of a step.
    pub barriers: BarrierCounts,
    /// Counters of the executor.
    pub counters: Counters,
    /// Time before the first step.
    pub startup: Startup,
}

impl Profile {
    /// Measures a session whose weights are set. `steps` are run, or as many as take a few seconds.
    pub fn measure(session: &mut Session, backend: &Backend, steps: Option<u64>, mut startup: Startup) -> Result<Self> {
        let phases = phases(&session.config, session.model.as_ref());
        let programs = prepare(session, &phases)?;
        startup.lap("programs");
        put_data(session)?;
        startup.lap("upload");
        let mut stepper = Stepper { order: &in_order(&phases, &programs), submits: SubmitLoop::default(), done: 0 };
        stepper.drive(session, 1)?;
        startup.lap("first step");
        startup.shaders(session.executor.counters());
        let whole = stepper.whole(session, steps)?;
        let counters = session.executor.counters();
        let rates = Roofline::measure(backend)?;
        let (clock, timed, times) = time_calls(session, &programs, &phases, steps)?;
        let model = session.model.as_ref();
        let schedules = schedules(&session.config, model, &phases);
        let planned = match backend {
            Backend::Gpu(_) => Footprint::on_a_device(model, &schedules),
            Backend::Cpu | Backend::Reference => Footprint::of(model, &schedules, |dtype| backend.element_bytes(dtype)),
        };
        let calls = calls(&phases, &times, &rates, backend);
        let barriers = barriers_of(&phases);
        Ok(Self { clock, timed, calls, whole, rates, planned, barriers, counters, startup })
    }

    /// All calls together.
    pub fn total(&self) -> Work {
        self.calls.iter().fold(Work::default(), |all, call| all.and(&call.work))
    }

    /// The share of time in calls that run near the rate of the matrix product.
    pub fn near_product(&self) -> f64 {
        let good = self.calls.iter().filter(|call| call.work.flop_rate() >= NEAR_PRODUCT * self.rates.product);
        let time: Duration = good.map(|call| call.work.time).sum();
        time.as_secs_f64() / self.total().seconds()
    }

    /// By kernel, the longest first.
    pub fn kernels(&self) -> Vec<(&'static str, Work)> {
        let mut kernels: Vec<(&'static str, Work)> = Vec::new();
        for call in &self.calls {
            match kernels.iter_mut().find(|(kernel, _)| *kernel == call.kernel) {
                Some((_, work)) => *work = work.and(&call.work),
                None => kernels.push((call.kernel, call.work)),
            }
        }
        kernels.sort_by_key(|(_, work)| std::cmp::Reverse(work.time));
        kernels
    }
}

/// A program for each phase.
fn prepare(session: &mut Session, phases: &[Planned]) -> Result<Vec<Program>> {
    let prepared = phases.iter().map(|planned| Ok(session.executor.prepare(&planned.phase.schedule)?));
    prepared.collect()
}

/// Puts the first training images onto the device.
fn put_data(session: &mut Session) -> Result<()> {
    let steps = EpochPlan::new(&session.config, session.data.epoch_images());
    session.put_shard(&steps, &steps.at(0))
}

/// The programs of a step, each as often as it runs.
fn in_order(phases: &[Planned], programs: &[Program]) -> Vec<Program> {
    order(phases).into_iter().map(|phase| programs[phase]).collect()
}

/// Runs whole steps.
struct Stepper<'a> {
    order: &'a [Program],
    submits: SubmitLoop,
    done: u64,
}

impl Stepper<'_> {
    fn drive(&mut self, session: &mut Session, steps: u64) -> Result<Duration> {
        let (ring, executor) = (session.model.buffers().ring, session.executor.as_mut());
        let start = Instant::now();
        let mut seen = |_| ControlFlow::Continue(());
        self.done += self.submits.drive(executor, self.order, self.done + 1, steps, ring, &mut seen)?;
        Ok(start.elapsed())
    }

    /// The time of a step, and its host time.
    fn whole(&mut self, session: &mut Session, steps: Option<u64>) -> Result<Whole> {
        let one = self.drive(session, 1)?;
        let part = match steps {
            Some(steps) => steps.div_ceil(PARTS),
            None => fitting(one).div_ceil(PARTS),
        };
        if part > 1 {
            // Until as many go into a submit as will.
            self.drive(session, part)?;
        }
        let (before, waits) = (session.executor.counters(), self.submits.waits());
        let times = (0..PARTS).map(|_| self.drive(session, part)).collect::<Result<Vec<_>>>()?;
        let (after, now) = (session.executor.counters(), self.submits.waits());
        let waits = Waits { bound: now.bound - waits.bound, end: now.end - waits.end };
        Ok(Whole {
            steps: part * PARTS,
            step: median(times) / part as u32,
            encoding: (after.encoding - before.encoding) / (part * PARTS) as u32,
            submitting: (after.submitting - before.submitting) / (part * PARTS) as u32,
            submits: after.submits - before.submits,
            waits,
            other_waits: after.waits - before.waits - waits.bound - waits.end,
        })
    }
}

/// The number of steps that take long enough.
fn fitting(one: Duration) -> u64 {
    ((LONG_ENOUGH.as_secs_f64() / one.as_secs_f64().max(1e-6)) as u64).clamp(STEPS.0, STEPS.1)
}

/// The median time of each call of each phase, with the clock and the number of steps.
fn time_calls(
    session: &mut Session,
    programs: &[Program],
    phases: &[Planned],
    steps: Option<u64>,
) -> Result<(Clock, u64, Vec<Vec<Duration>>)> {
    let mut samples: Vec<Vec<Vec<Duration>>> =
        phases.iter().map(|planned| vec![Vec::new(); planned.phase.schedule.calls().len()]).collect();
    let mut clock = None;
    let (start, mut done) = (Instant::now(), 0);
    while steps.map_or(done < STEPS.0 || (start.elapsed() < LONG_ENOUGH && done < STEPS.1), |steps| done < steps) {
        for phase in order(phases) {
            let timing = session.executor.time_calls(programs[phase])?;
            clock = Some(timing.clock);
            samples[phase].iter_mut().zip(timing.calls).for_each(|(samples, time)| samples.push(time));
        }
        done += 1;
    }
    let medians = samples.into_iter().map(|calls| calls.into_iter().map(median).collect()).collect();
    Ok((clock.expect("a step has calls"), done, medians))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The calls of a step with their times.
fn calls(phases: &[Planned], times: &[Vec<Duration>], rates: &Roofline, backend: &Backend) -> Vec<Call> {
    let of_phase = |(planned, times): (&Planned, &Vec<Duration>)| {
        let phase = &planned.phase;
        let runs = phase.times as u64;
        let call = |(step, &time): (&gpu_core::Call, &Duration)| {
            let (flops, bytes) = (runs * step.flops, runs * step.bytes());
            let work = Work { calls: runs, flops, bytes, time: time * runs as u32, least: rates.least(flops, bytes) };
            Call {
                phase: phase.name,
                label: step.label.clone(),
                kernel: step.kernel.name,
                variant: variant(step, backend),
                work,
            }
        };
        phase.schedule.calls().iter().zip(times).map(call).collect::<Vec<_>>()
    };
    let all: Vec<Call> = phases.iter().zip(times).flat_map(of_phase).collect();
    all.into_iter().fold(Vec::new(), with_its_part)
}

/// Adds a call to the same call of other micro-batches.
fn with_its_part(mut calls: Vec<Call>, call: Call) -> Vec<Call> {
    let names = |call: &Call| (call.phase, call.label.clone(), call.kernel, call.variant);
    match calls.iter_mut().find(|known| names(known) == names(&call)) {
        Some(known) => known.work = known.work.and(&call.work),
        None => calls.push(call),
    }
    calls
}

/// The variant of a call's kernel; the executors on the CPU have none.
fn variant(step: &gpu_core::Call, backend: &Backend) -> &'static str {
    let variant = match backend {
        Backend::Gpu(device) => device.variant(step),
        Backend::Cpu | Backend::Reference => None,
    };
    variant.map_or(step.kernel.name, |variant| variant.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_all_of_its_calls() {
        let work = |ms| Work { calls: 1, flops: 10, bytes: 20, time: Duration::from_millis(ms), ..Work::default() };
        let both = work(3).and(&work(5));
        assert_eq!((both.calls, both.flops, both.bytes, both.time), (2, 20, 40, Duration::from_millis(8)));
        assert!((both.flop_rate() - 2500.0).abs() < 1e-6 && (both.byte_rate() - 5000.0).abs() < 1e-6);
    }

    #[test]
    fn a_median_is_the_middle_one() {
        let times = [9, 1, 5].map(Duration::from_millis);
        assert_eq!(median(times.into()), Duration::from_millis(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
