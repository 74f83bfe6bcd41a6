//! Constants, written to whole buffers and over old contents.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::fill::fill;

pub(crate) fn cases() -> Vec<Case> {
    let folded = MAX_GROUPS as usize * 256 + 77;
    let mut cases: Vec<Case> = [1, 127, 255, 256, 257, folded].map(|len| filled(len, -0.75)).into();
    cases.push(filled(300, 0.0));
    cases.push(overwritten());
    cases
}

fn filled(len: usize, value: f32) -> Case {
    let mut case = Case::new(format!("{len} of {value}"));
    let y = case.schedule.scratch([len]);
    fill(&mut case.schedule, "y", y, value);
    case
}

fn overwritten() -> Case {
    let mut case = Case::new("over what was there");
    let y = case.input([3, 5], Fill::OffZero);
    fill(&mut case.schedule, "y", y, 2.5);
    case
}
