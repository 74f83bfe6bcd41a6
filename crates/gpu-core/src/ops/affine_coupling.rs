//! An affine function of every number, with a slope and a shift that a network gives: a coupling of Dinh,
//! Sohl-Dickstein and Bengio, *Density estimation using Real NVP*, 2017, eq. 7; with one slope and shift for all rows,
//! the learnt normalisation of Kingma and Dhariwal, *Glow*, 2018, §3.1.
//!
//! y = x eˢ + t. The slope is positive, so x follows from y, and log dy/dx = s is the change of the density.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all kernels.
    pub struct AffineCouplingParams {
        /// Numbers of x, or of a row.
        len: u32,
        /// Columns of x.
        d: u32,
        /// Rows of x to a row of theta, or all rows.
        rows: u32,
        /// The bound of s, or 0 for none.
        bound: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y [m, d] = x eˢ + t, and log_slope [m, d] = s.
pub static AFFINE_COUPLING: Kernel = Kernel {
    name: "affine_coupling",
    op: "affine_coupling",
    source: shader!("affine_coupling", "grid", "nan", "elementary"),
    bindings: &[read("x"), read("theta"), write("y"), write("log_slope")],
    params: AffineCouplingParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::affine_coupling::affine_coupling),
    gradient: Gradient::Forward,
};

/// dx [m, d] and, of each row of x, dtheta [m, 2d], from dy and dslope [m, d].
pub static AFFINE_COUPLING_BACKWARD: Kernel = Kernel {
    name: "affine_coupling_backward",
    bindings: &[read("x"), read("theta"), read("dy"), read("dslope"), write("dx"), write("dtheta")],
    reference: functions!(reference::affine_coupling::affine_coupling_backward),
    gradient: Gradient::Backward,
    ..AFFINE_COUPLING
};

/// argument [m, d] from value [m, d] = y.
pub static AFFINE_COUPLING_INVERSE: Kernel = Kernel {
    name: "affine_coupling_inverse",
    bindings: &[read("value"), read("theta"), write("argument")],
    reference: functions!(reference::affine_coupling::affine_coupling_inverse),
    gradient: Gradient::None("no model differentiates an inverse"),
    ..AFFINE_COUPLING
};

/// standard `[2d]` = a | t, without a bound, by which sample [m, d] gets means of 0 and variances of 1.
pub static AFFINE_COUPLING_STANDARDISE: Kernel = Kernel {
    name: "affine_coupling_standardise",
    bindings: &[read("sample"), write("standard")],
    reference: functions!(reference::affine_coupling::affine_coupling_standardise),
    gradient: Gradient::None("initial values"),
    ..AFFINE_COUPLING
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] =
    &[&AFFINE_COUPLING, &AFFINE_COUPLING_BACKWARD, &AFFINE_COUPLING_INVERSE, &AFFINE_COUPLING_STANDARDISE];

/// y [m, d] of x [m, d] and log dy/dx [m, d]. theta [n, 2d] is a | t, whose rows belong to equally many rows of x in
/// turn; s = bound · tanh(a / bound), or a itself for a bound of 0; eˢ has s within ±80.
///
/// # Panics
/// If theta is not twice as wide as x, or the rows of x cannot be divided among those of theta.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, theta: Buf, bound: f32) -> (Buf, Buf) {
    let (y, log_slope) = (s.scratch(x.shape), s.scratch(x.shape));
    let params = parameters(label, x, theta, bound);
    s.push(&AFFINE_COUPLING, label, &[x, theta, y, log_slope], &params, grid(x), 20 * x.len() as u64);
    (y, log_slope)
}

/// The gradients of [`forward`] from that of y and that of log dy/dx, both of x's shape: dx, of x's shape, and dtheta
/// [m, 2d] for each row of x.
///
/// # Panics
/// As [`forward`]; or if dy or dslope differs from x in size.
pub fn backward(s: &mut Schedule, label: &str, x: Buf, theta: Buf, [dy, dslope]: [Buf; 2], bound: f32) -> (Buf, Buf) {
    let sizes = [dy, dslope].map(|buf| buf.len());
    assert_eq!(sizes, [x.len(); 2], "{label}: gradients of {} and {} for {}", dy.shape, dslope.shape, x.shape);
    let (dx, dtheta) = (s.scratch(x.shape), s.scratch([x.shape.rows(), 2 * x.shape.cols()]));
    let params = parameters(label, x, theta, bound);
    let bufs = [x, theta, dy, dslope, dx, dtheta];
    s.push(&AFFINE_COUPLING_BACKWARD, label, &bufs, &params, grid(x), 24 * x.len() as u64);
    (dx, dtheta)
}

/// x [m, d] of y [m, d], the inverse of [`forward`].
///
/// # Panics
/// As [`forward`].
pub fn inverse(s: &mut Schedule, label: &str, y: Buf, theta: Buf, bound: f32) -> Buf {
    let x = s.scratch(y.shape);
    s.push(
        &AFFINE_COUPLING_INVERSE,
        label,
        &[y, theta, x],
        &parameters(label, y, theta, bound),
        grid(y),
        20 * y.len() as u64,
    );
    x
}

/// Writes to theta, [1, 2d], the a | t by which x [m, d] gets means of 0 and variances of 1, for a bound of 0.
///
/// # Panics
/// If theta is not one row that is twice as wide as x.
pub fn standardise(s: &mut Schedule, label: &str, x: Buf, theta: Buf) {
    let [m, d] = [x.shape.rows(), x.shape.cols()];
    assert_eq!(theta.len(), 2 * d, "{label}: theta of {} for x of {}", theta.shape, x.shape);
    let params = AffineCouplingParams { len: d as u32, d: d as u32, rows: m as u32, bound: 0.0 };
    let grid = Grid::Linear(d.div_ceil(INVOCATIONS));
    s.push(&AFFINE_COUPLING_STANDARDISE, label, &[x, theta], &params, grid, 4 * x.len() as u64);
}

fn parameters(label: &str, x: Buf, theta: Buf, bound: f32) -> AffineCouplingParams {
    let [[m, d], [n, width]] = [x, theta].map(|buf| [buf.shape.rows(), buf.shape.cols()]);
    assert!(width == 2 * d && m.is_multiple_of(n), "{label}: theta of {} for x of {}", theta.shape, x.shape);
    AffineCouplingParams { len: x.len() as u32, d: d as u32, rows: (m / n) as u32, bound }
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.len().div_ceil(INVOCATIONS))
}
