//! The cross-entropy of logits with target shares, its gradient in the same pass, and the errors of a classifier.
//!
//! A row of x [m, k] holds the logits of k classes, the same row of t the share of each, one-hot or soft. The shares
//! of a row sum to 1: with that `rows[r]` = logsumexp(x) − Σ t x in nats, and softmax(x) − t is its slope. Means over
//! the batch are left to the weight of the gradient and to whoever sums the rows.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

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
    source: shader!("cross_entropy", "grid", "tree"),
    bindings: &[read("x"), read("t"), write("rows")],
    params: CrossEntropyParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: reference::cross_entropy::cross_entropy,
    gradient: Gradient::Forward,
};

/// The same, and dx [m, k] = weight · (softmax(x) − t).
pub static CROSS_ENTROPY_WITH_GRADIENT: Kernel = Kernel {
    name: "cross_entropy_with_gradient",
    bindings: &[read("x"), read("t"), write("rows"), write("dx")],
    reference: reference::cross_entropy::cross_entropy_with_gradient,
    gradient: Gradient::Backward,
    ..CROSS_ENTROPY
};

/// wrong `[m]`: 1 where x and t are not largest in the same place, otherwise 0.
pub static CROSS_ENTROPY_ERRORS: Kernel = Kernel {
    name: "cross_entropy_errors",
    bindings: &[read("x"), read("t"), write("wrong")],
    reference: reference::cross_entropy::cross_entropy_errors,
    gradient: Gradient::None("it counts: flat wherever it does not jump"),
    ..CROSS_ENTROPY
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CROSS_ENTROPY, &CROSS_ENTROPY_WITH_GRADIENT, &CROSS_ENTROPY_ERRORS];

/// The loss of each row of logits x [m, k] against shares t [m, k], in nats: `[m]`.
///
/// # Panics
/// When `t` has other rows or columns than `x`.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, t: Buf) -> Buf {
    let params = parameters(label, x, t, 0.0);
    let rows = s.scratch([x.shape.rows()]);
    s.push(&CROSS_ENTROPY, label, &[x, t, rows], &params, grid(x), 8 * x.len() as u64);
    rows
}

/// The loss of each row, and the derivative with respect to x of Σ weight · rows: `[m]`, and of x's shape.
///
/// # Panics
/// When `t` has other rows or columns than `x`.
pub fn with_gradient(s: &mut Schedule, label: &str, x: Buf, t: Buf, weight: f32) -> (Buf, Buf) {
    let params = parameters(label, x, t, weight);
    let (rows, dx) = (s.scratch([x.shape.rows()]), s.scratch(x.shape));
    s.push(&CROSS_ENTROPY_WITH_GRADIENT, label, &[x, t, rows, dx], &params, grid(x), 13 * x.len() as u64);
    (rows, dx)
}

/// One for each row whose largest x is not in the place of its largest t, otherwise zero: `[m]`. Of equal ones the
/// first counts; a row with a NaN may be either.
///
/// # Panics
/// When `t` has other rows or columns than `x`.
pub fn errors(s: &mut Schedule, label: &str, x: Buf, t: Buf) -> Buf {
    let params = parameters(label, x, t, 0.0);
    let wrong = s.scratch([x.shape.rows()]);
    s.push(&CROSS_ENTROPY_ERRORS, label, &[x, t, wrong], &params, grid(x), 2 * x.len() as u64);
    wrong
}

fn parameters(label: &str, x: Buf, t: Buf, weight: f32) -> CrossEntropyParams {
    let (m, k) = (x.shape.rows(), x.shape.cols());
    let fits = t.shape.rows() == m && t.shape.cols() == k;
    assert!(fits, "{label}: logits of {} cannot be held against shares of {}", x.shape, t.shape);
    CrossEntropyParams { m: m as u32, k: k as u32, weight }
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.shape.rows())
}
