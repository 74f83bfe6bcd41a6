//! What holds every kernel against its reference: `frit check` and the tests run the same cases.

pub mod case;
pub mod cases;
pub mod compare;
pub mod coverage;
pub mod differences;
pub mod report;

pub use case::{Case, Differentiation, Fill};

use gpu_core::{Adapter, Device};

/// The best adapter, open; the shaders keep their bounds checks if `checked`.
///
/// # Panics
/// When there is none, saying what to install: a missing adapter is a failure of a test, not a reason to skip it.
pub fn device(checked: bool) -> Device {
    let opened = Adapter::best().and_then(|adapter| adapter.open(checked));
    opened.unwrap_or_else(|error| panic!("{error}"))
}
