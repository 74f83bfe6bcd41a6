//! Points on the lines between the rows of two matrices: y = share a + (1 − share) b, one share a row.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`MIX_ROWS`].
    pub struct MixParams {
        /// Elements of y.
        len: u32,
        /// Columns.
        n: u32,
    }
}

const INVOCATIONS: usize = 256;

/// y [m, n] = share a + (1 − share) b, with share `[m]`.
pub static MIX_ROWS: Kernel = Kernel {
    name: "mix_rows",
    op: "mix",
    source: shader!("mix", "grid"),
    bindings: &[read("a"), read("b"), read("share"), write("y")],
    params: MixParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::mix::mix_rows),
    gradient: Gradient::None("no gradient passes the points at which a penalty is taken"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&MIX_ROWS];

/// Row r of the result is `share[r]` of row r of a, and the rest of that of b: of a's shape.
///
/// # Panics
/// If b has another size than a, or `share` does not have one number for each example of a, its first dimension.
pub fn mix_rows(s: &mut Schedule, label: &str, a: Buf, b: Buf, share: Buf) -> Buf {
    let rows = a.shape.dims()[0] as usize;
    assert_eq!(a.len(), b.len(), "{label}: {} and {} differ in size", a.shape, b.shape);
    assert_eq!(share.len(), rows, "{label}: shares of shape {} for {}", share.shape, a.shape);
    let y = s.scratch(a.shape);
    let params = MixParams { len: a.len() as u32, n: (a.len() / rows) as u32 };
    s.push(
        &MIX_ROWS,
        label,
        &[a, b, share, y],
        &params,
        Grid::Linear(a.len().div_ceil(INVOCATIONS)),
        3 * a.len() as u64,
    );
    y
}
