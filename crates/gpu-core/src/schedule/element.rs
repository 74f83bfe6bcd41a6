//! The numbers in which the functions of kernels compute on the CPU.

use num_traits::{Float, NumAssign};
use std::fmt::Debug;
use std::iter::Sum;

/// A number of a buffer on the CPU: f32 or f64. The functions of kernels are generic over it.
pub trait Element: Float + NumAssign + Sum + Default + Debug + Send + Sync + 'static {
    /// The nearest number.
    fn of(x: impl Into<f64>) -> Self;

    /// The same number in double precision.
    fn wide(self) -> f64;
}

impl Element for f32 {
    #[inline]
    fn of(x: impl Into<f64>) -> Self {
        x.into() as Self
    }

    #[inline]
    fn wide(self) -> f64 {
        self.into()
    }
}

impl Element for f64 {
    #[inline]
    fn of(x: impl Into<f64>) -> Self {
        x.into()
    }

    #[inline]
    fn wide(self) -> f64 {
        self
    }
}
