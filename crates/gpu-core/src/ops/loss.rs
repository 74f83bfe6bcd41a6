//! Losses of a prediction against a target, summed over each row, with their gradients.
//!
//! `rows[r]` = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset. A row is the last axis, so images are reshaped to
//! [batch, pixels] first. If x has several times as many rows as t, consecutive rows of x share a row of t.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

kinds! {
    /// The loss of one element.
    Kind {
        /// log(1 + eˣ) − t x: the negative log likelihood, in nats, of t in [0, 1] under a Bernoulli with logit x.
        Bernoulli = 0;
        /// (x − t)²
        Squared = 1;
        /// |x − t|, whose derivative at 0 is 0.
        Absolute = 2;
    }
}

/// The loss of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loss {
    /// The loss of one element.
    pub kind: Kind,
    /// Multiplies the sum over a row.
    pub scale: f32,
    /// Added to it: a Gaussian's normalising constant.
    pub offset: f32,
}

params! {
    /// The uniform of both kernels.
    pub struct LossParams {
        /// Rows of x.
        m: u32,
        /// Columns of x.
        n: u32,
        /// Rows of x that share a row of t.
        repeat: u32,
        /// [`Kind::code`].
        kind: u32,
        /// [`Loss::scale`].
        scale: f32,
        /// [`Loss::offset`].
        offset: f32,
        /// Multiplies the derivative of l in dx.
        slope: f32,
    }
}

/// rows `[m]` = scale · Σ l(x, t) + offset.
pub static LOSS: Kernel = Kernel {
    name: "loss",
    op: "loss",
    source: shader!("loss", "grid", "nan", "elementary", "activation", "tree"),
    bindings: &[read("x"), read("t"), write("rows")],
    params: LossParams::FIELDS,
    overrides: &["kind"],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::loss::loss),
    gradient: Gradient::Forward,
};

/// The same, and dx [m, n] = slope · l′(x, t).
pub static LOSS_WITH_GRADIENT: Kernel = Kernel {
    name: "loss_with_gradient",
    bindings: &[read("x"), read("t"), write("rows"), write("dx")],
    reference: functions!(reference::loss::loss_with_gradient),
    gradient: Gradient::Backward,
    ..LOSS
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&LOSS, &LOSS_WITH_GRADIENT];

/// The loss of each row of x [m, n] against t [m / repeat, n]: `[m]`.
///
/// # Panics
/// If `t` has other columns than `x`, or the rows of `x` are not a multiple of those of `t`.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, t: Buf, loss: Loss) -> Buf {
    let params = parameters(label, x, t, loss, 0.0);
    let rows = s.scratch([x.shape.rows()]);
    s.push(&LOSS, label, &[x, t, rows], &params, Grid::Linear(x.shape.rows()), 8 * x.len() as u64);
    rows
}

/// The loss of each row, and the derivative with respect to x of Σ weight · rows: `[m]`, and of x's shape.
///
/// # Panics
/// If `t` has other columns than `x`, or the rows of `x` are not a multiple of those of `t`.
pub fn with_gradient(s: &mut Schedule, label: &str, x: Buf, t: Buf, loss: Loss, weight: f32) -> (Buf, Buf) {
    let params = parameters(label, x, t, loss, loss.scale * weight);
    let (rows, dx) = (s.scratch([x.shape.rows()]), s.scratch(x.shape));
    let grid = Grid::Linear(x.shape.rows());
    s.push(&LOSS_WITH_GRADIENT, label, &[x, t, rows, dx], &params, grid, 12 * x.len() as u64);
    (rows, dx)
}

fn parameters(label: &str, x: Buf, t: Buf, loss: Loss, slope: f32) -> LossParams {
    let (m, n) = (x.shape.rows(), x.shape.cols());
    let fits = t.shape.cols() == n && m.is_multiple_of(t.shape.rows());
    assert!(fits, "{label}: a target of shape {} for {}", t.shape, x.shape);
    LossParams {
        m: m as u32,
        n: n as u32,
        repeat: (m / t.shape.rows()) as u32,
        kind: loss.kind.code(),
        scale: loss.scale,
        offset: loss.offset,
        slope,
    }
}
