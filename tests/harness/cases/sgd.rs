//! Stochastic gradient descent with each of its options, two steps in a row so that the zeroed gradient shows. One case
//! of each kernel folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::sgd::{Arenas, Sgd, sgd_with};

const LR: f64 = 0.05;

pub(crate) fn cases() -> Vec<Case> {
    let plain = Sgd::default();
    let momentum = Sgd { momentum: 0.9, ..plain };
    let options = [
        plain,
        Sgd { weight_decay: 0.3, ..plain },
        Sgd { clip: Some(0.3), ..plain },
        momentum,
        Sgd { nesterov: true, weight_decay: 0.3, ..momentum },
        Sgd { clip: Some(1e3), ..momentum },
        Sgd { nesterov: true, ..momentum },
        Sgd { clip: Some(0.2), weight_decay: 0.1, ..momentum },
    ];
    let mut cases: Vec<Case> =
        options.iter().flat_map(|config| [4, 64, 252, 256, 260].map(|len| steps(len, config))).collect();
    cases.push(folded(&plain));
    cases.push(folded(&Sgd { nesterov: true, ..momentum }));
    cases
}

fn steps(len: usize, config: &Sgd) -> Case {
    let mut case = Case::new(format!("{len} weights, {config:?}"));
    let arenas = arenas(&mut case, len);
    // After the learning rate, values that SGD must ignore.
    let rates = case.input([4], Fill::Numbers(vec![LR, 30.0, 60.0, 100.0]));
    let norm = case.input([1], Fill::Numbers(vec![0.9]));
    let norm = config.clip.map(|_| norm);
    sgd_with(&mut case.schedule, "first", arenas, rates, norm, config);
    sgd_with(&mut case.schedule, "second", arenas, rates, norm, config);
    case
}

fn folded(config: &Sgd) -> Case {
    let len = MAX_GROUPS as usize * 256 + 76;
    let mut case = Case::new(format!("folded grid, {len}, {config:?}"));
    let arenas = arenas(&mut case, len);
    let rates = case.input([4], Fill::Numbers(vec![LR, 30.0, 60.0, 100.0]));
    sgd_with(&mut case.schedule, "step", arenas, rates, None, config);
    case
}

fn arenas(case: &mut Case, len: usize) -> Arenas {
    let mut numbers = || case.input([len], Fill::OffZero);
    let [w, g, momentum] = [numbers(), numbers(), numbers()];
    Arenas { w, g, momentum }
}
