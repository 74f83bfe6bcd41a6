//! Passes: schedules whose outputs are read.

use gpu_core::{Buf, Schedule};

/// A schedule and its outputs.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The calls.
    pub schedule: Schedule,
    /// The buffers to read after the schedule has run.
    pub outputs: Vec<Buf>,
}

impl Pass {
    /// A pass that ends with these outputs.
    pub fn new(mut schedule: Schedule, outputs: &[Buf]) -> Self {
        outputs.iter().for_each(|&buf| schedule.keep(buf));
        Self { schedule, outputs: outputs.to_vec() }
    }
}
