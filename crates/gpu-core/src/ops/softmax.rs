//! Softmax and log-sum-exp of the rows of a matrix.
//!
//! y = exp(x) / Σ exp(x) and y = log Σ exp(x), both relative to the row's maximum, so that no exponential overflows.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all four kernels.
    pub struct SoftmaxParams {
        /// Rows of x.
        m: u32,
        /// Columns of x.
        n: u32,
    }
}

/// y `[m]` = log Σ exp(x).
pub static LOGSUMEXP: Kernel = Kernel {
    name: "logsumexp",
    op: "softmax",
    source: shader!("softmax", "grid", "nan", "elementary", "rows"),
    bindings: &[read("x"), write("y")],
    params: SoftmaxParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::softmax::logsumexp),
    gradient: Gradient::Forward,
};

/// y [m, n] = exp(x) / Σ exp(x).
pub static SOFTMAX: Kernel =
    Kernel { name: "softmax", reference: functions!(reference::softmax::softmax), ..LOGSUMEXP };

/// dx = `dy[row]` exp(x − `log_sum[row]`).
pub static LOGSUMEXP_BACKWARD: Kernel = Kernel {
    name: "logsumexp_backward",
    bindings: &[read("x"), read("dy"), write("dx"), read("log_sum")],
    reference: functions!(reference::softmax::logsumexp_backward),
    gradient: Gradient::Backward,
    ..LOGSUMEXP
};

/// dx = prob ⊙ (dy − Σ dy prob).
pub static SOFTMAX_BACKWARD: Kernel = Kernel {
    name: "softmax_backward",
    bindings: &[read("prob"), read("dy"), write("dx")],
    reference: functions!(reference::softmax::softmax_backward),
    gradient: Gradient::Backward,
    ..LOGSUMEXP
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&LOGSUMEXP, &SOFTMAX, &LOGSUMEXP_BACKWARD, &SOFTMAX_BACKWARD];

/// y `[m]` = log Σ exp(x) for the rows of x [m, n].
pub fn logsumexp(s: &mut Schedule, label: &str, x: Buf) -> Buf {
    let y = s.scratch([x.shape.rows()]);
    s.push(&LOGSUMEXP, label, &[x, y], &parameters(x), grid(x), 4 * x.len() as u64);
    y
}

/// y = exp(x) / Σ exp(x) for the rows of x, of x's shape.
pub fn softmax(s: &mut Schedule, label: &str, x: Buf) -> Buf {
    let y = s.scratch(x.shape);
    s.push(&SOFTMAX, label, &[x, y], &parameters(x), grid(x), 6 * x.len() as u64);
    y
}

/// The gradient of y `[m]` = [`logsumexp`] of x: dx, of x's shape, from dy `[m]`.
///
/// # Panics
/// If `y` or `dy` does not have one element per row.
pub fn logsumexp_backward(s: &mut Schedule, label: &str, x: Buf, y: Buf, dy: Buf) -> Buf {
    let m = x.shape.rows();
    assert!(y.len() == m && dy.len() == m, "{label}: y of {}, dy of {} for the rows of {}", y.shape, dy.shape, x.shape);
    let dx = s.scratch(x.shape);
    s.push(&LOGSUMEXP_BACKWARD, label, &[x, dy, dx, y], &parameters(x), grid(x), 3 * x.len() as u64);
    dx
}

/// The gradient of y = [`softmax`] of x: dx, of y's shape.
///
/// # Panics
/// If `dy` has another size than `y`.
pub fn softmax_backward(s: &mut Schedule, label: &str, y: Buf, dy: Buf) -> Buf {
    assert_eq!(y.len(), dy.len(), "{label}: dy of {} for y of {}", dy.shape, y.shape);
    let dx = s.scratch(y.shape);
    s.push(&SOFTMAX_BACKWARD, label, &[y, dy, dx], &parameters(y), grid(y), 4 * y.len() as u64);
    dx
}

fn parameters(x: Buf) -> SoftmaxParams {
    SoftmaxParams { m: x.shape.rows() as u32, n: x.shape.cols() as u32 }
}

fn grid(x: Buf) -> Grid {
    Grid::of_rows(x.shape.rows())
}
