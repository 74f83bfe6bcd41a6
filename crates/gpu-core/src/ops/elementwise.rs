//! Sums and products of two buffers, element by element.
//!
//! The same kernels compute their gradients: of y = alpha a + beta b, da = alpha dy ([`scale`]); of y = a ⊙ b, da = dy
//! ⊙ b ([`multiply`]).

use crate::schedule::kernel::{Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`COMBINE`].
    pub struct CombineParams {
        /// Elements.
        len: u32,
        /// Multiplies a.
        alpha: f32,
        /// Multiplies b.
        beta: f32,
    }
}

params! {
    /// The uniform of [`MULTIPLY`] and [`ACCUMULATE`].
    pub struct MultiplyParams {
        /// Elements.
        len: u32,
    }
}

const INVOCATIONS: usize = 256;

/// y = alpha a + beta b.
pub static COMBINE: Kernel = Kernel {
    name: "combine",
    op: "elementwise",
    source: shader!("elementwise", "grid"),
    bindings: &[read("a"), read("b"), write("y")],
    params: CombineParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::elementwise::combine),
    gradient: Gradient::Forward,
};

/// y = a ⊙ b.
pub static MULTIPLY: Kernel = Kernel {
    name: "multiply",
    params: MultiplyParams::FIELDS,
    reference: functions!(reference::elementwise::multiply),
    ..COMBINE
};

/// sum += term, and then term = 0.
pub static ACCUMULATE: Kernel = Kernel {
    name: "accumulate",
    bindings: &[update("sum"), update("term")],
    params: MultiplyParams::FIELDS,
    reference: functions!(reference::elementwise::accumulate),
    gradient: Gradient::None("it adds up gradients"),
    ..COMBINE
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&COMBINE, &MULTIPLY, &ACCUMULATE];

/// alpha a + beta b, of a's shape.
///
/// # Panics
/// If `a` and `b` differ in size.
pub fn combine(s: &mut Schedule, label: &str, a: Buf, alpha: f32, b: Buf, beta: f32) -> Buf {
    let y = output(s, label, a, b);
    let params = CombineParams { len: y.len() as u32, alpha, beta };
    s.push(&COMBINE, label, &[a, b, y], &params, grid(y), 3 * y.len() as u64);
    y
}

/// a + b, of a's shape; for example, the sum of two gradients of one buffer.
///
/// # Panics
/// If `a` and `b` differ in size.
pub fn add(s: &mut Schedule, label: &str, a: Buf, b: Buf) -> Buf {
    combine(s, label, a, 1.0, b, 1.0)
}

/// alpha a, of a's shape. a must be finite.
pub fn scale(s: &mut Schedule, label: &str, a: Buf, alpha: f32) -> Buf {
    combine(s, label, a, alpha, a, 0.0)
}

/// a ⊙ b, of a's shape.
///
/// # Panics
/// If `a` and `b` differ in size.
pub fn multiply(s: &mut Schedule, label: &str, a: Buf, b: Buf) -> Buf {
    let y = output(s, label, a, b);
    s.push(&MULTIPLY, label, &[a, b, y], &MultiplyParams { len: y.len() as u32 }, grid(y), y.len() as u64);
    y
}

/// Adds `term` to `sum` and sets `term` to zero, for the next one to be summed up in it.
///
/// # Panics
/// When the two differ in size.
pub fn accumulate(s: &mut Schedule, label: &str, sum: Buf, term: Buf) {
    assert_eq!(sum.len(), term.len(), "{label}: {} and {} differ in size", sum.shape, term.shape);
    let params = MultiplyParams { len: sum.len() as u32 };
    s.push(&ACCUMULATE, label, &[sum, term], &params, grid(sum), sum.len() as u64);
}

fn output(s: &mut Schedule, label: &str, a: Buf, b: Buf) -> Buf {
    assert_eq!(a.len(), b.len(), "{label}: {} and {} differ in size", a.shape, b.shape);
    s.scratch(a.shape)
}

fn grid(y: Buf) -> Grid {
    Grid::Linear(y.len().div_ceil(INVOCATIONS))
}
