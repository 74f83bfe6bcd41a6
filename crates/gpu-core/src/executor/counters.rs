//! The work counters and call timings of an executor.

use std::fmt;
use std::time::Duration;

/// The clock that timed a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Clock {
    /// Device timestamps before and after each call.
    Timestamps,
    /// The host's clock around each call, submitted alone, less the time of an empty submit.
    Host {
        /// The reason for not using the device's timestamps.
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

/// The durations of a program's calls.
#[derive(Clone, Debug)]
pub struct Timing {
    /// The clock used.
    pub clock: Clock,
    /// The duration of each call, in order.
    pub calls: Vec<Duration>,
}

/// The work of an executor since it was created.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Command buffers submitted.
    pub submits: u64,
    /// Times that the host waited for the device.
    pub waits: u64,
    /// Host time spent encoding.
    pub encoding: Duration,
    /// Host time spent in `queue.submit`, where a driver may wait for earlier submits.
    pub submitting: Duration,
    /// Host time spent compiling pipelines.
    pub compiling: Duration,
    /// Time spent beside it on the first dispatches of pipelines, in which a driver on a processor compiles them.
    pub first_dispatches: Duration,
    /// Shader modules of the device.
    pub modules: usize,
    /// Pipelines of the device.
    pub pipelines: usize,
    /// Current size of the executor's buffers: persistent buffers, slots, uniforms and staging.
    pub bytes: u64,
    /// The peak of `bytes`.
    pub peak_bytes: u64,
    /// The peak of uploads staged between two submits, not included in `bytes`.
    pub upload_bytes: u64,
    /// Device memory in use by all programs, if the allocator reports it.
    pub allocator_bytes: Option<u64>,
}

impl Counters {
    /// Counts an allocation.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    /// Counts a release.
    pub(crate) fn give(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }
}
