//! Models outside the program: planned schedules as data, web pages that run them, and ONNX files.

mod directions;
mod html;
mod onnx;
mod page;
mod parts;
pub mod plan;
mod sequences;
mod step;
mod training;

pub use onnx::onnx;
pub use page::{page, training_page};
pub use step::{StepPlan, step_plan};
