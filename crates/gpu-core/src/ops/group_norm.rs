//! Group normalisation of NHWC images, with a fused activation. With one channel per group it is instance
//! normalisation.
//!
//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε) over the pixels and channels of one group of one image
//! (Wu, He, Group normalization, ECCV 2018; Ulyanov, Vedaldi, Lempitsky, Instance normalization, 2016). Pixels are
//! divided into chunks of fixed length. A second kernel joins their sums in an order that depends only on the sizes.

use crate::ops::activation::Activation;
use crate::ops::reduce;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of every kernel of group normalisation.
    pub struct GroupNormParams {
        /// Images.
        n: u32,
        /// Pixels of an image.
        hw: u32,
        /// Channels.
        c: u32,
        /// Groups of adjacent channels.
        groups: u32,
        /// Pixels that one invocation sums.
        chunk: u32,
        /// Chunks of an image.
        parts: u32,
        /// 1 if weight and bias are applied.
        affine: u32,
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
/// Pixels that one invocation sums, in one channel.
const CHUNK: usize = 64;
/// Pixels that one invocation normalises, in one channel.
const PIXELS: usize = 8;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    overrides: &'static [&'static str],
    reference: Functions,
    gradient: Gradient,
) -> Kernel {
    Kernel {
        name,
        op: "group_norm",
        source: shader!("group_norm", "grid", "nan", "elementary", "rows", "activation"),
        bindings,
        params: GroupNormParams::FIELDS,
        overrides,
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// partial [n, parts, 2, c]: the mean and Σ (x − mean)² of each chunk and channel.
pub static GROUP_NORM_PARTIAL: Kernel = kernel(
    "group_norm_partial",
    &[read("x"), write("partial")],
    &[],
    functions!(reference::group_norm::group_norm_partial),
    Gradient::Forward,
);
/// stats [n, groups, 2]: the mean and 1 / √(var + ε) of each group.
pub static GROUP_NORM_FINISH: Kernel = kernel(
    "group_norm_finish",
    &[read("partials"), write("stats")],
    &[],
    functions!(reference::group_norm::group_norm_finish),
    Gradient::Forward,
);
/// y = act(weight · x̂ + bias).
pub static GROUP_NORM_APPLY: Kernel = kernel(
    "group_norm_apply",
    &[read("x"), read("saved"), write("y"), read("weight"), read("bias")],
    &["affine", "activation"],
    functions!(reference::group_norm::group_norm_apply),
    Gradient::Forward,
);
/// Σ dy x̂ and Σ dy of each chunk and channel, [n, parts, c].
pub static GROUP_NORM_BACKWARD_PARTIAL: Kernel = kernel(
    "group_norm_backward_partial",
    &[read("x"), read("saved"), read("dy"), write("partial_dot"), write("partial_sum")],
    &[],
    functions!(reference::group_norm::group_norm_backward_partial),
    Gradient::Backward,
);
/// totals [n, groups, 2]: Σ weight dy x̂ and Σ weight dy of each group.
pub static GROUP_NORM_BACKWARD_FINISH: Kernel = kernel(
    "group_norm_backward_finish",
    &[read("dots"), read("sums"), write("totals"), read("weight")],
    &["affine"],
    functions!(reference::group_norm::group_norm_backward_finish),
    Gradient::Backward,
);
/// dx = inv_std (weight dy − (Σ weight dy + x̂ Σ weight dy x̂) / count) · slope.
pub static GROUP_NORM_BACKWARD_APPLY: Kernel = kernel(
    "group_norm_backward_apply",
    &[read("x"), read("saved"), read("dy"), read("weight"), read("group_sums"), read("gate_y"), write("dx")],
    &["affine", "gate"],
    functions!(reference::group_norm::group_norm_backward_apply),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &GROUP_NORM_PARTIAL,
    &GROUP_NORM_FINISH,
    &GROUP_NORM_APPLY,
    &GROUP_NORM_BACKWARD_PARTIAL,
    &GROUP_NORM_BACKWARD_FINISH,
    &GROUP_NORM_BACKWARD_APPLY,
];

/// The configuration of a group normalisation.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm {
    /// Groups of adjacent channels, a divisor of their number; equal to it for instance normalisation.
    pub groups: usize,
    /// The scale of x̂ and the offset, `[c]` each.
    pub affine: Option<(Buf, Buf)>,
    /// ε, added to the variance.
    pub epsilon: f32,
}

/// The values that the backward pass needs.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// The input, [n, …, c].
    pub x: Buf,
    /// The statistics: the mean and 1 / √(var + ε), [n, groups, 2].
    pub stats: Buf,
    /// The configuration.
    pub norm: GroupNorm,
}

/// Sums shared by the gradients of the parameters and of the input, [n · parts, c] each.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Σ dy x̂ over a chunk of pixels.
    pub dot: Buf,
    /// Σ dy over the same.
    pub sum: Buf,
}

/// Normalises x: y, of x's shape. The first dimension of x counts images, the last channels.
///
/// # Panics
/// If the groups do not divide the channels, when weight or bias are not `[c]`, or when the activation's slope cannot
/// be computed from its output.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, norm: &GroupNorm, act: Activation) -> (Buf, Saved) {
    let c = x.shape.cols();
    assert!(norm.groups > 0 && c.is_multiple_of(norm.groups), "{label}: {} groups of {c} channels", norm.groups);
    let fits = |(weight, bias): (Buf, Buf)| weight.len() == c && bias.len() == c;
    assert!(norm.affine.is_none_or(fits), "{label}: weight and bias do not have {c} elements");
    assert!(act.slope_from_output(), "{label}: the slope of {act:?} cannot be computed from its output");
    let params = plain_params(x, norm);
    let (n, parts) = (params.n as usize, params.parts as usize);
    let (partial, stats) = (s.scratch([n, parts, 2, c]), s.scratch([n, norm.groups, 2]));
    let partial_label = format!("{label}.partial");
    let grid = elements(n * parts * c);
    s.push(&GROUP_NORM_PARTIAL, &partial_label, &[x, partial], &params, grid, 4 * x.len() as u64);
    let grid = Grid::of_rows(n * norm.groups);
    s.push(&GROUP_NORM_FINISH, &format!("{label}.finish"), &[partial, stats], &params, grid, 4 * partial.len() as u64);
    let y = s.scratch(x.shape);
    let params = GroupNormParams { activation: act.code(), alpha: act.alpha(), ..params };
    // Unused bindings are bound to x.
    let (weight, bias) = norm.affine.unwrap_or((x, x));
    let bufs = [x, stats, y, weight, bias];
    s.push(&GROUP_NORM_APPLY, label, &bufs, &params, spans(&params), 4 * x.len() as u64);
    (y, Saved { x, stats, norm: *norm })
}

/// Computes Σ dy x̂ and Σ dy over chunks of pixels, where dy is the gradient before the fused activation.
///
/// # Panics
/// If `dy` has another size than x.
pub fn backward_sums(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf) -> Sums {
    let Saved { x, stats, norm } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    let params = plain_params(x, &norm);
    let rows = (params.n * params.parts) as usize;
    let [dot, sum] = [(); 2].map(|()| s.scratch([rows, x.shape.cols()]));
    let bufs = [x, stats, dy, dot, sum];
    s.push(&GROUP_NORM_BACKWARD_PARTIAL, label, &bufs, &params, elements(dot.len()), 4 * x.len() as u64);
    Sums { dot, sum }
}

/// dweight `[c]` += Σ dy x̂ and dbias `[c]` += Σ dy over images and pixels.
///
/// # Panics
/// If `dweight` or `dbias` does not have one element per channel.
pub fn backward_params(s: &mut Schedule, label: &str, sums: Sums, dweight: Buf, dbias: Buf) {
    reduce::columns_add(s, &format!("{label}.weight"), sums.dot, dweight);
    reduce::columns_add(s, &format!("{label}.bias"), sums.sum, dbias);
}

/// dx, of x's shape, from dy before the fused activation and its [`backward_sums`]. A gate (an activation and its
/// output, of x's shape) multiplies dx by the slope of that activation.
///
/// # Panics
/// If shapes do not fit, or when the gate's slope cannot be computed from its output.
pub fn backward_input(
    s: &mut Schedule,
    label: &str,
    saved: &Saved,
    dy: Buf,
    sums: Sums,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let Saved { x, stats, norm } = *saved;
    assert_eq!(dy.len(), x.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {}", x.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    let params = plain_params(x, &norm);
    let totals = s.scratch(stats.shape);
    let weight = norm.affine.map_or(x, |(weight, _)| weight);
    let grid = Grid::of_rows(params.n as usize * norm.groups);
    let bufs = [sums.dot, sums.sum, totals, weight];
    let totals_label = format!("{label}.totals");
    s.push(&GROUP_NORM_BACKWARD_FINISH, &totals_label, &bufs, &params, grid, 4 * sums.dot.len() as u64);
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let params = GroupNormParams { gate: act.code(), gate_alpha: act.alpha(), ..params };
    let dx = s.scratch(x.shape);
    let bufs = [x, stats, dy, weight, totals, gate_y, dx];
    s.push(&GROUP_NORM_BACKWARD_APPLY, label, &bufs, &params, spans(&params), 9 * x.len() as u64);
    dx
}

fn plain_params(x: Buf, norm: &GroupNorm) -> GroupNormParams {
    let (n, c) = (x.shape.dims()[0] as usize, x.shape.cols());
    assert!(x.shape.dims().len() > 1, "{} has no channels", x.shape);
    let hw = x.len() / (n * c);
    GroupNormParams {
        n: n as u32,
        hw: hw as u32,
        c: c as u32,
        groups: norm.groups as u32,
        chunk: CHUNK as u32,
        parts: hw.div_ceil(CHUNK) as u32,
        affine: norm.affine.is_some().into(),
        activation: Activation::Identity.code(),
        gate: Activation::Identity.code(),
        alpha: 0.0,
        gate_alpha: 0.0,
        epsilon: norm.epsilon,
    }
}

/// The grid of the kernels that normalise [`PIXELS`] pixels of one channel an invocation.
fn spans(params: &GroupNormParams) -> Grid {
    let [n, hw, c] = [params.n, params.hw, params.c].map(|count| count as usize);
    elements(n * hw.div_ceil(PIXELS) * c)
}

fn elements(count: usize) -> Grid {
    Grid::Linear(count.div_ceil(INVOCATIONS))
}
