//! The cross-entropy of logits and target shares, with its gradient, and the error count of a classifier.
//!
//! A row of x [m, k] holds the logits of k classes, the same row of t their target shares, one-hot or soft, which sum
//! to 1. Then `rows[r]` = logsumexp(x) − Σ t x in nats, with gradient softmax(x) − t. A mean over the batch is taken by
//! the gradient's weight and by the sum of the rows.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all three kernels.
    pub struct CrossEntropyParams {
        /// Rows of x.
        m: u32,
        /// Columns of x: classes.
        k: u32,
        /// Multiplies the derivative in dx.
        weight: f32,
    }
}

/// rows `[m]` = logsumexp(x) − Σ t x.
pub static CROSS_ENTROPY: Kernel = Kernel {
    name: "cross_entropy",
    op: "cross_entropy",
    source: shader!("cross_entropy", "grid", "nan", "elementary", "rows"),
    bindings: &[read("x"), read("t"), write("rows")],
    params: CrossEntropyParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::cross_entropy::cross_entropy),
    gradient: Gradient::Forward,
};

/// The same, and dx [m, k] = weight · (softmax(x) − t).
pub static CROSS_ENTROPY_WITH_GRADIENT: Kernel = Kernel {
    name: "cross_entropy_with_gradient",
    bindings: &[read("x"), read("t"), write("rows"), write("dx")],
    reference: functions!(reference::cross_entropy::cross_entropy_with_gradient),
    gradient: Gradient::Backward,
    ..CROSS_ENTROPY
};

/// wrong `[m]`: 1 where x and t have their maxima at different indices, otherwise 0.
pub static CROSS_ENTROPY_ERRORS: Kernel = Kernel {
    name: "cross_entropy_errors",
    bindings: &[read("x"), read("t"), write("wrong")],
    reference: functions!(reference::cross_entropy::cross_entropy_errors),
    gradient: Gradient::None("a count, piecewise constant"),
    ..CROSS_ENTROPY
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CROSS_ENTROPY, &CROSS_ENTROPY_WITH_GRADIENT, &CROSS_ENTROPY_ERRORS];

/// The loss of each row of logits x [m, k] against shares t [m, k], in nats: `[m]`.
///
/// # Panics
/// If `t` has other rows or columns than `x`.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, t: Buf) -> Buf {
    let params = parameters(label, x, t, 0.0);
    let rows = s.scratch([x.shape.rows()]);
    s.push(&CROSS_ENTROPY, label, &[x, t, rows], &params, grid(x), 8 * x.len() as u64);
    rows
}

/// The loss of each row, and the derivative with respect to x of Σ weight · rows: `[m]`, and of x's shape.
///
/// # Panics
/// If `t` has other rows or columns than `x`.
pub fn with_gradient(s: &mut Schedule, label: &str, x: Buf, t: Buf, weight: f32) -> (Buf, Buf) {
    let params = parameters(label, x, t, weight);
    let (rows, dx) = (s.scratch([x.shape.rows()]), s.scratch(x.shape));
    s.push(&CROSS_ENTROPY_WITH_GRADIENT, label, &[x, t, rows, dx], &params, grid(x), 13 * x.len() as u64);
    (rows, dx)
}

/// One for each row whose largest x and largest t are at different indices, otherwise zero: `[m]`. The first of equal
/// values counts; the result of a row with a NaN is unspecified.
///
/// # Panics
/// If `t` has other rows or columns than `x`.
pub fn errors(s: &mut Schedule, label: &str, x: Buf, t: Buf) -> Buf {
    let params = parameters(label, x, t, 0.0);
    let wrong = s.scratch([x.shape.rows()]);
    s.push(&CROSS_ENTROPY_ERRORS, label, &[x, t, wrong], &params, grid(x), 2 * x.len() as u64);
    wrong
}

fn parameters(label: &str, x: Buf, t: Buf, weight: f32) -> CrossEntropyParams {
    let (m, k) = (x.shape.rows(), x.shape.cols());
    let fits = t.shape.rows() == m && t.shape.cols() == k;
    assert!(fits, "{label}: logits of shape {} and shares of shape {}", x.shape, t.shape);
    CrossEntropyParams { m: m as u32, k: k as u32, weight }
}

fn grid(x: Buf) -> Grid {
    Grid::of_rows(x.shape.rows())
}
