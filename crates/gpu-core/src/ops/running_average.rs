//! The running average of values that training moves, such as weights.
//!
//! The decay rises to its value: it is min(decay, (1 + t) / (10 + t)) in step t, so that the average follows the values
//! from the first steps on instead of keeping the initial ones. TensorFlow's `ExponentialMovingAverage` with
//! `num_updates`.

use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`RUNNING_AVERAGE`].
    pub struct RunningAverageParams {
        /// Elements.
        len: u32,
        /// 1 − decay, rounded once.
        one_minus_decay: f32,
    }
}

const INVOCATIONS: usize = 256;

/// average ← average + share (x − average).
pub static RUNNING_AVERAGE: Kernel = Kernel {
    name: "running_average",
    op: "running_average",
    source: shader!("running_average", "grid"),
    bindings: &[update("average"), read("x"), read("clock").of_u32()],
    params: RunningAverageParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::running_average::running_average),
    gradient: Gradient::None("it averages what training has moved"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&RUNNING_AVERAGE];

/// Moves `average` towards `x` by a share of max(1 − decay, 9 / (10 + t)), where t is the step in `clock`, `u32 [4]`,
/// the output of [`tick`](crate::ops::tick::tick).
///
/// # Panics
/// When `average` and `x` differ in size, `clock` is not `u32 [4]`, or the decay is not in [0, 1].
pub fn running_average(s: &mut Schedule, label: &str, average: Buf, x: Buf, clock: Buf, decay: f32) {
    assert_eq!(average.len(), x.len(), "{label}: {} and {} differ in size", average.shape, x.shape);
    assert!(clock.len() == 4 && clock.dtype == Dtype::U32, "{label}: clock has shape {}", clock.shape);
    assert!((0.0..=1.0).contains(&decay), "{label}: a decay of {decay}");
    let params = RunningAverageParams { len: x.len() as u32, one_minus_decay: 1.0 - decay };
    let grid = Grid::Linear(x.len().div_ceil(INVOCATIONS));
    s.push(&RUNNING_AVERAGE, label, &[average, x, clock], &params, grid, 3 * x.len() as u64);
}
