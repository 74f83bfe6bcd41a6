//! The differences between the two executors on the CPU.

use crate::{Args, Array, Element, Functions};

/// The precision of an executor on the CPU: that of its elements.
pub trait Precision: Element {
    /// The executor's name, for display.
    const EXECUTOR: &'static str;

    /// An array of these numbers.
    fn array(values: &[Self]) -> Array;

    /// The function of a kernel in this precision.
    fn function(functions: &Functions) -> fn(&mut Args<'_, Self>);
}

impl Precision for f32 {
    const EXECUTOR: &'static str = "CPU executor, f32";

    fn array(values: &[Self]) -> Array {
        Array::F32(values.to_vec())
    }

    fn function(functions: &Functions) -> fn(&mut Args<'_, Self>) {
        functions.single
    }
}

impl Precision for f64 {
    const EXECUTOR: &'static str = "CPU reference executor, f64";

    fn array(values: &[Self]) -> Array {
        Array::F64(values.to_vec())
    }

    fn function(functions: &Functions) -> fn(&mut Args<'_, Self>) {
        functions.double
    }
}
