//! The numbers in which the functions of kernels compute on the CPU.

use crate::schedule::elementary;
use num_traits::{Float, NumAssign};
use std::fmt::Debug;
use std::iter::Sum;

/// A number of a buffer on the CPU: f32 or f64. The functions of kernels are generic over it.
pub trait Element: Float + NumAssign + Sum + Default + Debug + Send + Sync + 'static {
    /// The nearest number.
    fn of(x: impl Into<f64>) -> Self;

    /// The same number in double precision.
    fn wide(self) -> f64;

    /// The same numbers, if they are of single precision.
    fn single(x: &[Self]) -> Option<&[f32]>;

    /// [`Self::single`] of numbers to write.
    fn single_mut(x: &mut [Self]) -> Option<&mut [f32]>;

    /// eˣ.
    fn exponential(self) -> Self;

    /// eˣ − 1, for x ≤ 0.
    fn exp_minus_one(self) -> Self;

    /// ln(1 + x), for x in [0, 1].
    fn log_one_plus(self) -> Self;

    /// tanh x.
    fn hyperbolic_tangent(self) -> Self;
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

    #[inline]
    fn single(x: &[Self]) -> Option<&[f32]> {
        Some(x)
    }

    #[inline]
    fn single_mut(x: &mut [Self]) -> Option<&mut [f32]> {
        Some(x)
    }

    #[inline]
    fn exponential(self) -> Self {
        elementary::exponential(self)
    }

    #[inline]
    fn exp_minus_one(self) -> Self {
        elementary::exp_minus_one(self)
    }

    #[inline]
    fn log_one_plus(self) -> Self {
        elementary::log_one_plus(self)
    }

    #[inline]
    fn hyperbolic_tangent(self) -> Self {
        elementary::hyperbolic_tangent(self)
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

    #[inline]
    fn single(_: &[Self]) -> Option<&[f32]> {
        None
    }

    #[inline]
    fn single_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }

    #[inline]
    fn exponential(self) -> Self {
        self.exp()
    }

    #[inline]
    fn exp_minus_one(self) -> Self {
        self.exp_m1()
    }

    #[inline]
    fn log_one_plus(self) -> Self {
        self.ln_1p()
    }

    #[inline]
    fn hyperbolic_tangent(self) -> Self {
        self.tanh()
    }
}
