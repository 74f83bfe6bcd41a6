//! The trait that the executors implement.

use crate::executor::counters::{Counters, Timing};
use crate::{Array, Buf, Error, Schedule};

/// A schedule that an executor has prepared.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Program(pub(crate) usize);

/// Submitted work that has not been waited for.
#[derive(Debug)]
pub struct Ticket(pub(crate) u64);

/// An interpreter of schedules. New operators need no change here.
pub trait Executor {
    /// The device's name, for display.
    fn describe(&self) -> String;

    /// Allocates and compiles everything that `schedule` needs; running it allocates nothing.
    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error>;

    /// Submits `times` runs of `programs` in order, and a copy of the `watch`ed buffers after the last run.
    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error>;

    /// Waits for submitted work and returns the watched buffers, in order.
    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error>;

    /// Runs one call of a program by itself, so that executors can be compared call by call.
    fn run_call(&mut self, program: Program, call: usize) -> Result<(), Error>;

    /// Reads a buffer's current contents.
    fn read(&mut self, buf: Buf) -> Result<Array, Error>;

    /// Writes values into a buffer, converted to the executor's precision.
    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error>;

    /// Runs a program once and times each call.
    fn time_calls(&mut self, program: Program) -> Result<Timing, Error>;

    /// The counters so far.
    fn counters(&self) -> Counters;
}
