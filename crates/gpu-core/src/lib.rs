//! Kernels, schedules, and the executors that run them.
//!
//! A model is a [`Schedule`]: kernel calls over [`Buf`]s, as plain data. [`Gpu`] runs it in f32 through wgpu and the
//! WGSL shaders; [`Cpu`] runs it in f32 on the processor; [`Reference`] runs it in f64. See docs/architecture.md.

mod cpu;
mod executor;
mod gpu;
pub mod ops;
pub mod reference;
mod run;
mod schedule;

pub use cpu::precision::Precision;
pub use cpu::rounding::rounding;
pub use cpu::{Cpu, CpuExecutor, Reference};
pub use executor::array::Array;
pub use executor::counters::{Clock, Counters, Timing};
pub use executor::error::Error;
pub use executor::interface::{Executor, Program, Ticket};
pub use gpu::caps::{Caps, DeviceKind};
pub use gpu::device::Device;
pub use gpu::open::Adapter;
pub use gpu::portable::Portable;
pub use gpu::run::Gpu;
pub use gpu::tuning;
pub use gpu::variants::{VariantPolicy, class, eligible};
pub use run::backend::{Backend, DeviceChoice, ProductTimes, TimeProducts, choose, choose_by};
pub use run::exchange::{Alone, Exchange, Threads};
pub use run::roofline::Roofline;
pub use run::submit_loop::{Record, SubmitLoop, Waits};
pub use schedule::barriers::{BarrierCounts, barriers};
pub use schedule::buf::{ALIGN, ALIGN_BYTES, Arena, Buf, BufferId, Dtype};
pub use schedule::calls::{Call, Grid, MAX_GROUPS, Schedule};
pub use schedule::element::Element;
pub use schedule::kernel::{Access, Args, Binding, Functions, Gradient, Kernel, Params, Scalar, read, update, write};
pub use schedule::layout::Layout;
pub use schedule::memory::Memory;
pub use schedule::plan::{Plan, Pool, Sharing, Slot, plan};
pub use schedule::random;
pub use schedule::shape::Shape;
pub use schedule::variant::{Constants, Needs, Variant};
pub use schedule::weights::{Init, Parameter, Weights};
