//! The kernels of the roofline: copies around the size of a workgroup, and sums of few and many turns.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::roof::{SUMS, copy, fma};

pub(crate) fn cases() -> Vec<Case> {
    // There is no case with a folded grid, because it would exceed the binding limit of some devices.
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
    // Each turn rounds once and about halves the rounding errors so far.
    case.sums_of(4 * SUMS);
    let x = case.input([len], Fill::OffZero);
    fma(&mut case.schedule, "y", x, turns, 0.53, -0.81);
    case
}
