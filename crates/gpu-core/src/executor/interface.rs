//! The trait of both executors.

use crate::executor::counters::{Counters, Timing};
use crate::{Array, Buf, Error, Schedule};

/// A schedule that an executor has prepared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Program(pub(crate) usize);

/// Work submitted and not yet waited for.
#[derive(Debug)]
pub struct Ticket(pub(crate) u64);

/// An interpreter of schedules. Adding an operator never touches it.
pub trait Executor {
    /// What it runs on, for people.
    fn describe(&self) -> String;

    /// Makes everything that running `schedule` needs; nothing is allocated after.
    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error>;

    /// Starts `times` runs of some programs one after another, and a copy of what the `watch`ed buffers hold after
    /// the last.
    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error>;

    /// Waits for submitted work and returns the watched buffers, in order.
    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error>;

    /// Runs one step of a program, alone: how the two interpreters are compared.
    fn run_call(&mut self, program: Program, step: usize) -> Result<(), Error>;

    /// What a buffer holds now.
    fn read(&mut self, buf: Buf) -> Result<Array, Error>;

    /// Puts values into a buffer; numbers are converted to the executor's precision.
    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error>;

    /// Runs a program once and says how long each call took.
    fn time_calls(&mut self, program: Program) -> Result<Timing, Error>;

    /// What it has done so far.
    fn counters(&self) -> Counters;
}
