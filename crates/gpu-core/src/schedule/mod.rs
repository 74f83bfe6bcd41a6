//! Schedules as plain data: shapes, buffers, kernels, calls, and the memory plan.

pub(crate) mod barriers;
pub(crate) mod buf;
pub(crate) mod calls;
pub(crate) mod element;
mod elementary;
pub(crate) mod kernel;
pub(crate) mod layout;
pub(crate) mod memory;
pub(crate) mod plan;
pub mod random;
pub(crate) mod shape;
pub(crate) mod variant;
pub(crate) mod weights;
