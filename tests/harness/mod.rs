//! What holds every kernel against its reference: `frit check` and the tests run the same cases.

pub mod case;
pub mod cases;
pub mod compare;
pub mod coverage;
pub mod differences;
pub mod report;

pub use case::{Case, Differentiation, Fill};
