//! Models outside the program: planned schedules as data, and web pages that run them.

mod directions;
mod html;
mod page;
mod parts;
pub mod plan;
mod step;
mod training;

pub use page::{page, training_page};
pub use step::{StepPlan, step_plan};
