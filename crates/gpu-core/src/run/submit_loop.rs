//! The submit loop: runs programs many times, with short runs batched into one submit and long ones split over several,
//! two submits in flight.

use crate::{Array, Buf, Error, Executor, Program, Ticket};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The target time of a submit: short enough for drivers' watchdogs and for prompt interruption, long enough that the
/// overhead of submitting is negligible.
const SUBMIT: Duration = Duration::from_millis(50);
const IN_FLIGHT: usize = 2;

/// One run's row of the ring of losses.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// The run, counted from one since training began.
    pub step: u64,
    /// The columns of the ring.
    pub values: Vec<f64>,
}

impl Record {
    /// The record of a step, from the contents of its ring.
    pub fn of(values: &Array, ring: Buf, step: u64) -> Self {
        let (rows, columns) = (ring.shape.rows() as u64, ring.shape.cols());
        let start = ((step - 1) % rows) as usize * columns;
        Self { step, values: values.to_f64()[start..start + columns].to_vec() }
    }
}

struct Flight {
    ticket: Ticket,
    first: u64,
    /// Runs that end in this submit; zero if it is a part of a longer run.
    runs: u32,
    programs: usize,
}

/// Runs programs many times. It adapts the size of submits, and keeps it from one call of [`SubmitLoop::drive`] to the
/// next.
#[derive(Debug)]
pub struct SubmitLoop {
    /// Programs in the next submit, which may be several runs or a part of one.
    programs: usize,
    waits: Waits,
}

/// The number of times that the host waited for a submit, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waits {
    /// Because the limit of submits in flight was reached.
    pub bound: u64,
    /// At the end, for the remaining submits.
    pub end: u64,
}

impl Default for SubmitLoop {
    fn default() -> Self {
        Self { programs: 1, waits: Waits::default() }
    }
}

impl SubmitLoop {
    /// Runs `programs` (at least one) in order, `runs` times. Returns the number of runs done.
    ///
    /// `first` is the step of the first run. Each run's row of `ring` ([rows, columns], row (step − 1) mod rows) is
    /// passed to `seen`, in order. If `seen` breaks, the loop stops early, after the runs already started.
    pub fn drive(
        &mut self,
        executor: &mut dyn Executor,
        programs: &[Program],
        first: u64,
        runs: u64,
        ring: Buf,
        seen: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let (rows, of_run) = (ring.shape.rows(), programs.len());
        let mut flights: VecDeque<Flight> = VecDeque::new();
        let (mut submitted, mut begun, mut stopped) = (0, 0, false);
        let mut since = Instant::now();
        loop {
            // A run that has started is completed.
            let more = |submitted: u64, begun: usize, stopped: bool| begun > 0 || (submitted < runs && !stopped);
            while flights.len() < IN_FLIGHT && more(submitted, begun, stopped) {
                let first = first + submitted;
                let flight = if begun > 0 || self.programs < of_run {
                    let chunk = begun..of_run.min(begun + self.programs);
                    let ends = chunk.end == of_run;
                    begun = if ends { 0 } else { chunk.end };
                    let watch = [ring];
                    let ticket = executor.submit(&programs[chunk.clone()], 1, if ends { &watch } else { &[] })?;
                    Flight { ticket, first, runs: ends.into(), programs: chunk.len() }
                } else {
                    let now = ((self.programs / of_run).min(rows) as u64).min(runs - submitted) as u32;
                    let ticket = executor.submit(programs, now, &[ring])?;
                    Flight { ticket, first, runs: now, programs: now as usize * of_run }
                };
                submitted += u64::from(flight.runs);
                flights.push_back(flight);
            }
            let Some(flight) = flights.pop_front() else { return Ok(submitted) };
            match more(submitted, begun, stopped) {
                true => self.waits.bound += 1,
                false => self.waits.end += 1,
            }
            let arrays = executor.wait(flight.ticket)?;
            self.adapt(since.elapsed(), flight.programs, rows * of_run);
            since = Instant::now();
            if let Some(values) = arrays.first() {
                for record in records(values, ring, flight.first, flight.runs) {
                    stopped |= seen(record).is_break();
                }
            }
        }
    }

    /// The waits so far.
    pub fn waits(&self) -> Waits {
        self.waits
    }

    /// Sets the size of the next submit from the time of the last. It is at most doubled, so that one fast outlier does
    /// not lead to a submit that a watchdog would kill.
    fn adapt(&mut self, took: Duration, programs: usize, most: usize) {
        let wanted = programs as f64 * SUBMIT.as_secs_f64() / took.as_secs_f64().max(1e-6);
        self.programs = (wanted as usize).clamp(1, 2 * self.programs).min(most);
    }
}

fn records(ring: &Array, shape: Buf, first: u64, runs: u32) -> Vec<Record> {
    let (rows, columns) = (shape.shape.rows() as u64, shape.shape.cols());
    let values = ring.to_f64();
    let row = |step: u64| {
        let start = ((step - 1) % rows) as usize * columns;
        Record { step, values: values[start..start + columns].to_vec() }
    };
    (first..first + u64::from(runs)).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arena, BufferId, Counters, Dtype, Schedule, Timing};
    use std::thread::sleep;

    /// An executor that sleeps for `each` in every program and records its submits.
    struct Slow {
        each: Duration,
        submits: Vec<(Vec<Program>, u32, bool)>,
    }

    impl Executor for Slow {
        fn describe(&self) -> String {
            "slow".into()
        }

        fn prepare(&mut self, _: &Schedule) -> Result<Program, Error> {
            unreachable!("programs are made up")
        }

        fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
            self.submits.push((programs.to_vec(), times, !watch.is_empty()));
            Ok(Ticket(self.submits.len() as u64))
        }

        fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error> {
            let (programs, times, watched) = &self.submits[ticket.0 as usize - 1];
            sleep(self.each * programs.len() as u32 * *times);
            Ok(watched.then(|| Array::F64(vec![0.0; RING.len()])).into_iter().collect())
        }

        fn run_call(&mut self, _: Program, _: usize) -> Result<(), Error> {
            unreachable!("programs are not run call by call")
        }

        fn read(&mut self, _: Buf) -> Result<Array, Error> {
            unreachable!("there is no memory")
        }

        fn write(&mut self, _: Buf, _: &Array) -> Result<(), Error> {
            unreachable!("there is no memory")
        }

        fn time_calls(&mut self, _: Program) -> Result<Timing, Error> {
            unreachable!("no program has calls")
        }

        fn counters(&self) -> Counters {
            Counters::default()
        }
    }

    static RING: std::sync::LazyLock<Buf> = std::sync::LazyLock::new(|| Buf {
        id: BufferId { arena: Arena::Persistent, index: 0 },
        offset: 0,
        shape: [8, 1].into(),
        dtype: Dtype::F32,
    });

    /// Drives `runs` runs and returns the executor and the steps seen; breaks at step `last`.
    fn driven(each: Duration, programs: usize, runs: u64, last: u64) -> (Slow, Vec<u64>) {
        let mut slow = Slow { each, submits: Vec::new() };
        let programs: Vec<Program> = (0..programs).map(Program).collect();
        let mut steps = Vec::new();
        let mut seen = |record: Record| {
            steps.push(record.step);
            if record.step == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        SubmitLoop::default().drive(&mut slow, &programs, 1, runs, *RING, &mut seen).unwrap();
        (slow, steps)
    }

    #[test]
    fn a_long_run_is_split_into_submits() {
        let (slow, steps) = driven(Duration::from_millis(20), 8, 2, u64::MAX);
        assert_eq!(steps, [1, 2]);
        let order: Vec<usize> =
            slow.submits.iter().flat_map(|(programs, ..)| programs).map(|program| program.0).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
        for (programs, times, watched) in &slow.submits {
            assert!(*times == 1 && programs.len() <= 4, "{programs:?} take longer than a submit should");
            assert_eq!(*watched, programs.last() == Some(&Program(7)));
        }
    }

    #[test]
    fn short_runs_share_a_submit() {
        let (slow, steps) = driven(Duration::from_micros(100), 3, 200, u64::MAX);
        assert_eq!(steps, (1..=200).collect::<Vec<_>>());
        let most = slow.submits.iter().map(|&(_, times, _)| times).max();
        assert_eq!(most, Some(8), "one submit has at most as many runs as the ring has rows");
    }

    /// A break during one run leaves the next, already started, to complete.
    #[test]
    fn a_run_that_has_started_is_completed() {
        let (slow, steps) = driven(Duration::from_millis(20), 8, 9, 1);
        assert!(steps == [1] || steps == [1, 2], "{steps:?}");
        let programs: usize = slow.submits.iter().map(|(programs, ..)| programs.len()).sum();
        assert_eq!(programs, 8 * steps.len());
    }
}
