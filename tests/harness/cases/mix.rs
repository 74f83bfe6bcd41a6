//! Rows and images mixed, with a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::mix::mix_rows;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [[1, 1, 1, 1], [3, 2, 2, 3], [5, 8, 8, 1]].map(images).into();
    cases.push(folded());
    cases
}

fn images(size: [usize; 4]) -> Case {
    let mut case = Case::new(format!("{size:?}"));
    let [a, b] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let share = case.input([size[0]], Fill::Uniform(0.0, 1.0));
    mix_rows(&mut case.schedule, "mix", a, b, share);
    case
}

fn folded() -> Case {
    let size = [2, MAX_GROUPS as usize * 128 + 39];
    let mut case = Case::new(format!("folded grid, {size:?}"));
    let [a, b] = [(); 2].map(|()| case.input(size, Fill::OffZero));
    let share = case.input([2], Fill::Uniform(0.0, 1.0));
    mix_rows(&mut case.schedule, "mix", a, b, share);
    case
}
