//! Rows of a matrix set to zero at random, such as the classes of images, so that a network also learns images of
//! unknown class (Ho and Salimans, *Classifier-free diffusion guidance*, 2022).

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`DROP_ROWS`].
    pub struct DropRowsParams {
        /// Elements of y.
        len: u32,
        /// Columns.
        n: u32,
        /// The probability of a row of zeros, if u is uniform on (0, 1).
        share: f32,
    }
}

const INVOCATIONS: usize = 256;

/// y [m, n] = x with zeros in the rows where u `[m]` is below `share`.
pub static DROP_ROWS: Kernel = Kernel {
    name: "drop_rows",
    op: "drop_rows",
    source: shader!("drop_rows", "grid"),
    bindings: &[read("x"), read("u"), write("y")],
    params: DropRowsParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::drop_rows::drop_rows),
    gradient: Gradient::None("classes have no gradient"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&DROP_ROWS];

/// x [m, n] with zeros in the rows whose number of u `[m]` is below `share`.
///
/// # Panics
/// If u does not have one number for each row of x.
pub fn drop_rows(s: &mut Schedule, label: &str, x: Buf, u: Buf, share: f32) -> Buf {
    assert_eq!(u.len(), x.shape.rows(), "{label}: u of shape {} for {}", u.shape, x.shape);
    let y = s.scratch(x.shape);
    let params = DropRowsParams { len: x.len() as u32, n: x.shape.cols() as u32, share };
    s.push(&DROP_ROWS, label, &[x, u, y], &params, Grid::Linear(x.len().div_ceil(INVOCATIONS)), x.len() as u64);
    y
}
