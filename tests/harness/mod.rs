//! Test harness that compares every kernel with its reference; `frit check` and the tests run the same cases.

pub mod case;
pub mod cases;
pub mod compare;
pub mod coverage;
pub mod differences;
pub mod report;

pub use case::{Case, Differentiation, Fill};

use gpu_core::{Adapter, Backend, Device};

/// Opens the best adapter. `checked` keeps the shaders' bounds checks.
///
/// # Panics
/// If there is no adapter, with the command that installs one: a missing adapter fails a test.
pub fn device(checked: bool) -> Device {
    let opened = Adapter::best().and_then(|adapter| adapter.open(checked));
    opened.unwrap_or_else(|error| panic!("{error}"))
}

/// The best adapter as a backend; see [`device`].
pub fn adapter(checked: bool) -> Backend {
    Backend::Gpu(Box::new(device(checked)))
}
