//! The work counters and call timings of an executor.

use std::fmt;
use std::time::Duration;

/// What tells how long a call took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clock {
    /// The device writes the time before and after a call.
    Timestamps,
    /// The host waits for each call alone, less what it waits for nothing.
    Host {
        /// Why not the device's clock.
        why: &'static str,
    },
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamps => f.write_str("the device's timestamps around each call"),
            Self::Host { why } => write!(f, "the host's clock, one call at a time: {why}"),
        }
    }
}

/// How long the calls of a program took, in order.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What told.
    pub clock: Clock,
    /// A time for each call.
    pub calls: Vec<Duration>,
}

/// What an executor has done since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Command buffers handed to the queue.
    pub submits: u64,
    /// Times that the host waited for the device.
    pub waits: u64,
    /// Host time spent in encoding.
    pub encoding: Duration,
    /// Host time spent in handing what was encoded to the queue. There the driver may wait for earlier submits.
    pub submitting: Duration,
    /// Host time spent in making pipelines.
    pub compiling: Duration,
    /// Memory of the executor's buffers now: places, slots, uniforms and staging.
    pub bytes: u64,
    /// The most that it was.
    pub peak_bytes: u64,
    /// The most that uploads took in staging before a submit took them along, besides.
    pub upload_bytes: u64,
    /// What the allocator below says is in use now, by everybody on the device, where it says anything.
    pub allocator_bytes: Option<u64>,
}

impl Counters {
    /// A buffer was made.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    /// A buffer was given back.
    pub(crate) fn give(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }
}
