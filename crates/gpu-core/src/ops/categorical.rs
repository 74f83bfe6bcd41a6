//! Draws of categories from logits, by the largest of the logits with Gumbel noise (Gumbel, *Statistical theory of
//! extreme values*, 1954): the probability of category j is that of a softmax.

use crate::random::{Stream, key};
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of the kernel.
    pub struct CategoricalParams {
        /// Rows of x.
        m: u32,
        /// Columns of x: categories.
        k: u32,
        /// Categories that take part, those with the largest logits; 0 for all.
        top: u32,
        /// The fourth word of the counter: the number of a draw within its step.
        draw: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
        /// One over the temperature.
        scale: f32,
    }
}

/// index `u32 [m]` from logits x [m, k].
pub static CATEGORICAL: Kernel = Kernel {
    name: "categorical",
    op: "categorical",
    source: shader!("categorical", "grid", "nan", "elementary", "philox"),
    bindings: &[read("x"), read("clock").of_u32(), write("index").of_u32()],
    params: CategoricalParams::FIELDS,
    overrides: &[],
    workgroup: [64, 1, 1],
    variants: &[],
    reference: functions!(reference::categorical::categorical),
    gradient: Gradient::None("a random index"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CATEGORICAL];

/// The distribution of draws.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Drawing {
    /// Divides the logits: below 1, likely categories become likelier.
    pub temperature: f32,
    /// Categories that take part, those with the largest logits, and more if some are equal; 0 for all.
    pub top: usize,
}

impl Default for Drawing {
    /// All categories, by their probabilities.
    fn default() -> Self {
        Self { temperature: 1.0, top: 0 }
    }
}

/// One category for each row of logits x [m, k]: `u32 [m]`. `clock` is `u32 [4]`, whose first element is the step;
/// `draw` is the number of the draw within the step, and another number draws independently.
///
/// # Panics
/// If `clock` is not `[4]`, the temperature is not above 0 or not finite, or there are more than 2³¹ − 1 logits.
#[expect(clippy::too_many_arguments, reason = "the counter and the key of the random numbers")]
pub fn categorical(
    s: &mut Schedule,
    label: &str,
    x: Buf,
    drawing: Drawing,
    clock: Buf,
    draw: usize,
    seed: u64,
    stream: Stream,
) -> Buf {
    let Drawing { temperature, top } = drawing;
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    assert!(temperature > 0.0 && (1.0 / temperature).is_finite(), "{label}: a temperature of {temperature}");
    let (m, k) = (x.shape.rows(), x.shape.cols());
    let index = s.scratch_of([m], Dtype::U32);
    let [key0, key1] = key(seed);
    let params = CategoricalParams {
        m: m as u32,
        k: k as u32,
        top: top.min(k) as u32,
        draw: draw as u32,
        stream: stream as u32,
        key0,
        key1,
        scale: 1.0 / temperature,
    };
    s.push(&CATEGORICAL, label, &[x, clock, index], &params, Grid::Linear(m), 40 * x.len() as u64);
    index
}
