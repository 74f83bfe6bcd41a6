//! The gated unit of a PixelCNN: y = tanh(a) ⊙ σ(b), where (a | b) = x + bias are the two halves of the channels (van
//! den Oord et al., *Conditional image generation with PixelCNN decoders*, 2016, eq. 2).
//!
//! A row of the bias belongs to several rows of x: all positions of an image have the bias of its class.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all three kernels.
    pub struct GatedParams {
        /// Elements of y, or of dbias.
        len: u32,
        /// Channels of y.
        c: u32,
        /// Rows of x to a row of the bias.
        rows: u32,
        /// 1 if there is a bias.
        biased: u32,
    }
}

const INVOCATIONS: usize = 64;

/// y [m, c] = tanh(a) ⊙ σ(b).
pub static GATED: Kernel = Kernel {
    name: "gated",
    op: "gated",
    source: shader!("gated", "grid", "nan", "elementary"),
    bindings: &[read("x"), read("bias"), write("y")],
    params: GatedParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::gated::gated),
    gradient: Gradient::Forward,
};

/// dx [m, 2c] from dy [m, c].
pub static GATED_BACKWARD: Kernel = Kernel {
    name: "gated_backward",
    bindings: &[read("x"), read("bias"), read("dy"), write("dx")],
    reference: functions!(reference::gated::gated_backward),
    gradient: Gradient::Backward,
    ..GATED
};

/// dbias = the sum of dx over the rows of each row of the bias.
pub static GATED_BACKWARD_BIAS: Kernel = Kernel {
    name: "gated_backward_bias",
    bindings: &[read("dsum"), write("dbias")],
    reference: functions!(reference::gated::gated_backward_bias),
    gradient: Gradient::Backward,
    ..GATED
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&GATED, &GATED_BACKWARD, &GATED_BACKWARD_BIAS];

/// y […, c] of x […, 2c] and, if there is one, the bias [n, 2c], whose rows belong to equally many rows of x in turn.
///
/// # Panics
/// If x has an odd number of channels, or its rows cannot be divided among those of the bias.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, bias: Option<Buf>) -> Buf {
    let y = s.scratch(x.shape.with_cols(x.shape.cols() / 2));
    let params = parameters(label, y.len(), x, bias);
    s.push(&GATED, label, &[x, bias.unwrap_or(x), y], &params, grid(y), 20 * y.len() as u64);
    y
}

/// The gradient of [`forward`] with respect to x: dx, of x's shape, from dy […, c].
///
/// # Panics
/// As [`forward`]; or if `dy` does not have half of x's elements.
pub fn backward(s: &mut Schedule, label: &str, x: Buf, bias: Option<Buf>, dy: Buf) -> Buf {
    assert_eq!(2 * dy.len(), x.len(), "{label}: dy of {} for x of {}", dy.shape, x.shape);
    let dx = s.scratch(x.shape);
    let params = parameters(label, dy.len(), x, bias);
    s.push(&GATED_BACKWARD, label, &[x, bias.unwrap_or(x), dy, dx], &params, grid(dy), 28 * dy.len() as u64);
    dx
}

/// The gradient of [`forward`] with respect to a bias of `n` rows: dbias [n, 2c], from the dx of [`backward`].
///
/// # Panics
/// If the rows of dx cannot be divided among n.
pub fn backward_bias(s: &mut Schedule, label: &str, dx: Buf, n: usize) -> Buf {
    let dbias = s.scratch([n, dx.shape.cols()]);
    let params = parameters(label, dbias.len(), dx, Some(dbias));
    s.push(&GATED_BACKWARD_BIAS, label, &[dx, dbias], &params, grid(dbias), dx.len() as u64);
    dbias
}

fn parameters(label: &str, len: usize, x: Buf, bias: Option<Buf>) -> GatedParams {
    let (m, width) = (x.shape.rows(), x.shape.cols());
    assert!(width.is_multiple_of(2), "{label}: {} has no two halves of channels", x.shape);
    let n = bias.map_or(1, |bias| bias.shape.rows());
    let fits = m.is_multiple_of(n) && bias.is_none_or(|bias| bias.shape.cols() == width);
    assert!(fits, "{label}: a bias of {:?} for x of {}", bias.map(|bias| bias.shape), x.shape);
    GatedParams { len: len as u32, c: (width / 2) as u32, rows: (m / n) as u32, biased: bias.is_some().into() }
}

fn grid(elements: Buf) -> Grid {
    Grid::Linear(elements.len().div_ceil(INVOCATIONS))
}
