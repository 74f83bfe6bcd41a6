//! Rows and images on their paths, at both ends and between them, at times of several spacings, with a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::flow_path::flow_path;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [[1, 1, 1, 1], [3, 2, 2, 3], [5, 8, 8, 1]].map(images).into();
    cases.extend([1.0, 2.0, 3.7, 0.5].map(ends));
    cases.push(folded());
    cases
}

fn images(size: [usize; 4]) -> Case {
    let mut case = Case::new(format!("{size:?}"));
    let [z, x] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let u = case.input([size[0]], Fill::Uniform(0.0, 1.0));
    flow_path(&mut case.schedule, "path", z, x, u, 1.0);
    case
}

fn ends(spacing: f32) -> Case {
    let mut case = Case::new(format!("the ends of a path, spaced by {spacing}"));
    let [z, x] = [(); 2].map(|()| case.input([5, 3], Fill::OffZero));
    let u = case.input([5], Fill::Numbers(vec![0.0, 1.0, 0.5, 2f64.powi(-24), 0.9]));
    flow_path(&mut case.schedule, "path", z, x, u, spacing);
    case
}

fn folded() -> Case {
    let size = [2, MAX_GROUPS as usize * 128 + 39];
    let mut case = Case::new(format!("folded grid, {size:?}"));
    let [z, x] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let u = case.input([2], Fill::Uniform(0.0, 1.0));
    flow_path(&mut case.schedule, "path", z, x, u, 1.0);
    case
}
