//! Models outside the program: planned schedules as data.

pub mod plan;
mod step;

pub use step::{StepPlan, step_plan};
