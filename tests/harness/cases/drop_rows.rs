//! Rows dropped by numbers on both sides of the share and at it, none and all of them, with a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::drop_rows::drop_rows;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [(1, 1, 0.5), (7, 10, 0.0), (7, 10, 1.0), (65, 13, 0.25)].map(drawn).into();
    cases.push(at_the_share());
    cases.push(folded());
    cases
}

fn drawn((rows, n, share): (usize, usize, f32)) -> Case {
    let mut case = Case::new(format!("[{rows}, {n}], share {share}"));
    let x = case.input([rows, n], Fill::OffZero);
    let u = case.input([rows], Fill::Uniform(0.0, 1.0));
    drop_rows(&mut case.schedule, "drop", x, u, share);
    case
}

/// A number equal to the share keeps its row.
fn at_the_share() -> Case {
    let mut case = Case::new("numbers at the share");
    let x = case.input([4, 3], Fill::OffZero);
    let below = 0.25 - f64::from(f32::EPSILON) / 8.0;
    let u = case.input([4], Fill::Numbers(vec![0.25, below, 0.0, 1.0]));
    drop_rows(&mut case.schedule, "drop", x, u, 0.25);
    case
}

fn folded() -> Case {
    let size = [3, MAX_GROUPS as usize * 128 + 39];
    let mut case = Case::new(format!("folded grid, {size:?}"));
    let x = case.input(size, Fill::OffZero);
    let u = case.input([3], Fill::Numbers(vec![0.5, 0.0, 1.0]));
    drop_rows(&mut case.schedule, "drop", x, u, 0.5);
    case
}
