//! Events of training, for a program that watches it.

use crate::train::monitors::Warning;
use serde_json::Value;
use std::ops::ControlFlow;

/// An event of training.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step is done.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Steps of the run.
        of: u64,
        /// Names of the losses.
        columns: &'a [&'static str],
        /// Mean losses over the batch.
        losses: &'a [f64],
    },
    /// An epoch is done.
    Epoch {
        /// Its number, from 1.
        epoch: u64,
        /// Steps done.
        step: u64,
        /// The line of metrics.jsonl: metrics with `train_` and `test_` before their keys.
        metrics: &'a Value,
    },
    /// A monitor warns.
    Warning {
        /// Epoch.
        epoch: u64,
        /// Steps done.
        step: u64,
        /// The warning.
        warning: &'a Warning,
    },
}

/// A function that training calls with each event. [`ControlFlow::Break`] ends training after the step, as an interrupt
/// does: everything is saved, and the run can be resumed.
pub type Observer = Box<dyn FnMut(&Event<'_>) -> ControlFlow<()>>;
