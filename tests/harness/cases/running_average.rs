//! Running averages: in steps of their warm-up and after it, two in a row, and with a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::running_average::running_average;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [1, 255, 256, 257].map(|len| averaged(len, 1, 0.999)).into();
    // At step 80 the rising decay is 0.9; at 2³¹ steps it has long been passed.
    cases.extend([0, 79, 80, 81, 1 << 31].map(|step| averaged(64, step, 0.9)));
    cases.extend([0.0, 1.0].map(|decay| averaged(64, 5000, decay)));
    cases.push(averaged(MAX_GROUPS as usize * 256 + 77, 3, 0.99));
    cases
}

fn averaged(len: usize, step: u32, decay: f32) -> Case {
    let mut case = Case::new(format!("{len} at step {step}, decay {decay}"));
    let [average, x] = [(); 2].map(|()| case.input([len], Fill::OffZero));
    // After the step, words that it must ignore.
    let clock = case.input([4], Fill::Exactly(vec![step, 7, 64, 128]));
    running_average(&mut case.schedule, "first", average, x, clock, decay);
    running_average(&mut case.schedule, "second", average, x, clock, decay);
    case
}
