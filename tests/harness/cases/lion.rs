//! Lion with each of its options, two steps in a row so that the zeroed gradient shows. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::elementwise;
use gpu_core::ops::lion::{Arenas, Lion, lion_with};

const LR: f64 = 0.05;

pub(crate) fn cases() -> Vec<Case> {
    let plain = Lion::default();
    let options = [
        plain,
        Lion { beta1: 0.5, beta2: 0.9, ..plain },
        Lion { weight_decay: 0.3, ..plain },
        Lion { clip: Some(0.3), ..plain },
        Lion { clip: Some(1e3), ..plain },
        Lion { clip: Some(0.2), weight_decay: 0.1, ..plain },
    ];
    let mut cases: Vec<Case> =
        options.iter().flat_map(|config| [4, 64, 252, 256, 260].map(|len| steps(len, config))).collect();
    cases.push(signs());
    cases.push(folded());
    cases
}

fn steps(len: usize, config: &Lion) -> Case {
    let mut case = Case::new(format!("{len} weights, {config:?}"));
    let arenas = arenas(&mut case, len);
    // After the learning rate, values that Lion must ignore.
    let rates = case.input([4], Fill::Numbers(vec![LR, 30.0, 60.0, 100.0]));
    let norm = case.input([1], Fill::Numbers(vec![0.9]));
    let norm = config.clip.map(|_| norm);
    lion_with(&mut case.schedule, "first", arenas, rates, norm, config);
    lion_with(&mut case.schedule, "second", arenas, rates, norm, config);
    case
}

/// The sign of zero is zero, as in the gaps between parameters; small and large gradients move a weight equally; NaN
/// stays NaN.
fn signs() -> Case {
    let mut case = Case::new("signs");
    let mut arenas = arenas(&mut case, 8);
    arenas.g = case.input([8], Fill::Numbers(vec![0.0, 1e-6, -1e-6, 3e4, -3e4, f64::NAN, -0.0, 2.0]));
    arenas.m = case.input([8], Fill::Numbers(vec![0.0; 8]));
    let rates = case.input([4], Fill::Numbers(vec![LR, 1.0, 1.0, 1.0]));
    lion_with(&mut case.schedule, "step", arenas, rates, None, &Lion::default());
    case
}

/// g has the sign of m, because with many different signs some sums β₁ m + (1 − β₁) g would be zero up to rounding.
fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 76;
    let mut case = Case::new(format!("folded grid, {len}"));
    let mut arenas = arenas(&mut case, len);
    arenas.g = elementwise::scale(&mut case.schedule, "g", arenas.m, 0.3);
    let rates = case.input([4], Fill::Numbers(vec![LR, 1.0, 1.0, 1.0]));
    let config = Lion { weight_decay: 0.2, ..Lion::default() };
    lion_with(&mut case.schedule, "step", arenas, rates, None, &config);
    case
}

fn arenas(case: &mut Case, len: usize) -> Arenas {
    let mut numbers = || case.input([len], Fill::OffZero);
    let [w, g, m] = [numbers(), numbers(), numbers()];
    Arenas { w, g, m }
}
