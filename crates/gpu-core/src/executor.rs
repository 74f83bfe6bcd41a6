//! What both interpreters of a schedule can do, and what may go wrong.

use crate::meter::{Counters, Timing};
use crate::{Buf, Schedule};

/// The contents of a buffer on the host. The reference executor hands out f64, a GPU f32.
#[derive(Clone, PartialEq, Debug)]
pub enum Array {
    /// Numbers in single precision.
    F32(Vec<f32>),
    /// Numbers in double precision.
    F64(Vec<f64>),
    /// Words.
    U32(Vec<u32>),
}

impl Array {
    /// How many elements it holds.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::U32(values) => values.len(),
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in double precision.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|&v| f64::from(v)).collect(),
            Self::F64(values) => values.clone(),
            Self::U32(values) => values.iter().map(|&v| f64::from(v)).collect(),
        }
    }

    /// The elements in single precision.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::F64(values) => values.iter().map(|&v| v as f32).collect(),
            Self::U32(values) => values.iter().map(|&v| v as f32).collect(),
        }
    }

    /// The elements, if they are words.
    pub fn as_u32(&self) -> Option<&[u32]> {
        match self {
            Self::U32(values) => Some(values),
            _ => None,
        }
    }
}

/// What can go wrong between here and a device; each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No adapter at all.
    #[error(
        "no GPU adapter was found; install a Vulkan driver (on Debian: apt-get install mesa-vulkan-drivers) or pass \
         --device cpu"
    )]
    NoAdapter,
    /// No adapter of the name asked for.
    #[error("no adapter has “{part}” in its name; there is {names}: ask for one of these, or for cpu, with --device")]
    NoSuchAdapter {
        /// The part of a name that was asked for.
        part: String,
        /// The names of what there is.
        names: String,
    },
    /// The adapter would not open.
    #[error("the adapter {name} refused to open: {why}; try another with --device, or --device cpu")]
    Refused {
        /// The adapter's name.
        name: String,
        /// The driver's words.
        why: String,
    },
    /// The device went away.
    #[error("the device was lost: {why}; start again, and restart the driver if it is lost again")]
    Lost {
        /// The driver's words.
        why: String,
    },
    /// The device has no room.
    #[error("the device has no room for {what} ({mib} MiB); use a smaller --batch-size or a narrower model")]
    OutOfMemory {
        /// What was asked for.
        what: String,
        /// How large it is.
        mib: u64,
    },
    /// The device cannot bind so much at once.
    #[error(
        "{what} takes {bytes} bytes and this device allows {limit} at most; use a smaller --batch-size, a narrower \
         model or less data"
    )]
    TooLarge {
        /// What was asked for.
        what: String,
        /// Its size.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
    /// wgpu or the driver reported a fault of ours.
    #[error("the device reported a fault: {why}; please report it, with the output of `frit devices`")]
    Fault {
        /// Their words.
        why: String,
    },
}

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
    fn run_step(&mut self, program: Program, step: usize) -> Result<(), Error>;

    /// What a buffer holds now.
    fn read(&mut self, buf: Buf) -> Result<Array, Error>;

    /// Puts values into a buffer; numbers are converted to the executor's precision.
    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error>;

    /// Runs a program once and says how long each call took.
    fn time_calls(&mut self, program: Program) -> Result<Timing, Error>;

    /// What it has done so far.
    fn counters(&self) -> Counters;
}
