//! Fills a buffer with a constant, for example gradients before they accumulate.

use crate::schedule::kernel::{Gradient, Kernel, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`FILL`].
    pub struct FillParams {
        /// Elements.
        len: u32,
        /// The constant.
        value: f32,
    }
}

const INVOCATIONS: usize = 256;

/// y = value.
pub static FILL: Kernel = Kernel {
    name: "fill",
    op: "fill",
    source: shader!("fill", "grid"),
    bindings: &[write("y")],
    params: FillParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::fill::fill),
    gradient: Gradient::None("a constant"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&FILL];

/// y = value.
pub fn fill(s: &mut Schedule, label: &str, y: Buf, value: f32) {
    let params = FillParams { len: y.len() as u32, value };
    s.push(&FILL, label, &[y], &params, Grid::Linear(y.len().div_ceil(INVOCATIONS)), 0);
}
