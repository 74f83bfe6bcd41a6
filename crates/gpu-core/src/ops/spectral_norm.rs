//! Spectral normalisation: divides a weight matrix by its largest singular value, estimated by power iteration.
//!
//! y = w / σ with σ = uᵀ w v (Miyato, Kataoka, Koyama, Yoshida, Spectral normalization for generative adversarial
//! networks, ICLR 2018, algorithm 1). u and v are state, and constants to the derivative, as in PyTorch's
//! `torch.nn.utils.spectral_norm`.

use crate::ops::reduce;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of every kernel of spectral normalisation.
    pub struct SpectralNormParams {
        /// Rows of w.
        m: u32,
        /// Columns of w.
        n: u32,
        /// Rows that one invocation sums.
        chunk: u32,
        /// Chunks of rows.
        parts: u32,
        /// Elements of the vector to be normalised.
        len: u32,
        /// The least norm that a vector is divided by.
        epsilon: f32,
    }
}

const INVOCATIONS: usize = 256;
/// Rows that one invocation sums, in one column.
const CHUNK: usize = 64;
/// The least norm in PyTorch.
const EPSILON: f32 = 1e-12;

const CONSTANT: Gradient = Gradient::None("u and v are constants to the derivative");

const fn kernel(name: &'static str, bindings: &'static [Binding], reference: Functions, gradient: Gradient) -> Kernel {
    Kernel {
        name,
        op: "spectral_norm",
        source: shader!("spectral_norm", "grid", "tree"),
        bindings,
        params: SpectralNormParams::FIELDS,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// partial [parts, n]: wᵀ u over chunks of rows.
pub static SPECTRAL_NORM_COLUMNS: Kernel = kernel(
    "spectral_norm_columns",
    &[read("w"), read("u"), write("partial")],
    functions!(reference::spectral_norm::spectral_norm_columns),
    CONSTANT,
);
/// product `[m]` = w v.
pub static SPECTRAL_NORM_ROWS: Kernel = kernel(
    "spectral_norm_rows",
    &[read("w"), read("v"), write("product")],
    functions!(reference::spectral_norm::spectral_norm_rows),
    Gradient::Forward,
);
/// state = copy = t / max(‖t‖, ε).
pub static SPECTRAL_NORM_NORMALISE: Kernel = kernel(
    "spectral_norm_normalise",
    &[read("t"), write("state"), write("copy")],
    functions!(reference::spectral_norm::spectral_norm_normalise),
    CONSTANT,
);
/// sigma `[1]` = Σ u t.
pub static SPECTRAL_NORM_SIGMA: Kernel = kernel(
    "spectral_norm_sigma",
    &[read("t"), read("u"), write("sigma")],
    functions!(reference::spectral_norm::spectral_norm_sigma),
    Gradient::Forward,
);
/// y = w / σ.
pub static SPECTRAL_NORM_DIVIDE: Kernel = kernel(
    "spectral_norm_divide",
    &[read("w"), read("divisor"), write("y")],
    functions!(reference::spectral_norm::spectral_norm_divide),
    Gradient::Forward,
);
/// products `[m]`: Σ dy ⊙ y of each row.
pub static SPECTRAL_NORM_DOT: Kernel = kernel(
    "spectral_norm_dot",
    &[read("dy"), read("normed"), write("products")],
    functions!(reference::spectral_norm::spectral_norm_dot),
    Gradient::Backward,
);
/// dw += (dy − total u vᵀ) / σ.
pub static SPECTRAL_NORM_BACKWARD: Kernel = kernel(
    "spectral_norm_backward",
    &[read("dy"), read("divisor"), read("u_saved"), read("v_saved"), read("total"), update("dw")],
    functions!(reference::spectral_norm::spectral_norm_backward),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &SPECTRAL_NORM_COLUMNS,
    &SPECTRAL_NORM_ROWS,
    &SPECTRAL_NORM_NORMALISE,
    &SPECTRAL_NORM_SIGMA,
    &SPECTRAL_NORM_DIVIDE,
    &SPECTRAL_NORM_DOT,
    &SPECTRAL_NORM_BACKWARD,
];

/// The state of one normalised matrix: two approximate unit vectors, in separate buffers.
#[derive(Clone, Copy, Debug)]
pub struct SpectralNorm {
    /// The estimate of the left singular vector, `[m]`.
    pub u: Buf,
    /// The estimate of the right singular vector, `[n]`.
    pub v: Buf,
}

/// The values that the backward pass needs.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// The normalised weight, of w's shape.
    pub y: Buf,
    /// σ, `[1]`.
    pub sigma: Buf,
    /// The u of this call, `[m]`, unchanged by later calls.
    pub u: Buf,
    /// The v of this call, `[n]`, unchanged by later calls.
    pub v: Buf,
}

/// y = w / σ, of w's shape, viewed as a matrix with as many rows as u has elements. If `iterate`, as in training, one
/// power iteration updates u and v first. The backward pass uses their values of this call.
///
/// # Panics
/// If `w` does not have as many elements as u vᵀ.
pub fn forward(s: &mut Schedule, label: &str, w: Buf, norm: &SpectralNorm, iterate: bool) -> (Buf, Saved) {
    let params = plain_params(label, w, norm);
    let m = params.m as usize;
    let (product, u, v) = match iterate {
        true => iterated(s, label, w, norm),
        false => (rows(s, label, w, norm.v, &params), norm.u, norm.v),
    };
    let (sigma, y) = (s.scratch([1]), s.scratch(w.shape));
    let sigma_label = format!("{label}.sigma");
    s.push(&SPECTRAL_NORM_SIGMA, &sigma_label, &[product, u, sigma], &params, Grid::Linear(1), 2 * m as u64);
    s.push(&SPECTRAL_NORM_DIVIDE, label, &[w, sigma, y], &params, elements(w.len()), w.len() as u64);
    (y, Saved { y, sigma, u, v })
}

/// One power iteration, which updates u and v: [`forward`] without it then gives what [`forward`] with it gives.
///
/// # Panics
/// As [`forward`].
pub fn iterate(s: &mut Schedule, label: &str, w: Buf, norm: &SpectralNorm) {
    iterated(s, label, w, norm);
}

/// One power iteration: w v, u and v.
fn iterated(s: &mut Schedule, label: &str, w: Buf, norm: &SpectralNorm) -> (Buf, Buf, Buf) {
    let params = plain_params(label, w, norm);
    let partial = s.scratch([params.parts as usize, params.n as usize]);
    let (bufs, flops) = ([w, norm.u, partial], 2 * w.len() as u64);
    s.push(&SPECTRAL_NORM_COLUMNS, &format!("{label}.columns"), &bufs, &params, elements(partial.len()), flops);
    let sum = reduce::columns(s, &format!("{label}.columns.sum"), partial, reduce::Kind::Sum);
    let v = normalise(s, &format!("{label}.v"), sum, norm.v, &params);
    let product = rows(s, label, w, v, &params);
    (product, normalise(s, &format!("{label}.u"), product, norm.u, &params), v)
}

/// w v, `[m]`.
fn rows(s: &mut Schedule, label: &str, w: Buf, v: Buf, params: &SpectralNormParams) -> Buf {
    let (m, flops) = (params.m as usize, 2 * w.len() as u64);
    let product = s.scratch([m]);
    s.push(&SPECTRAL_NORM_ROWS, &format!("{label}.rows"), &[w, v, product], params, Grid::Linear(m), flops);
    product
}

/// dw += (dy − (Σ dy ⊙ y) u vᵀ) / σ, where dy is the gradient of y and `dw` that of w.
///
/// # Panics
/// If `dy` or `dw` has another size than w.
pub fn backward(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf, dw: Buf) {
    let Saved { y, sigma, u, v } = *saved;
    assert!(dy.len() == y.len() && dw.len() == y.len(), "{label}: dy of {}, dw of {}", dy.shape, dw.shape);
    let params = plain_params(label, y, &SpectralNorm { u, v });
    let products = s.scratch([params.m as usize]);
    let flops = 2 * y.len() as u64;
    let grid = Grid::Linear(params.m as usize);
    s.push(&SPECTRAL_NORM_DOT, &format!("{label}.dot"), &[dy, y, products], &params, grid, flops);
    let total = reduce::whole(s, &format!("{label}.dot.sum"), products, reduce::Kind::Sum);
    let bufs = [dy, sigma, u, v, total, dw];
    s.push(&SPECTRAL_NORM_BACKWARD, label, &bufs, &params, elements(y.len()), 2 * flops);
}

/// Divides t by its norm; writes the state and a copy for this call.
fn normalise(s: &mut Schedule, label: &str, t: Buf, state: Buf, params: &SpectralNormParams) -> Buf {
    let copy = s.scratch([t.len()]);
    let params = SpectralNormParams { len: t.len() as u32, ..*params };
    s.push(&SPECTRAL_NORM_NORMALISE, label, &[t, state, copy], &params, Grid::Linear(1), 3 * t.len() as u64);
    copy
}

fn plain_params(label: &str, w: Buf, norm: &SpectralNorm) -> SpectralNormParams {
    let (m, n) = (norm.u.len(), norm.v.len());
    assert_eq!(w.len(), m * n, "{label}: u of {m} and v of {n} for w of {}", w.shape);
    SpectralNormParams {
        m: m as u32,
        n: n as u32,
        chunk: CHUNK as u32,
        parts: m.div_ceil(CHUNK) as u32,
        len: 0,
        epsilon: EPSILON,
    }
}

fn elements(count: usize) -> Grid {
    Grid::Linear(count.div_ceil(INVOCATIONS))
}
