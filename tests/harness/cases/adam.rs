//! Adam with each of its options, two steps in a row so that the zeroed gradient shows. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::adam::{Adam, Arenas, adam_with};

/// Large enough that every term of the step shows above the tolerance.
const LR: f64 = 0.05;

pub(crate) fn cases() -> Vec<Case> {
    let plain = Adam { epsilon: 0.1, ..Adam::default() };
    let decay = Adam { weight_decay: 0.3, ..plain };
    let options = [
        Adam::default(),
        Adam { beta1: 0.5, beta2: 0.9, ..plain },
        decay,
        Adam { decoupled: false, ..decay },
        Adam { clip: Some(0.3), ..plain },
        Adam { clip: Some(1e3), ..plain },
        Adam { decoupled: false, clip: Some(0.2), ..decay },
    ];
    let mut cases: Vec<Case> = options.iter().flat_map(|config| [4, 64, 260].map(|len| steps(len, config))).collect();
    cases.push(first_step());
    cases.push(folded());
    cases
}

fn steps(len: usize, config: &Adam) -> Case {
    let mut case = Case::new(format!("{len} weights, {config:?}"));
    let arenas = arenas(&mut case, len, Fill::Uniform(0.0, 1.0));
    // A different correction for either moment, and a KL weight that Adam must ignore.
    let rates = case.input([4], Fill::Numbers(vec![LR, 0.3, 0.6, 100.0]));
    let norm = case.input([1], Fill::Numbers(vec![0.9]));
    let norm = config.clip.map(|_| norm);
    adam_with(&mut case.schedule, "first", arenas, rates, norm, config);
    adam_with(&mut case.schedule, "second", arenas, rates, norm, config);
    case
}

/// Moments at zero, where some gradients are zero too: the step is lr sign(g), and nothing where g is zero.
fn first_step() -> Case {
    let mut case = Case::new("the first step");
    let mut arenas = arenas(&mut case, 8, Fill::Numbers(vec![0.0; 8]));
    arenas.g = case.input([8], Fill::Numbers(vec![0.0, 1e-3, -2.0, 1e-6, -30.0, 0.5, -0.0, 7.0]));
    arenas.m = case.input([8], Fill::Numbers(vec![0.0; 8]));
    let rates = case.input([4], Fill::Numbers(vec![LR, 0.1, 0.001, 1.0]));
    adam_with(&mut case.schedule, "step", arenas, rates, None, &Adam::default());
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 76;
    let mut case = Case::new(format!("folded grid, {len}"));
    let arenas = arenas(&mut case, len, Fill::Uniform(0.0, 1.0));
    let rates = case.input([4], Fill::Numbers(vec![LR, 0.3, 0.6, 100.0]));
    adam_with(&mut case.schedule, "step", arenas, rates, None, &Adam::default());
    case
}

/// Arenas with `v` for the second moments, which are never negative.
fn arenas(case: &mut Case, len: usize, v: Fill) -> Arenas {
    let mut numbers = || case.input([len], Fill::OffZero);
    let [w, g, m] = [numbers(), numbers(), numbers()];
    Arenas { w, g, m, v: case.input([len], v) }
}
