//! Kernels, schedules, and the two interpreters that run them.
//!
//! A model is a [`Schedule`]: kernel calls over [`Buf`]s, as plain data. A GPU runs it through wgpu and the
//! hand-written shaders; the reference executor runs it in f64 on the CPU. See docs/architecture.md.

mod buf;
mod choice;
mod cpu;
pub mod device;
mod executor;
mod gpu;
mod hazards;
mod kernel;
mod layout;
mod memory;
mod meter;
pub mod ops;
mod pace;
mod pipelines;
mod plan;
pub mod random;
pub mod reference;
mod schedule;
mod self_test;
mod shape;
mod timing;
pub mod tuning;
mod variants;
mod weights;

pub use buf::{ALIGN, ALIGN_BYTES, Buf, Dtype, Home, Place};
pub use choice::{Backend, Choice, choose};
pub use cpu::Cpu;
pub use executor::{Array, Error, Executor, Program, Ticket};
pub use gpu::Gpu;
pub use hazards::{Hazards, hazards};
pub use kernel::{Access, Args, Binding, Gradient, Kernel, Needs, Params, Variant, read, update, write};
pub use layout::Layout;
pub use memory::Memory;
pub use meter::{Clock, Counters, Rates, Timing};
pub use pace::{Pace, Record, Waits};
pub use plan::{Plan, Pool, Sharing, Slot, plan};
pub use schedule::{Grid, MAX_GROUPS, Schedule, Step};
pub use shape::Shape;
pub use variants::{Picking, class, eligible};
pub use weights::{Init, Parameter, Weights};
