//! frit as a library: data sets, training, evaluation, and reports of generative models on any GPU.
//!
//! The command line in `main.rs` is a thin program over these modules. Each module uses those before it only:
//! [`io`], [`config`], [`data`], [`run`], [`eval`], [`train`], [`report`], [`export`].

pub mod config;
pub mod data;
pub mod eval;
pub mod export;
pub mod io;
pub mod report;
pub mod run;
pub mod terminal;
pub mod train;

pub use gpu_core::{Backend, DeviceChoice};
pub use io::error::{Error, ErrorKind, Hint, Result};
pub use terminal::Terminal;
