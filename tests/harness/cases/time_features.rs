//! Features of times between the ends and at them, of one wave and of the most; one case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::time_features::{MAX_WAVES, time_features};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [(1, 1), (63, 1), (13, 5), (65, 6), (1021, MAX_WAVES)].map(drawn).into();
    cases.push(ends());
    cases.push(folded());
    cases
}

fn drawn((rows, waves): (usize, usize)) -> Case {
    let mut case = Case::new(format!("{rows} times, {waves} waves"));
    let t = case.input([rows], Fill::Uniform(0.0, 1.0));
    time_features(&mut case.schedule, "features", t, waves);
    case
}

/// Whole turns and parts of them, and the least and greatest times that a uniform draw gives.
fn ends() -> Case {
    let mut case = Case::new("ends and quarters");
    let unit = 2f64.powi(-24);
    let t = case.input([8], Fill::Numbers(vec![0.0, 1.0, 0.25, 0.5, 0.75, unit, 1.0 - unit, 0.125]));
    time_features(&mut case.schedule, "features", t, MAX_WAVES);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 16 + 7;
    let mut case = Case::new(format!("folded grid, {rows} times"));
    let t = case.input([rows], Fill::Uniform(0.0, 1.0));
    time_features(&mut case.schedule, "features", t, 4);
    case
}
