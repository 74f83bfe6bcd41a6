//! A planar function of rows, with numbers that a network gives: a step of the planar flow of Rezende and Mohamed,
//! *Variational inference with normalizing flows*, 2015, §4.1.
//!
//! y = x + û tanh(w·x + b), where û is u, moved along w so that û·w ≥ −1, by which the function is invertible (A.1).

use crate::schedule::kernel::{Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all kernels.
    pub struct PlanarParams {
        /// Rows of x.
        m: u32,
        /// Columns of x.
        d: u32,
        /// Rows of x to a row of theta.
        rows: u32,
        /// Columns of theta.
        width: u32,
        /// The first of the 2d + 1 columns that this function has.
        first: u32,
    }
}

const INVOCATIONS: usize = 64;

/// y [m, d] = x + û tanh(w·x + b), and log_slope `[m]` = log |det dy/dx|.
pub static PLANAR: Kernel = Kernel {
    name: "planar",
    op: "planar",
    source: shader!("planar", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), read("theta"), write("y"), write("log_slope")],
    params: PlanarParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::planar::planar),
    gradient: Gradient::Forward,
};

/// dx [m, d] and, of each row of x, 2d + 1 columns of dtheta, from dy [m, d] and dslope `[m]`.
pub static PLANAR_BACKWARD: Kernel = Kernel {
    name: "planar_backward",
    bindings: &[read("x"), read("theta"), read("dy"), read("dslope"), write("dx"), update("dtheta")],
    reference: functions!(reference::planar::planar_backward),
    gradient: Gradient::Backward,
    ..PLANAR
};

/// argument [m, d] from value [m, d] = y.
pub static PLANAR_INVERSE: Kernel = Kernel {
    name: "planar_inverse",
    bindings: &[read("value"), read("theta"), write("argument")],
    reference: functions!(reference::planar::planar_inverse),
    gradient: Gradient::None("no model differentiates an inverse"),
    ..PLANAR
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&PLANAR, &PLANAR_BACKWARD, &PLANAR_INVERSE];

/// Numbers of theta of one function of rows of `d`: u | w | b.
pub fn width(d: usize) -> usize {
    2 * d + 1
}

/// y [m, d] of x [m, d] and log |det dy/dx| `[m]`, by function `step` of theta [n, steps · width(d)], whose rows belong
/// to equally many rows of x in turn.
///
/// # Panics
/// If theta has no such function, or the rows of x cannot be divided among those of theta.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, theta: Buf, step: usize) -> (Buf, Buf) {
    let (y, log_slope) = (s.scratch(x.shape), s.scratch([x.shape.rows()]));
    let params = parameters(label, x, theta, step);
    s.push(&PLANAR, label, &[x, theta, y, log_slope], &params, grid(x), 10 * x.len() as u64);
    (y, log_slope)
}

/// The gradients of [`forward`] from that of y and that of log |det dy/dx|: dx, of x's shape, and, written to dtheta
/// [m, steps · width(d)], those of the numbers of the function for each row of x.
///
/// # Panics
/// As [`forward`]; or if dy, dslope or dtheta does not fit x and theta.
pub fn backward(s: &mut Schedule, label: &str, [x, theta]: [Buf; 2], up: [Buf; 2], step: usize, dtheta: Buf) -> Buf {
    let [dy, dslope] = up;
    let m = x.shape.rows();
    let fits = dy.len() == x.len() && dslope.len() == m && dtheta.len() == m * theta.shape.cols();
    assert!(fits, "{label}: {}, {} and {} for x of {}", dy.shape, dslope.shape, dtheta.shape, x.shape);
    let dx = s.scratch(x.shape);
    let params = parameters(label, x, theta, step);
    s.push(&PLANAR_BACKWARD, label, &[x, theta, dy, dslope, dx, dtheta], &params, grid(x), 30 * x.len() as u64);
    dx
}

/// x [m, d] of y [m, d], the inverse of [`forward`].
///
/// # Panics
/// As [`forward`].
pub fn inverse(s: &mut Schedule, label: &str, y: Buf, theta: Buf, step: usize) -> Buf {
    let x = s.scratch(y.shape);
    let params = parameters(label, y, theta, step);
    s.push(&PLANAR_INVERSE, label, &[y, theta, x], &params, grid(y), 10 * y.len() as u64);
    x
}

fn parameters(label: &str, x: Buf, theta: Buf, step: usize) -> PlanarParams {
    let [[m, d], [n, columns]] = [x, theta].map(|buf| [buf.shape.rows(), buf.shape.cols()]);
    let first = step * width(d);
    let fits = first + width(d) <= columns && m.is_multiple_of(n);
    assert!(fits, "{label}: function {step} of theta of {} for x of {}", theta.shape, x.shape);
    PlanarParams { m: m as u32, d: d as u32, rows: (m / n) as u32, width: columns as u32, first: first as u32 }
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.shape.rows().div_ceil(INVOCATIONS))
}
