//! Batch normalisation over the rows of a matrix (an NHWC batch has n · h · w of them), with a fused activation.
//!
//! y = act(weight · x̂ + bias) with x̂ = (x − mean) / √(var + ε), channel by channel (Ioffe, Szegedy, Batch
//! normalization, ICML 2015). Training uses the statistics of the batch and updates the running ones; inference uses
//! the running ones. Rows are divided into chunks of fixed length. A second kernel joins their statistics in an order
//! that depends only on the sizes.

use crate::ops::activation::Activation;
use crate::ops::reduce;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of every kernel of batch normalisation.
    pub struct BatchNormParams {
        /// Rows of x.
        rows: u32,
        /// Channels: columns of x.
        c: u32,
        /// Rows that one invocation sums.
        chunk: u32,
        /// Chunks of rows.
        parts: u32,
        /// 1 if the statistics are those of x, so that a gradient flows through them.
        training: u32,
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
        /// The weight of the batch in the running statistics.
        momentum: f32,
    }
}

const INVOCATIONS: usize = 256;
/// Rows that one invocation sums, in one channel.
const CHUNK: usize = 64;
/// Rows that one invocation normalises, in one channel; ROWS of shaders/batch_norm.wgsl.
const ROWS: usize = 8;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    overrides: &'static [&'static str],
    reference: Functions,
    gradient: Gradient,
) -> Kernel {
    Kernel {
        name,
        op: "batch_norm",
        source: shader!("batch_norm", "grid", "nan", "elementary", "tree", "activation"),
        bindings,
        params: BatchNormParams::FIELDS,
        overrides,
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// partial [parts, 2, c]: the mean and Σ (x − mean)² of each chunk.
pub static BATCH_NORM_PARTIAL: Kernel = kernel(
    "batch_norm_partial",
    &[read("x"), write("partial")],
    &[],
    functions!(reference::batch_norm::batch_norm_partial),
    Gradient::Forward,
);
/// stats [2, c], the mean and 1 / √(var + ε), and an update of the running statistics.
pub static BATCH_NORM_FINISH: Kernel = kernel(
    "batch_norm_finish",
    &[read("partials"), write("stats"), update("running_mean"), update("running_var")],
    &[],
    functions!(reference::batch_norm::batch_norm_finish),
    Gradient::Forward,
);
/// stats [2, c] from the running statistics.
pub static BATCH_NORM_RUNNING: Kernel = kernel(
    "batch_norm_running",
    &[read("mean"), write("stats"), read("variance")],
    &[],
    functions!(reference::batch_norm::batch_norm_running),
    Gradient::Forward,
);
/// y = act(weight · x̂ + bias).
pub static BATCH_NORM_APPLY: Kernel = kernel(
    "batch_norm_apply",
    &[read("x"), read("saved"), write("y"), read("weight"), read("bias")],
    &["activation"],
    functions!(reference::batch_norm::batch_norm_apply),
    Gradient::Forward,
);
/// Σ dy x̂ and Σ dy of each chunk, [parts, c].
pub static BATCH_NORM_BACKWARD_PARTIAL: Kernel = kernel(
    "batch_norm_backward_partial",
    &[read("x"), read("saved"), read("dy"), write("partial_dot"), write("partial_sum")],
    &[],
    functions!(reference::batch_norm::batch_norm_backward_partial),
    Gradient::Backward,
);
/// Their sums over the chunks, `[c]`.
pub static BATCH_NORM_BACKWARD_FINISH: Kernel = kernel(
    "batch_norm_backward_finish",
    &[read("dots"), read("sums"), write("total_dot"), write("total_sum")],
    &[],
    functions!(reference::batch_norm::batch_norm_backward_finish),
    Gradient::Backward,
);
/// dx = weight · inv_std (dy − Σ dy / rows − x̂ Σ dy x̂ / rows) · slope.
pub static BATCH_NORM_BACKWARD_APPLY: Kernel = kernel(
    "batch_norm_backward_apply",
    &[read("x"), read("saved"), read("dy"), read("weight"), read("dot"), read("sum"), read("gate_y"), write("dx")],
    &["training", "gate"],
    functions!(reference::batch_norm::batch_norm_backward_apply),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &BATCH_NORM_PARTIAL,
    &BATCH_NORM_FINISH,
    &BATCH_NORM_RUNNING,
    &BATCH_NORM_APPLY,
    &BATCH_NORM_BACKWARD_PARTIAL,
    &BATCH_NORM_BACKWARD_FINISH,
    &BATCH_NORM_BACKWARD_APPLY,
];

/// The parameters and running statistics of a batch normalisation, `[c]` each.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// The scale of x̂.
    pub weight: Buf,
    /// The offset.
    pub bias: Buf,
    /// The running mean, updated in training; a separate buffer.
    pub running_mean: Buf,
    /// The running unbiased variance, updated in training; a separate buffer.
    pub running_var: Buf,
    /// ε, added to the variance.
    pub epsilon: f32,
    /// The weight of each batch in the running statistics, as PyTorch's `momentum`; zero leaves them unchanged.
    pub momentum: f32,
}

/// The values that the backward pass needs.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// The input, [rows, c].
    pub x: Buf,
    /// The statistics: the mean and 1 / √(var + ε), [2, c].
    pub stats: Buf,
    /// True if the statistics are those of x, so that a gradient flows through them.
    pub training: bool,
}

/// Sums shared by the gradients of the parameters and of the input, `[c]` each.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Σ dy x̂
    pub dot: Buf,
    /// Σ dy
    pub sum: Buf,
}

/// Normalises x [rows, c] by its own statistics and updates the running ones. Returns y, of x's shape.
///
/// # Panics
/// If x has only one row (a variance needs two), when parameters or state are not `[c]`, or when the
/// activation's slope cannot be computed from its output.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, norm: &BatchNorm, act: Activation) -> (Buf, Saved) {
    check(label, x, norm);
    assert!(x.shape.rows() > 1, "{label}: training needs at least two rows of {} channels", x.shape.cols());
    let params = BatchNormParams { momentum: norm.momentum, epsilon: norm.epsilon, ..plain_params(x) };
    let (parts, c) = (params.parts as usize, x.shape.cols());
    let (partial, stats) = (s.scratch([parts, 2, c]), s.scratch([2, c]));
    let partial_label = format!("{label}.partial");
    s.push(&BATCH_NORM_PARTIAL, &partial_label, &[x, partial], &params, elements(parts * c), 4 * x.len() as u64);
    let bufs = [partial, stats, norm.running_mean, norm.running_var];
    s.push(&BATCH_NORM_FINISH, &format!("{label}.finish"), &bufs, &params, Grid::Linear(c), 4 * partial.len() as u64);
    (apply(s, label, x, norm, stats, act), Saved { x, stats, training: true })
}

/// Normalises x by the running statistics. Returns y, of x's shape.
///
/// # Panics
/// If parameters or state are not `[c]`, or when the activation's slope cannot be computed from its output.
pub fn inference(s: &mut Schedule, label: &str, x: Buf, norm: &BatchNorm, act: Activation) -> (Buf, Saved) {
    check(label, x, norm);
    let c = x.shape.cols();
    let params = BatchNormParams { epsilon: norm.epsilon, ..plain_params(x) };
    let stats = s.scratch([2, c]);
    let bufs = [norm.running_mean, stats, norm.running_var];
    s.push(&BATCH_NORM_RUNNING, &format!("{label}.running"), &bufs, &params, elements(c), 3 * c as u64);
    (apply(s, label, x, norm, stats, act), Saved { x, stats, training: false })
}

/// Computes Σ dy x̂ and Σ dy, where dy is the gradient before the fused activation.
///
/// # Panics
/// If `dy` has another size than `x`.
pub fn backward_sums(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf) -> Sums {
    let Saved { x, stats, .. } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    let params = plain_params(x);
    let (parts, c) = (params.parts as usize, x.shape.cols());
    let [dots, sums] = [(); 2].map(|()| s.scratch([parts, c]));
    let bufs = [x, stats, dy, dots, sums];
    let grid = elements(parts * c);
    s.push(&BATCH_NORM_BACKWARD_PARTIAL, &format!("{label}.partial"), &bufs, &params, grid, 4 * x.len() as u64);
    let [dot, sum] = [(); 2].map(|()| s.scratch([c]));
    let flops = 2 * dots.len() as u64;
    s.push(&BATCH_NORM_BACKWARD_FINISH, label, &[dots, sums, dot, sum], &params, Grid::Linear(c), flops);
    Sums { dot, sum }
}

/// dweight `[c]` += Σ dy x̂ and dbias `[c]` += Σ dy.
///
/// # Panics
/// If `dweight` or `dbias` does not have one element per channel.
pub fn backward_params(s: &mut Schedule, label: &str, sums: Sums, dweight: Buf, dbias: Buf) {
    let row = [1, sums.dot.len()];
    reduce::columns_add(s, &format!("{label}.weight"), sums.dot.reshape(row), dweight);
    reduce::columns_add(s, &format!("{label}.bias"), sums.sum.reshape(row), dbias);
}

/// dx, of x's shape, from dy before the fused activation. A gate (an activation and its output, of x's shape)
/// multiplies dx by the slope of that activation. `sums` are those of [`backward_sums`], required if the statistics are
/// those of x and not allowed otherwise.
///
/// # Panics
/// If shapes do not fit, if sums are missing or not allowed, or if the gate's slope cannot be computed from its output.
pub fn backward_input(
    s: &mut Schedule,
    label: &str,
    saved: &Saved,
    dy: Buf,
    weight: Buf,
    sums: Option<Sums>,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let Saved { x, stats, training } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    assert_eq!(
        weight.len(),
        x.shape.cols(),
        "{label}: weight of shape {} for the channels of {}",
        weight.shape,
        x.shape
    );
    assert_eq!(sums.is_some(), training, "{label}: sums are required with statistics of the batch, and only then");
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {}", x.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    // Unused bindings are bound to x.
    let Sums { dot, sum } = sums.unwrap_or(Sums { dot: x, sum: x });
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let training = training.into();
    let params = BatchNormParams { training, gate: act.code(), gate_alpha: act.alpha(), ..plain_params(x) };
    let dx = s.scratch(x.shape);
    let bufs = [x, stats, dy, weight, dot, sum, gate_y, dx];
    s.push(&BATCH_NORM_BACKWARD_APPLY, label, &bufs, &params, rows_at_once(x), 9 * x.len() as u64);
    dx
}

fn apply(s: &mut Schedule, label: &str, x: Buf, norm: &BatchNorm, stats: Buf, act: Activation) -> Buf {
    assert!(act.slope_from_output(), "{label}: the slope of {act:?} cannot be computed from its output");
    let y = s.scratch(x.shape);
    let params = BatchNormParams { activation: act.code(), alpha: act.alpha(), ..plain_params(x) };
    let bufs = [x, stats, y, norm.weight, norm.bias];
    s.push(&BATCH_NORM_APPLY, label, &bufs, &params, rows_at_once(x), 4 * x.len() as u64);
    y
}

fn check(label: &str, x: Buf, norm: &BatchNorm) {
    let bufs = [norm.weight, norm.bias, norm.running_mean, norm.running_var];
    for (name, buf) in ["weight", "bias", "running mean", "running variance"].iter().zip(bufs) {
        assert_eq!(buf.len(), x.shape.cols(), "{label}: {name} of shape {} for the channels of {}", buf.shape, x.shape);
    }
}

fn plain_params(x: Buf) -> BatchNormParams {
    let (rows, c) = (x.shape.rows(), x.shape.cols());
    BatchNormParams {
        rows: rows as u32,
        c: c as u32,
        chunk: CHUNK as u32,
        parts: rows.div_ceil(CHUNK) as u32,
        training: 0,
        activation: Activation::Identity.code(),
        gate: Activation::Identity.code(),
        alpha: 0.0,
        gate_alpha: 0.0,
        epsilon: 0.0,
        momentum: 0.0,
    }
}

/// One invocation for each channel of `ROWS` rows.
fn rows_at_once(x: Buf) -> Grid {
    elements(x.shape.rows().div_ceil(ROWS) * x.shape.cols())
}

fn elements(count: usize) -> Grid {
    Grid::Linear(count.div_ceil(INVOCATIONS))
}
