//! Many runs of a program with little waiting: several runs to a submit, two submits in flight.

use crate::{Array, Buf, Error, Executor, Program, Ticket};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// How long one submit should take: short enough that no driver's watchdog fires and that an interrupt is
/// answered, long enough that submitting costs nothing beside it.
const SUBMIT: Duration = Duration::from_millis(50);
const IN_FLIGHT: usize = 2;

/// One run's row of the loss ring.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// The run, counted from one since training began: the `step` of the clock.
    pub step: u64,
    /// The ring's columns.
    pub values: Vec<f64>,
}

struct Flight {
    ticket: Ticket,
    first: u64,
    runs: u32,
}

/// How many runs go into one submit; kept from one call of [`Pace::drive`] to the next.
#[derive(Debug)]
pub struct Pace {
    runs: u32,
    waits: Waits,
}

/// How often the host waited for a submit, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Waits {
    /// Because so many are in flight as may be.
    pub bound: u64,
    /// At the end, for what was left.
    pub end: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { runs: 1, waits: Waits::default() }
    }
}

impl Pace {
    /// Runs `programs`, one after another, `runs` times, the first being step `first` of the clock, and hands each
    /// run's row of `ring` ([rows, columns], row (step − 1) mod rows) to `seen`, in order. Stops early, with what was
    /// submitted finished, when `seen` breaks. Returns how many runs were done.
    pub fn drive(
        &mut self,
        executor: &mut dyn Executor,
        programs: &[Program],
        first: u64,
        runs: u64,
        ring: Buf,
        seen: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<u64, Error> {
        let rows = ring.shape.rows() as u64;
        let mut flights: VecDeque<Flight> = VecDeque::new();
        let mut submitted = 0;
        let mut stopped = false;
        let mut since = Instant::now();
        while !flights.is_empty() || (submitted < runs && !stopped) {
            while flights.len() < IN_FLIGHT && submitted < runs && !stopped {
                let now = u64::from(self.runs).min(runs - submitted).min(rows) as u32;
                let ticket = executor.submit(programs, now, &[ring])?;
                flights.push_back(Flight { ticket, first: first + submitted, runs: now });
                submitted += u64::from(now);
            }
            let flight = flights.pop_front().expect("something was submitted");
            match submitted < runs && !stopped {
                true => self.waits.bound += 1,
                false => self.waits.end += 1,
            }
            let arrays = executor.wait(flight.ticket)?;
            self.adapt(since.elapsed(), flight.runs, rows);
            since = Instant::now();
            for record in records(&arrays[0], ring, flight.first, flight.runs) {
                stopped |= seen(record).is_break();
            }
        }
        Ok(submitted)
    }

    /// How often the host has waited.
    pub fn waits(&self) -> Waits {
        self.waits
    }

    /// The next submit's runs, from how long the last took; at most doubled, so that one fast outlier
    /// does not make a submit that a watchdog would end.
    fn adapt(&mut self, took: Duration, runs: u32, rows: u64) {
        let wanted = f64::from(runs) * SUBMIT.as_secs_f64() / took.as_secs_f64().max(1e-6);
        self.runs = (wanted as u32).clamp(1, 2 * self.runs).min(rows as u32);
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
