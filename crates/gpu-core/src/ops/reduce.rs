//! Reductions by sum, mean, maximum or sum of squares: over rows, over columns, or over a whole matrix.
//!
//! Long sums are divided into chunks of fixed length, to give the whole device work; the same kernel reduces the
//! partial results until one remains. The division depends only on the sizes, so every run adds in the same order.

use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

kinds! {
    /// The operation of a pass, as the shader knows it.
    Operation {
        /// Σ x
        Sum = 0;
        /// max x
        Max = 1;
        /// Σ x²
        SumOfSquares = 2;
    }
}

/// The operation of a reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Σ x
    Sum,
    /// Σ x / count
    Mean,
    /// max x; its gradient is shared equally by the elements that attain it.
    Max,
    /// Σ x²
    SumOfSquares,
}

impl Kind {
    /// The operation of a pass; that of a mean is a sum, scaled.
    fn operation(self) -> Operation {
        match self {
            Self::Sum | Self::Mean => Operation::Sum,
            Self::Max => Operation::Max,
            Self::SumOfSquares => Operation::SumOfSquares,
        }
    }

    /// The operation that combines partial results: squares are squared only once.
    fn joining(self) -> Self {
        match self {
            Self::SumOfSquares => Self::Sum,
            other => other,
        }
    }

    /// The factor applied to the final result over `count` elements.
    fn scale(self, count: usize) -> f32 {
        match self {
            Self::Mean => (1.0 / count as f64) as f32,
            _ => 1.0,
        }
    }
}

params! {
    /// The uniform of every reduction.
    pub struct ReduceParams {
        /// Rows of x.
        m: u32,
        /// Columns of x.
        n: u32,
        /// Elements that one chunk reduces.
        chunk: u32,
        /// Chunks of each row or column.
        parts: u32,
        /// [`Operation::code`].
        kind: u32,
        /// Columns of a workgroup that adds all rows at once.
        columns: u32,
        /// Multiplies each result.
        scale: f32,
    }
}

const INVOCATIONS: usize = 256;
/// Elements of a row that one workgroup reduces: sixteen per invocation.
const ROW_CHUNK: usize = 4096;
/// Rows that one invocation reduces, in one column.
const COLUMN_CHUNK: usize = 64;
/// The most rows that one dispatch adds: 64 for each invocation of the narrower workgroups.
const ALL_ROWS: usize = 2048;
/// The most rows for workgroups of 64 columns, again 64 for each invocation; those with more have eight columns.
const WIDE_ROWS: usize = 256;

const BACKWARD: &[Binding] = &[read("x"), read("reduced"), read("dy"), write("dx")];

const fn kernel(name: &'static str, bindings: &'static [Binding], reference: Functions, gradient: Gradient) -> Kernel {
    Kernel {
        name,
        op: "reduce",
        source: shader!("reduce", "grid", "nan", "columns"),
        bindings,
        params: ReduceParams::FIELDS,
        overrides: &["kind"],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// y [m, parts] from the chunks of each row.
pub static REDUCE_ROWS: Kernel =
    kernel("reduce_rows", &[read("x"), write("y")], functions!(reference::reduce::reduce_rows), Gradient::Forward);
/// y [parts, n] from the chunks of each column.
pub static REDUCE_COLUMNS: Kernel = kernel(
    "reduce_columns",
    &[read("x"), write("y")],
    functions!(reference::reduce::reduce_columns),
    Gradient::Forward,
);
/// The same, added to y.
pub static REDUCE_COLUMNS_ADD: Kernel = kernel(
    "reduce_columns_add",
    &[read("x"), update("y")],
    functions!(reference::reduce::reduce_columns_add),
    Gradient::Forward,
);
/// y `[n]` += the sums of whole columns.
pub static REDUCE_COLUMNS_ADD_ALL: Kernel = kernel(
    "reduce_columns_add_all",
    &[read("x"), update("y")],
    functions!(reference::reduce::reduce_columns_add_all),
    Gradient::Forward,
);
/// dx [m, n] from dy `[m]`.
pub static REDUCE_ROWS_BACKWARD: Kernel =
    kernel("reduce_rows_backward", BACKWARD, functions!(reference::reduce::reduce_rows_backward), Gradient::Backward);
/// dx [m, n] from dy `[n]`.
pub static REDUCE_COLUMNS_BACKWARD: Kernel = kernel(
    "reduce_columns_backward",
    BACKWARD,
    functions!(reference::reduce::reduce_columns_backward),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &REDUCE_ROWS,
    &REDUCE_COLUMNS,
    &REDUCE_COLUMNS_ADD,
    &REDUCE_COLUMNS_ADD_ALL,
    &REDUCE_ROWS_BACKWARD,
    &REDUCE_COLUMNS_BACKWARD,
];

/// Reduces each row of x [m, n]: `[m]`.
pub fn rows(s: &mut Schedule, label: &str, x: Buf, kind: Kind) -> Buf {
    let (m, scale) = (x.shape.rows(), kind.scale(x.shape.cols()));
    let (mut x, mut kind) = (x, kind);
    for pass in 0.. {
        let params = row_params(x, kind);
        let parts = params.parts as usize;
        if parts == 1 {
            let y = s.scratch([m]);
            s.push(&REDUCE_ROWS, label, &[x, y], &ReduceParams { scale, ..params }, Grid::Linear(m), flops(x));
            return y;
        }
        let partial = s.scratch([m, parts]);
        let label = format!("{label}.partial{pass}");
        s.push(&REDUCE_ROWS, &label, &[x, partial], &params, Grid::Linear(m * parts), flops(x));
        (x, kind) = (partial, kind.joining());
    }
    unreachable!("every pass reduces the number of parts")
}

/// Reduces each column of x [m, n]: `[n]`.
pub fn columns(s: &mut Schedule, label: &str, x: Buf, kind: Kind) -> Buf {
    let scale = kind.scale(x.shape.rows());
    let y = s.scratch([x.shape.cols()]);
    let (x, kind) = column_partials(s, label, x, kind, COLUMN_CHUNK);
    let params = ReduceParams { scale, ..column_params(x, kind) };
    s.push(&REDUCE_COLUMNS, label, &[x, y], &params, column_grid(&params), flops(x));
    y
}

/// y `[n]` += the sums of the columns of x [m, n]: the gradient of a bias.
///
/// # Panics
/// If `y` does not have one element per column.
pub fn columns_add(s: &mut Schedule, label: &str, x: Buf, y: Buf) {
    assert_eq!(y.len(), x.shape.cols(), "{label}: y of {} for the columns of {}", y.shape, x.shape);
    let (x, kind) = column_partials(s, label, x, Kind::Sum, ALL_ROWS);
    let params = column_params(x, kind);
    if params.parts == 1 {
        s.push(&REDUCE_COLUMNS_ADD, label, &[x, y], &params, column_grid(&params), flops(x));
    } else {
        let columns = if x.shape.rows() <= WIDE_ROWS { 64 } else { 8 };
        let params = ReduceParams { columns: columns as u32, ..params };
        let grid = Grid::Linear(x.shape.cols().div_ceil(columns));
        s.push(&REDUCE_COLUMNS_ADD_ALL, label, &[x, y], &params, grid, flops(x));
    }
}

/// Reduces all of x: `[1]`.
pub fn whole(s: &mut Schedule, label: &str, x: Buf, kind: Kind) -> Buf {
    rows(s, label, x.reshape([1, x.len()]), kind)
}

/// The gradient of y `[m]` = [`rows`] of x: dx, of x's shape, from dy `[m]`.
///
/// # Panics
/// If `y` or `dy` does not have one element per row.
pub fn rows_backward(s: &mut Schedule, label: &str, x: Buf, y: Buf, dy: Buf, kind: Kind) -> Buf {
    let m = x.shape.rows();
    assert!(y.len() == m && dy.len() == m, "{label}: y of {}, dy of {} for the rows of {}", y.shape, dy.shape, x.shape);
    let dx = s.scratch(x.shape);
    let params = ReduceParams { scale: kind.scale(x.shape.cols()), ..row_params(x, kind) };
    s.push(&REDUCE_ROWS_BACKWARD, label, &[x, y, dy, dx], &params, Grid::Linear(m * params.parts as usize), flops(x));
    dx
}

/// The gradient of y `[n]` = [`columns`] of x: dx, of x's shape, from dy `[n]`.
///
/// # Panics
/// If `y` or `dy` does not have one element per column.
pub fn columns_backward(s: &mut Schedule, label: &str, x: Buf, y: Buf, dy: Buf, kind: Kind) -> Buf {
    let n = x.shape.cols();
    assert!(
        y.len() == n && dy.len() == n,
        "{label}: y of {}, dy of {} for the columns of {}",
        y.shape,
        dy.shape,
        x.shape
    );
    let dx = s.scratch(x.shape);
    let params = ReduceParams { scale: kind.scale(x.shape.rows()), ..column_params(x, kind) };
    s.push(&REDUCE_COLUMNS_BACKWARD, label, &[x, y, dy, dx], &params, column_grid(&params), flops(x));
    dx
}

/// The gradient of y `[1]` = [`whole`] of x: dx, of x's shape, from dy `[1]`.
///
/// # Panics
/// If `y` or `dy` has more than one element.
pub fn whole_backward(s: &mut Schedule, label: &str, x: Buf, y: Buf, dy: Buf, kind: Kind) -> Buf {
    rows_backward(s, label, x.reshape([1, x.len()]), y, dy, kind).reshape(x.shape)
}

/// Reduces the columns until at most `rows` of each are left; also returns the operation that joins them.
fn column_partials(s: &mut Schedule, label: &str, x: Buf, kind: Kind, rows: usize) -> (Buf, Kind) {
    let (mut x, mut kind) = (x, kind);
    for pass in 0.. {
        let params = column_params(x, kind);
        if x.shape.rows() <= rows {
            break;
        }
        let partial = s.scratch([params.parts as usize, x.shape.cols()]);
        let label = format!("{label}.partial{pass}");
        s.push(&REDUCE_COLUMNS, &label, &[x, partial], &params, column_grid(&params), flops(x));
        (x, kind) = (partial, kind.joining());
    }
    (x, kind)
}

fn row_params(x: Buf, kind: Kind) -> ReduceParams {
    let parts = x.shape.cols().div_ceil(ROW_CHUNK);
    ReduceParams { chunk: ROW_CHUNK as u32, parts: parts as u32, ..plain_params(x, kind) }
}

fn column_params(x: Buf, kind: Kind) -> ReduceParams {
    let parts = x.shape.rows().div_ceil(COLUMN_CHUNK);
    ReduceParams { chunk: COLUMN_CHUNK as u32, parts: parts as u32, ..plain_params(x, kind) }
}

fn plain_params(x: Buf, kind: Kind) -> ReduceParams {
    let (m, n) = (x.shape.rows() as u32, x.shape.cols() as u32);
    ReduceParams { m, n, chunk: 0, parts: 0, kind: kind.operation().code(), columns: 1, scale: 1.0 }
}

fn column_grid(params: &ReduceParams) -> Grid {
    Grid::Linear((params.parts as usize * params.n as usize).div_ceil(INVOCATIONS))
}

fn flops(x: Buf) -> u64 {
    2 * x.len() as u64
}
