//! Layer normalisation over the last axis, with a fused activation.
//!
//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε) along each row (Ba, Kiros, Hinton, Layer normalization,
//! 2016).

use crate::ops::activation::Activation;
use crate::ops::reduce;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of every kernel of layer normalisation.
    pub struct LayerNormParams {
        /// Rows of x.
        rows: u32,
        /// Columns of x.
        c: u32,
        /// Rows that one invocation sums for the gradient of the weight.
        chunk: u32,
        /// Chunks of rows.
        parts: u32,
        /// [`Activation::code`] of the fused activation.
        activation: u32,
        /// [`Activation::code`] of the activation whose output is x; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the fused activation.
        alpha: f32,
        /// [`Activation::alpha`] of the activation whose output is x.
        gate_alpha: f32,
        /// ε, added to the variance.
        epsilon: f32,
    }
}

const INVOCATIONS: usize = 256;
/// Rows that one invocation sums, in one column.
const CHUNK: usize = 64;

/// y [rows, c], and stats [rows, 2]: the mean and 1 / √(var + ε) of each row.
pub static LAYER_NORM: Kernel = Kernel {
    name: "layer_norm",
    op: "layer_norm",
    source: shader!("layer_norm", "grid", "nan", "elementary", "tree", "activation"),
    bindings: &[read("x"), read("weight"), read("bias"), write("y"), write("stats")],
    params: LayerNormParams::FIELDS,
    overrides: &["activation"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::layer_norm::layer_norm),
    gradient: Gradient::Forward,
};

/// dx = inv_std (weight dy − (Σ weight dy + x̂ Σ weight dy x̂) / c) · slope.
pub static LAYER_NORM_BACKWARD_INPUT: Kernel = Kernel {
    name: "layer_norm_backward_input",
    bindings: &[read("x"), read("weight"), read("dy"), read("saved"), read("gate_y"), write("dx")],
    overrides: &["gate"],
    reference: functions!(reference::layer_norm::layer_norm_backward_input),
    gradient: Gradient::Backward,
    ..LAYER_NORM
};

/// partial [parts, c]: Σ dy x̂ over chunks of rows.
pub static LAYER_NORM_BACKWARD_WEIGHT: Kernel = Kernel {
    name: "layer_norm_backward_weight",
    bindings: &[read("x"), write("partial"), read("dy"), read("saved")],
    overrides: &[],
    reference: functions!(reference::layer_norm::layer_norm_backward_weight),
    gradient: Gradient::Backward,
    ..LAYER_NORM
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&LAYER_NORM, &LAYER_NORM_BACKWARD_INPUT, &LAYER_NORM_BACKWARD_WEIGHT];

/// The parameters of one normalisation.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// The scale of x̂: `[c]`.
    pub weight: Buf,
    /// The offset: `[c]`.
    pub bias: Buf,
    /// ε, added to the variance.
    pub epsilon: f32,
}

/// The values that the backward pass needs.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// The input, [rows, c].
    pub x: Buf,
    /// The statistics: the mean and 1 / √(var + ε), [rows, 2].
    pub stats: Buf,
}

/// Normalises the rows of x [rows, c]: y, of x's shape.
///
/// # Panics
/// If weight or bias are not `[c]`, or when the activation's slope cannot be computed from its output.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, norm: &LayerNorm, act: Activation) -> (Buf, Saved) {
    let (rows, c) = (x.shape.rows(), x.shape.cols());
    assert!(norm.weight.len() == c && norm.bias.len() == c, "{label}: weight and bias do not have {c} elements");
    assert!(act.slope_from_output(), "{label}: the slope of {act:?} cannot be computed from its output");
    let (y, stats) = (s.scratch(x.shape), s.scratch([rows, 2]));
    let params =
        LayerNormParams { activation: act.code(), alpha: act.alpha(), epsilon: norm.epsilon, ..plain_params(x) };
    let bufs = [x, norm.weight, norm.bias, y, stats];
    s.push(&LAYER_NORM, label, &bufs, &params, Grid::Linear(rows), 9 * x.len() as u64);
    (y, Saved { x, stats })
}

/// dweight `[c]` += Σ dy x̂ and dbias `[c]` += Σ dy over the rows, where dy is the gradient before the fused
/// activation.
///
/// # Panics
/// If `dy` has another size than x, or `dweight` or `dbias` does not have c elements.
pub fn backward_params(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf, dweight: Buf, dbias: Buf) {
    let Saved { x, stats } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    let params = plain_params(x);
    let partial = s.scratch([params.parts as usize, x.shape.cols()]);
    let grid = Grid::Linear(partial.len().div_ceil(INVOCATIONS));
    let partial_label = format!("{label}.partial");
    let bufs = [x, partial, dy, stats];
    s.push(&LAYER_NORM_BACKWARD_WEIGHT, &partial_label, &bufs, &params, grid, 4 * x.len() as u64);
    reduce::columns_add(s, &format!("{label}.weight"), partial, dweight);
    reduce::columns_add(s, &format!("{label}.bias"), dy.reshape(x.shape), dbias);
}

/// dx, of x's shape, from dy before the fused activation. A gate (an activation and its output, of x's shape)
/// multiplies dx by the slope of that activation.
///
/// # Panics
/// If shapes do not fit, or when the gate's slope cannot be computed from its output.
pub fn backward_input(
    s: &mut Schedule,
    label: &str,
    saved: &Saved,
    dy: Buf,
    weight: Buf,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let Saved { x, stats } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    assert_eq!(weight.len(), x.shape.cols(), "{label}: weight of {} for the columns of {}", weight.shape, x.shape);
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {}", x.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    // Unused bindings are bound to x.
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let params = LayerNormParams { gate: act.code(), gate_alpha: act.alpha(), ..plain_params(x) };
    let dx = s.scratch(x.shape);
    let bufs = [x, weight, dy, stats, gate_y, dx];
    s.push(&LAYER_NORM_BACKWARD_INPUT, label, &bufs, &params, Grid::Linear(x.shape.rows()), 12 * x.len() as u64);
    dx
}

fn plain_params(x: Buf) -> LayerNormParams {
    let (rows, c) = (x.shape.rows(), x.shape.cols());
    LayerNormParams {
        rows: rows as u32,
        c: c as u32,
        chunk: CHUNK as u32,
        parts: rows.div_ceil(CHUNK) as u32,
        activation: Activation::Identity.code(),
        gate: Activation::Identity.code(),
        alpha: 0.0,
        gate_alpha: 0.0,
        epsilon: 0.0,
    }
}
