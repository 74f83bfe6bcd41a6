//! Every reduction over rows, columns and whole matrices, in one pass and in several, with its derivative.

use crate::{Case, Fill};
use gpu_core::ops::reduce::{
    Kind, Operation, REDUCE_COLUMNS, REDUCE_COLUMNS_ADD, REDUCE_COLUMNS_ADD_ALL, REDUCE_COLUMNS_BACKWARD, REDUCE_ROWS,
    REDUCE_ROWS_BACKWARD, ReduceParams, columns, columns_add, columns_backward, rows, rows_backward, whole,
    whole_backward,
};
use gpu_core::{Buf, Grid, MAX_GROUPS, Shape};

const KINDS: [Kind; 4] = [Kind::Sum, Kind::Mean, Kind::Max, Kind::SumOfSquares];
/// Around the size of a workgroup, and around the 4,096 elements of a row that one reduces.
const ROWS: [[usize; 2]; 7] = [[1, 1], [3, 7], [5, 255], [5, 256], [5, 257], [2, 4096], [2, 4097]];
/// Around a workgroup of columns, around the 64 rows that an invocation reduces, and twice their square.
const COLUMNS: [[usize; 2]; 7] = [[1, 1], [7, 3], [63, 2], [64, 257], [65, 256], [131, 1], [4097, 5]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        cases.extend(ROWS.map(|shape| over_rows(kind, shape, false)));
        cases.extend(COLUMNS.map(|shape| over_columns(kind, shape, false)));
        cases.extend([1, 257, 10_007].map(|len| over_everything(kind, len)));
        cases.push(over_rows(kind, [6, 300], true));
        cases.push(over_columns(kind, [300, 6], true));
    }
    cases.extend(COLUMNS.map(added));
    // Around the 2,048 rows that one dispatch adds, and the 256 up to which a workgroup has more columns.
    cases.extend([[128, 17], [256, 65], [257, 9], [2048, 9], [2049, 3]].map(added));
    cases.extend([folded_rows(), folded_columns(), unknown()]);
    cases
}

/// All values different, or few different ones, so that several are the largest. A maximum among ties has a kink, so no
/// derivative is claimed for it.
fn operand(case: &mut Case, shape: [usize; 2], ties: bool) -> Buf {
    let len = Shape::from(shape).len();
    let fill = match ties {
        true => Fill::Numbers((0..len).map(|i| ((i * 7 + i / 5) % 11) as f64 / 8.0 - 0.5).collect()),
        false => Fill::Uniform(-1.0, 1.0),
    };
    case.input(shape, fill)
}

fn over_rows(kind: Kind, shape: [usize; 2], ties: bool) -> Case {
    let [m, n] = shape;
    let mut case = Case::new(format!("{kind:?} of the rows of {m}×{n}{}", if ties { ", ties" } else { "" }));
    let x = operand(&mut case, shape, ties);
    let dy = case.input([m], Fill::OffZero);
    case.sums_of(n);
    let y = rows(&mut case.schedule, "y", x, kind);
    let dx = rows_backward(&mut case.schedule, "dx", x, y, dy, kind);
    if !ties {
        case.claim(y, dy, &[(x, dx)]);
    }
    case
}

fn over_columns(kind: Kind, shape: [usize; 2], ties: bool) -> Case {
    let [m, n] = shape;
    let mut case = Case::new(format!("{kind:?} of the columns of {m}×{n}{}", if ties { ", ties" } else { "" }));
    let x = operand(&mut case, shape, ties);
    let dy = case.input([n], Fill::OffZero);
    case.sums_of(m);
    let y = columns(&mut case.schedule, "y", x, kind);
    let dx = columns_backward(&mut case.schedule, "dx", x, y, dy, kind);
    if !ties {
        case.claim(y, dy, &[(x, dx)]);
    }
    case
}

fn over_everything(kind: Kind, len: usize) -> Case {
    let mut case = Case::new(format!("{kind:?} of {len}"));
    let x = operand(&mut case, [len, 1], false);
    let dy = case.input([1], Fill::OffZero);
    case.sums_of(len);
    let y = whole(&mut case.schedule, "y", x, kind);
    let dx = whole_backward(&mut case.schedule, "dx", x, y, dy, kind);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// A bias gradient, added to old contents.
fn added(shape: [usize; 2]) -> Case {
    let [m, n] = shape;
    let mut case = Case::new(format!("the columns of {m}×{n}, added"));
    let x = operand(&mut case, shape, false);
    let (y, dy) = (case.input([n], Fill::Uniform(-1.0, 1.0)), case.input([n], Fill::OffZero));
    case.sums_of(m);
    columns_add(&mut case.schedule, "y", x, y);
    let dx = columns_backward(&mut case.schedule, "dx", x, y, dy, Kind::Sum);
    case.claim(y, dy, &[(x, dx)]);
    case
}

fn folded_rows() -> Case {
    let (m, n) = (MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, rows of {m}×{n}"));
    let x = operand(&mut case, [m, n], true);
    let y = rows(&mut case.schedule, "y", x, Kind::Max);
    rows_backward(&mut case.schedule, "dx", x, y, y, Kind::Max);
    case
}

fn folded_columns() -> Case {
    let (m, n) = (1, MAX_GROUPS as usize * 256 + 77);
    let mut case = Case::new(format!("folded grid, columns of {m}×{n}"));
    let x = operand(&mut case, [m, n], true);
    let y = columns(&mut case.schedule, "y", x, Kind::SumOfSquares);
    columns_add(&mut case.schedule, "added", x, y);
    columns_backward(&mut case.schedule, "dx", x, y, y, Kind::SumOfSquares);
    case
}

/// A code that no operation has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown operation");
    let (x, dy) = (case.input([5, 5], Fill::OffZero), case.input([5], Fill::OffZero));
    let s = &mut case.schedule;
    let (rows, columns) = (s.scratch([5]), s.scratch([5]));
    let (dx_rows, dx_columns) = (s.scratch([5, 5]), s.scratch([5, 5]));
    let params =
        ReduceParams { m: 5, n: 5, chunk: 8, parts: 1, kind: Operation::ALL.len() as u32, columns: 8, scale: 0.5 };
    s.push(&REDUCE_ROWS, "rows", &[x, rows], &params, Grid::Linear(5), 0);
    s.push(&REDUCE_COLUMNS, "columns", &[x, columns], &params, Grid::Linear(1), 0);
    s.push(&REDUCE_COLUMNS_ADD, "add", &[x, columns], &params, Grid::Linear(1), 0);
    s.push(&REDUCE_COLUMNS_ADD_ALL, "add all", &[x, columns], &params, Grid::Linear(1), 0);
    s.push(&REDUCE_ROWS_BACKWARD, "rows.dx", &[x, rows, dy, dx_rows], &params, Grid::Linear(5), 0);
    s.push(&REDUCE_COLUMNS_BACKWARD, "columns.dx", &[x, columns, dy, dx_columns], &params, Grid::Linear(1), 0);
    case
}
