//! Rows and images on their paths, at both ends and between them, with a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::flow_path::flow_path;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [[1, 1, 1, 1], [3, 2, 2, 3], [5, 8, 8, 1]].map(images).into();
    cases.push(ends());
    cases.push(folded());
    cases
}

fn images(size: [usize; 4]) -> Case {
    let mut case = Case::new(format!("{size:?}"));
    let [z, x] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let t = case.input([size[0]], Fill::Uniform(0.0, 1.0));
    flow_path(&mut case.schedule, "path", z, x, t);
    case
}

fn ends() -> Case {
    let mut case = Case::new("the ends of a path");
    let [z, x] = [(); 2].map(|()| case.input([3, 5], Fill::OffZero));
    let t = case.input([3], Fill::Numbers(vec![0.0, 1.0, 0.5]));
    flow_path(&mut case.schedule, "path", z, x, t);
    case
}

fn folded() -> Case {
    let size = [2, MAX_GROUPS as usize * 128 + 39];
    let mut case = Case::new(format!("folded grid, {size:?}"));
    let [z, x] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let t = case.input([2], Fill::Uniform(0.0, 1.0));
    flow_path(&mut case.schedule, "path", z, x, t);
    case
}
