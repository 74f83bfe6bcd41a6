//! Self-attention of the positions of an image, in heads of equal width.
//!
//! y = softmax(q kᵀ / √d) v in each head of d channels (Vaswani et al., *Attention is all you need*, 2017). The forward
//! pass keeps the probabilities, of which there are m² for each head of an image of m positions.

use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of every kernel of attention.
    pub struct AttentionParams {
        /// Images.
        n: u32,
        /// Positions of an image.
        m: u32,
        /// Heads.
        heads: u32,
        /// Channels of a head.
        d: u32,
    }
}

/// Positions of an image, at most: a workgroup keeps a score of each.
pub const MAX_POSITIONS: usize = 256;

const INVOCATIONS: usize = 256;
/// Queries of a workgroup.
const ROWS: usize = 8;

const fn kernel(name: &'static str, bindings: &'static [Binding], reference: Functions, gradient: Gradient) -> Kernel {
    Kernel {
        name,
        op: "attention",
        source: shader!("attention", "grid", "nan", "elementary"),
        bindings,
        params: AttentionParams::FIELDS,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// prob [n, heads, m, m] = softmax(q kᵀ / √d), and y [n, m, heads d] = prob v.
pub static ATTENTION: Kernel = kernel(
    "attention",
    &[read("qkv"), write("prob"), write("y")],
    functions!(reference::attention::attention),
    Gradient::Forward,
);
/// dscore [n, heads, m, m] = prob ⊙ (dy vᵀ − Σ prob ⊙ dy vᵀ) / √d.
pub static ATTENTION_BACKWARD_SCORES: Kernel = kernel(
    "attention_backward_scores",
    &[read("qkv"), read("saved"), read("dy"), write("dscore")],
    functions!(reference::attention::attention_backward_scores),
    Gradient::Backward,
);
/// dqkv: dscores k | dscoresᵀ q | probᵀ dy.
pub static ATTENTION_BACKWARD: Kernel = kernel(
    "attention_backward",
    &[read("qkv"), read("saved"), read("dy"), read("dscores"), write("dqkv")],
    functions!(reference::attention::attention_backward),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&ATTENTION, &ATTENTION_BACKWARD_SCORES, &ATTENTION_BACKWARD];

/// The values that the backward pass needs.
#[derive(Clone, Copy, Debug)]
pub struct Saved {
    /// The input, [n, …, 3 c].
    pub qkv: Buf,
    /// The probabilities, [n, heads, m, m].
    pub prob: Buf,
}

/// y [n, …, c] of qkv [n, …, 3 c], whose channels are q | k | v, in each of which those of a head are adjacent. The
/// dimensions between the first and the last are the positions of an image.
///
/// # Panics
/// If the channels are not three times a multiple of the heads, or when there are more than [`MAX_POSITIONS`].
pub fn forward(s: &mut Schedule, label: &str, qkv: Buf, heads: usize) -> (Buf, Saved) {
    let columns = qkv.shape.cols();
    assert!(heads > 0 && columns.is_multiple_of(3 * heads), "{label}: {heads} heads of {}", qkv.shape);
    let n = qkv.shape.dims()[0] as usize;
    let (m, c) = (qkv.len() / (n * columns), columns / 3);
    assert!(m <= MAX_POSITIONS, "{label}: {m} positions in {}, at most {MAX_POSITIONS}", qkv.shape);
    let params = AttentionParams { n: n as u32, m: m as u32, heads: heads as u32, d: (c / heads) as u32 };
    let (prob, y) = (s.scratch([n, heads, m, m]), s.scratch(qkv.shape.with_cols(c)));
    // An exponential counts as a few operations.
    let flops = (4 * c / heads + 8) * prob.len();
    s.push(&ATTENTION, label, &[qkv, prob, y], &params, rows(&params), flops as u64);
    (y, Saved { qkv, prob })
}

/// dqkv, of qkv's shape, of dy [n, …, c].
///
/// # Panics
/// If `dy` has another size than y.
pub fn backward(s: &mut Schedule, label: &str, saved: &Saved, dy: Buf) -> Buf {
    let Saved { qkv, prob } = *saved;
    assert_eq!(3 * dy.len(), qkv.len(), "{label}: dy of {} for qkv of {}", dy.shape, qkv.shape);
    let [n, heads, m, _] = prob.shape.dims() else { unreachable!("probabilities have four dimensions") };
    let d = qkv.shape.cols() as u32 / (3 * heads);
    let params = AttentionParams { n: *n, m: *m, heads: *heads, d };
    let (dscores, dqkv) = (s.scratch(prob.shape), s.scratch(qkv.shape));
    let products = prob.len() as u64 * u64::from(d);
    let scores = format!("{label}.scores");
    s.push(&ATTENTION_BACKWARD_SCORES, &scores, &[qkv, prob, dy, dscores], &params, rows(&params), 2 * products);
    let grid = Grid::Linear(dqkv.len().div_ceil(INVOCATIONS));
    s.push(&ATTENTION_BACKWARD, label, &[qkv, prob, dy, dscores, dqkv], &params, grid, 6 * products);
    dqkv
}

/// A workgroup for every few queries of an image and head.
fn rows(p: &AttentionParams) -> Grid {
    Grid::Linear((p.n * p.heads) as usize * (p.m as usize).div_ceil(ROWS))
}
