//! What measures a device: copies around the edges of a workgroup, and sums that turn little and much.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::roof::{SUMS, copy, fma};

pub(crate) fn cases() -> Vec<Case> {
    // No folded copy: it would be of more than every device binds.
    let mut cases: Vec<Case> = [1, 127, 1023, 1024, 1025, 4099].map(copied).into();
    let folded = MAX_GROUPS as usize * 256 + 77;
    for (len, turns) in [(1, 4), (127, 400), (255, 0), (256, 8), (257, 64), (folded, 4)] {
        cases.push(turned(len, turns));
    }
    cases
}

fn copied(len: usize) -> Case {
    let mut case = Case::new(format!("copy of {len}"));
    let x = case.input([len], Fill::OffZero);
    copy(&mut case.schedule, "y", x);
    case
}

fn turned(len: usize, turns: usize) -> Case {
    let mut case = Case::new(format!("{turns} turns of {len}"));
    // Each turn rounds once and halves, or nearly, what was rounded before.
    case.sums_of(4 * SUMS);
    let x = case.input([len], Fill::OffZero);
    fma(&mut case.schedule, "y", x, turns, 0.53, -0.81);
    case
}
