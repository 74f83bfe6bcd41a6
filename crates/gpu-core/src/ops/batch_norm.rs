//! Batch normalisation over the rows of a matrix (an NHWC batch has n · h · w of them), with a fused activation.
//!
//! y = act(weight · x̂ + bias) with x̂ = (x − mean) / √(var + ε), channel by channel (Ioffe, Szegedy, Batch
//! normalization, ICML 2015). Training uses the statistics of the batch and updates the running ones; inference uses
//! the running ones. Rows are divided into chunks of fixed length. A second kernel joins their statistics in an order
//! that depends only on the sizes. Few rows are normalised in one dispatch each way.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, Shape, functions, params, reference, shader};

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
        /// Elements from the gradient of the weight to that of the bias.
        bias_at: u32,
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
/// Channels of a workgroup that adds over rows or chunks: COLUMNS of shaders/common/columns.wgsl.
const COLUMNS: usize = 8;
/// The most rows that one dispatch normalises: 32 for each invocation. With more, the workgroups are too few for the
/// work of each, and three dispatches are faster.
const FEW: usize = 1024;

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
        source: shader!("batch_norm", "grid", "nan", "elementary", "columns", "activation"),
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
/// The two before and the application, of few rows.
pub static BATCH_NORM_FEW: Kernel = kernel(
    "batch_norm_few",
    &[
        read("x"),
        write("stats"),
        update("running_mean"),
        update("running_var"),
        read("gain"),
        read("shift"),
        write("out"),
    ],
    &["activation"],
    functions!(reference::batch_norm::batch_norm_few),
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
/// The same, also added to the gradients of the weight and of the bias.
pub static BATCH_NORM_BACKWARD_FINISH_ADD: Kernel = kernel(
    "batch_norm_backward_finish_add",
    &[read("dots"), read("sums"), write("total_dot"), write("total_sum"), update("gradients")],
    &[],
    functions!(reference::batch_norm::batch_norm_backward_finish_add),
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
/// dx of few rows with the statistics of the batch, and the sums over all of them, `[c]` each.
pub static BATCH_NORM_BACKWARD_FEW: Kernel = kernel(
    "batch_norm_backward_few",
    &[read("x"), read("saved"), read("dy"), read("weight"), write("totals"), read("gate_few"), write("dx_few")],
    &["gate"],
    functions!(reference::batch_norm::batch_norm_backward_few),
    Gradient::Backward,
);
/// The same, with the sums added to the gradients of the weight and of the bias.
pub static BATCH_NORM_BACKWARD_FEW_ADD: Kernel = kernel(
    "batch_norm_backward_few_add",
    &[read("x"), read("saved"), read("dy"), read("weight"), update("gradients"), read("gate_few"), write("dx_few")],
    &["gate"],
    functions!(reference::batch_norm::batch_norm_backward_few_add),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &BATCH_NORM_PARTIAL,
    &BATCH_NORM_FINISH,
    &BATCH_NORM_FEW,
    &BATCH_NORM_RUNNING,
    &BATCH_NORM_APPLY,
    &BATCH_NORM_BACKWARD_PARTIAL,
    &BATCH_NORM_BACKWARD_FINISH,
    &BATCH_NORM_BACKWARD_FINISH_ADD,
    &BATCH_NORM_BACKWARD_APPLY,
    &BATCH_NORM_BACKWARD_FEW,
    &BATCH_NORM_BACKWARD_FEW_ADD,
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

/// The gradients of the parameters, `[c]` each, which the backward pass adds to. They lie in one buffer, that of the
/// weight before that of the bias.
#[derive(Clone, Copy, Debug)]
pub struct Gradients {
    /// += Σ dy x̂
    pub weight: Buf,
    /// += Σ dy
    pub bias: Buf,
}

impl Gradients {
    /// Both in one range, which a kernel can bind, and the start of the bias in it.
    fn range(self, label: &str, c: usize) -> (Buf, u32) {
        let Self { weight, bias } = self;
        assert!(weight.len() == c && bias.len() == c, "{label}: gradients of {weight:?} and {bias:?} for {c} channels");
        let apart = bias.offset.checked_sub(weight.offset).filter(|&apart| apart as usize >= c);
        let apart = apart.filter(|_| weight.id == bias.id);
        let apart = apart.unwrap_or_else(|| panic!("{label}: {bias:?} does not follow {weight:?}"));
        (Buf { shape: Shape::from([apart as usize + c]), ..weight }, apart)
    }
}

/// Sums shared by the gradients of the parameters and of the input, `[c]` each.
struct Sums {
    /// Σ dy x̂
    dot: Buf,
    /// Σ dy
    sum: Buf,
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
    let stats = s.scratch([2, c]);
    if x.shape.rows() <= FEW {
        let params = BatchNormParams { activation: slope_from_output(label, act).code(), alpha: act.alpha(), ..params };
        let y = s.scratch(x.shape);
        let bufs = [x, stats, norm.running_mean, norm.running_var, norm.weight, norm.bias, y];
        s.push(&BATCH_NORM_FEW, label, &bufs, &params, columns(c), 8 * x.len() as u64);
        return (y, Saved { x, stats, training: true });
    }
    let partial = s.scratch([parts, 2, c]);
    let partial_label = format!("{label}.partial");
    s.push(&BATCH_NORM_PARTIAL, &partial_label, &[x, partial], &params, elements(parts * c), 4 * x.len() as u64);
    let bufs = [partial, stats, norm.running_mean, norm.running_var];
    s.push(&BATCH_NORM_FINISH, &format!("{label}.finish"), &bufs, &params, columns(c), 4 * partial.len() as u64);
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

/// dx, of x's shape, from dy before the fused activation; with `gradients`, also those of the parameters. A gate (an
/// activation and its output, of x's shape) multiplies dx by the slope of that activation.
///
/// # Panics
/// If sizes differ, or if the gate's slope cannot be computed from its output.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    saved: &Saved,
    dy: Buf,
    weight: Buf,
    gradients: Option<Gradients>,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let Saved { x, stats, training } = *saved;
    let c = x.shape.cols();
    assert_eq!(weight.len(), c, "{label}: weight of shape {} for the channels of {}", weight.shape, x.shape);
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {}", x.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let params =
        BatchNormParams { training: training.into(), gate: act.code(), gate_alpha: act.alpha(), ..plain_params(x) };
    if training && x.shape.rows() <= FEW {
        let (kernel, (sums, bias_at)) = match gradients {
            Some(gradients) => (&BATCH_NORM_BACKWARD_FEW_ADD, gradients.range(label, c)),
            None => (&BATCH_NORM_BACKWARD_FEW, (s.scratch([2, c]), 0)),
        };
        let (params, dx) = (BatchNormParams { bias_at, ..params }, s.scratch(x.shape));
        let bufs = [x, stats, dy, weight, sums, gate_y, dx];
        s.push(kernel, label, &bufs, &params, columns(c), 13 * x.len() as u64);
        return dx;
    }
    // Unused bindings are bound to x.
    let needed = training || gradients.is_some();
    let sums = needed.then(|| backward_sums(s, label, saved, dy, gradients));
    let Sums { dot, sum } = sums.filter(|_| training).unwrap_or(Sums { dot: x, sum: x });
    let dx = s.scratch(x.shape);
    let bufs = [x, stats, dy, weight, dot, sum, gate_y, dx];
    s.push(&BATCH_NORM_BACKWARD_APPLY, label, &bufs, &params, rows_at_once(x), 9 * x.len() as u64);
    dx
}

/// Only the gradients of the parameters, from dy before the fused activation.
///
/// # Panics
/// If sizes differ.
pub fn backward_params(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf, gradients: Gradients) {
    backward_sums(s, label, saved, dy, Some(gradients));
}

fn backward_sums(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf, gradients: Option<Gradients>) -> Sums {
    let Saved { x, stats, .. } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    let params = plain_params(x);
    let (parts, c) = (params.parts as usize, x.shape.cols());
    let [dots, sums] = [(); 2].map(|()| s.scratch([parts, c]));
    let (bufs, grid) = ([x, stats, dy, dots, sums], elements(parts * c));
    s.push(&BATCH_NORM_BACKWARD_PARTIAL, &format!("{label}.partial"), &bufs, &params, grid, 4 * x.len() as u64);
    let [dot, sum] = [(); 2].map(|()| s.scratch([c]));
    let (label, flops) = (format!("{label}.sums"), 2 * dots.len() as u64);
    match gradients {
        Some(gradients) => {
            let (gradients, bias_at) = gradients.range(&label, c);
            let (bufs, params) = ([dots, sums, dot, sum, gradients], BatchNormParams { bias_at, ..params });
            s.push(&BATCH_NORM_BACKWARD_FINISH_ADD, &label, &bufs, &params, columns(c), flops);
        }
        None => s.push(&BATCH_NORM_BACKWARD_FINISH, &label, &[dots, sums, dot, sum], &params, columns(c), flops),
    }
    Sums { dot, sum }
}

fn apply(s: &mut Schedule, label: &str, x: Buf, norm: &BatchNorm, stats: Buf, act: Activation) -> Buf {
    let y = s.scratch(x.shape);
    let act = slope_from_output(label, act);
    let params = BatchNormParams { activation: act.code(), alpha: act.alpha(), ..plain_params(x) };
    let bufs = [x, stats, y, norm.weight, norm.bias];
    s.push(&BATCH_NORM_APPLY, label, &bufs, &params, rows_at_once(x), 4 * x.len() as u64);
    y
}

fn slope_from_output(label: &str, act: Activation) -> Activation {
    assert!(act.slope_from_output(), "{label}: the slope of {act:?} cannot be computed from its output");
    act
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
        bias_at: 0,
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

/// A workgroup for each eight channels.
fn columns(c: usize) -> Grid {
    Grid::Linear(c.div_ceil(COLUMNS))
}

fn elements(count: usize) -> Grid {
    Grid::Linear(count.div_ceil(INVOCATIONS))
}
