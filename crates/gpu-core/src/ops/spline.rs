//! A monotone spline of every number, of rational quadratic functions whose knots and slopes a network gives: a
//! coupling of Durkan, Bekasov, Murray and Papamakarios, *Neural spline flows*, 2019, §3.1.
//!
//! A row of theta is widths | heights | slopes of a number's bins. Numbers outside ±bound are not changed. At theta = 0
//! the spline is the identity.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};
use std::ops::RangeInclusive;

params! {
    /// The uniform of all three kernels.
    pub struct SplineParams {
        /// Numbers of x.
        len: u32,
        /// Bins of a number.
        bins: u32,
        /// Half the length of the interval, around 0.
        bound: f32,
        /// The least size of a bin, as a share of the interval.
        min_size: f32,
        /// The least slope at an inner knot.
        min_slope: f32,
        /// Added to a slope's number of theta, so that the slope is 1 at 0.
        one: f32,
    }
}

/// Bins of a number.
pub const BINS: RangeInclusive<usize> = 2..=128;

/// The least size of a bin, as a share of the interval: its ends remain apart in f32.
const MIN_SIZE: f32 = 1e-4;
/// The least slope at an inner knot.
const MIN_SLOPE: f32 = 1e-3;
const INVOCATIONS: usize = 64;

/// y `[len]`, and log_slope `[len]` = log dy/dx.
pub static SPLINE: Kernel = Kernel {
    name: "spline",
    op: "spline",
    source: shader!("spline", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), read("theta"), write("y"), write("log_slope")],
    params: SplineParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::spline::spline),
    gradient: Gradient::Forward,
};

/// dx `[len]` and dtheta [len, 3 bins − 1], from dy and dslope `[len]`.
pub static SPLINE_BACKWARD: Kernel = Kernel {
    name: "spline_backward",
    bindings: &[read("x"), read("theta"), read("dy"), read("dslope"), write("dx"), write("dtheta")],
    reference: functions!(reference::spline::spline_backward),
    gradient: Gradient::Backward,
    ..SPLINE
};

/// argument `[len]` from value `[len]` = y.
pub static SPLINE_INVERSE: Kernel = Kernel {
    name: "spline_inverse",
    bindings: &[read("value"), read("theta"), write("argument")],
    reference: functions!(reference::spline::spline_inverse),
    gradient: Gradient::None("no model differentiates an inverse"),
    ..SPLINE
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&SPLINE, &SPLINE_BACKWARD, &SPLINE_INVERSE];

/// A spline's numbers of theta.
pub fn width(bins: usize) -> usize {
    3 * bins - 1
}

/// y of x […] and log dy/dx, both of x's shape; `theta` has [`width`] numbers for each of x.
///
/// # Panics
/// If theta has another size, the bins are not in [`BINS`], or the bound is not positive.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, theta: Buf, bins: usize, bound: f32) -> (Buf, Buf) {
    let (y, log_slope) = (s.scratch(x.shape), s.scratch(x.shape));
    let params = parameters(label, x, theta, bins, bound);
    s.push(&SPLINE, label, &[x, theta, y, log_slope], &params, grid(x), 30 * theta.len() as u64);
    (y, log_slope)
}

/// The gradients of [`forward`] from that of y and that of log dy/dx, both of x's size: dx, of x's shape, and dtheta,
/// of theta's.
///
/// # Panics
/// As [`forward`]; or if dy or dslope differs from x in size.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    x: Buf,
    theta: Buf,
    [dy, dslope]: [Buf; 2],
    bins: usize,
    bound: f32,
) -> (Buf, Buf) {
    let sizes = [dy, dslope].map(|buf| buf.len());
    assert_eq!(sizes, [x.len(); 2], "{label}: gradients of {} and {} for {}", dy.shape, dslope.shape, x.shape);
    let (dx, dtheta) = (s.scratch(x.shape), s.scratch(theta.shape));
    let params = parameters(label, x, theta, bins, bound);
    let bufs = [x, theta, dy, dslope, dx, dtheta];
    s.push(&SPLINE_BACKWARD, label, &bufs, &params, grid(x), 50 * theta.len() as u64);
    (dx, dtheta)
}

/// x of y […], the inverse of [`forward`].
///
/// # Panics
/// As [`forward`].
pub fn inverse(s: &mut Schedule, label: &str, y: Buf, theta: Buf, bins: usize, bound: f32) -> Buf {
    let x = s.scratch(y.shape);
    let params = parameters(label, y, theta, bins, bound);
    s.push(&SPLINE_INVERSE, label, &[y, theta, x], &params, grid(y), 30 * theta.len() as u64);
    x
}

fn parameters(label: &str, x: Buf, theta: Buf, bins: usize, bound: f32) -> SplineParams {
    assert!(BINS.contains(&bins) && bound > 0.0, "{label}: {bins} bins within ±{bound}");
    assert_eq!(theta.len(), x.len() * width(bins), "{label}: theta of {} for x of {}", theta.shape, x.shape);
    SplineParams {
        len: x.len() as u32,
        bins: bins as u32,
        bound,
        min_size: MIN_SIZE,
        min_slope: MIN_SLOPE,
        one: (1.0 - f64::from(MIN_SLOPE)).exp_m1().ln() as f32,
    }
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.len().div_ceil(INVOCATIONS))
}
