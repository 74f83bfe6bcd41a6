//! Moves of codes: words [n, width] with a row for each image and a column for each of its positions.

use crate::schedule::kernel::{Gradient, Kernel, read, update, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all four kernels.
    pub struct CodesParams {
        /// Words moved.
        len: u32,
        /// Columns of the codes.
        width: u32,
        /// A column.
        at: u32,
    }
}

const INVOCATIONS: usize = 64;

/// `taken[r, j] = codes[order[r], j]`.
pub static CODES_GATHER: Kernel = Kernel {
    name: "codes_gather",
    op: "codes",
    source: shader!("codes", "grid"),
    bindings: &[read("codes").of_u32().in_part(), read("order").of_u32(), write("taken").of_u32()],
    params: CodesParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::codes::codes_gather),
    gradient: Gradient::None("words"),
};

/// `stored[order[r], j] = rows[r, j]`.
pub static CODES_SCATTER: Kernel = Kernel {
    name: "codes_scatter",
    bindings: &[read("rows").of_u32(), read("order").of_u32(), update("stored").of_u32()],
    reference: functions!(reference::codes::codes_scatter),
    ..CODES_GATHER
};

/// `column[r] = codes[r, at]`.
pub static CODES_COLUMN: Kernel = Kernel {
    name: "codes_column",
    bindings: &[read("codes").of_u32().in_part(), write("column").of_u32()],
    reference: functions!(reference::codes::codes_column),
    ..CODES_GATHER
};

/// `placed[r, at] = given[r]`.
pub static CODES_PLACE: Kernel = Kernel {
    name: "codes_place",
    bindings: &[read("given").of_u32(), update("placed").of_u32()],
    reference: functions!(reference::codes::codes_place),
    ..CODES_GATHER
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CODES_GATHER, &CODES_SCATTER, &CODES_COLUMN, &CODES_PLACE];

/// Rows `order`, `u32 [m]`, of codes [n, width]: `u32 [m, width]`. Every row is below n.
pub fn gather(s: &mut Schedule, label: &str, codes: Buf, order: Buf) -> Buf {
    let width = codes.shape.cols();
    let taken = s.scratch_of([order.len(), width], Dtype::U32);
    s.push(&CODES_GATHER, label, &[codes, order, taken], &parameters(taken, width, 0), grid(taken), 0);
    taken
}

/// Stores rows [m, width] as rows `order`, `u32 [m]`, of codes [n, width]. Every row is below n, and none occurs twice.
///
/// # Panics
/// If there is not a row for every number of `order`.
pub fn scatter(s: &mut Schedule, label: &str, rows: Buf, order: Buf, codes: Buf) {
    let width = codes.shape.cols();
    assert_eq!(rows.len(), order.len() * width, "{label}: rows of {} for {} × {width}", rows.shape, order.len());
    s.push(&CODES_SCATTER, label, &[rows, order, codes], &parameters(rows, width, 0), grid(rows), 0);
}

/// Column `at` of codes [m, width]: `u32 [m]`.
///
/// # Panics
/// If there is no such column.
pub fn column(s: &mut Schedule, label: &str, codes: Buf, at: usize) -> Buf {
    let (m, width) = (codes.shape.rows(), codes.shape.cols());
    assert!(at < width, "{label}: column {at} of {}", codes.shape);
    let column = s.scratch_of([m], Dtype::U32);
    s.push(&CODES_COLUMN, label, &[codes, column], &parameters(column, width, at), grid(column), 0);
    column
}

/// Stores `given`, `u32 [m]`, as column `at` of codes [m, width].
///
/// # Panics
/// If there is no such column, or another number of rows.
pub fn place(s: &mut Schedule, label: &str, given: Buf, codes: Buf, at: usize) {
    let (m, width) = (codes.shape.rows(), codes.shape.cols());
    assert!(at < width && given.len() == m, "{label}: {} as column {at} of {}", given.shape, codes.shape);
    s.push(&CODES_PLACE, label, &[given, codes], &parameters(given, width, at), grid(given), 0);
}

fn parameters(moved: Buf, width: usize, at: usize) -> CodesParams {
    CodesParams { len: moved.len() as u32, width: width as u32, at: at as u32 }
}

fn grid(moved: Buf) -> Grid {
    Grid::Linear(moved.len().div_ceil(INVOCATIONS))
}
