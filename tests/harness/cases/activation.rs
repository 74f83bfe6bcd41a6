//! Every activation, alone and differentiated; one case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::activation::{Activation, backward, forward};

const ALL: [Activation; 8] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Silu,
    Activation::Elu(0.7),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        ALL.iter().flat_map(|&act| [1, 257].map(|len| differentiated(act, len, Fill::OffZero))).collect();
    cases.extend(ALL.map(|act| differentiated(act, 64, Fill::Uniform(-20.0, 20.0))));
    cases.push(extremes());
    cases.push(folded());
    cases
}

fn differentiated(act: Activation, len: usize, fill: Fill) -> Case {
    let mut case = Case::new(format!("{act:?} of {len}, {fill:?}"));
    case.sums_of(3); // SiLU's slope, the longest, is a sum of three terms
    let x = case.input([len], fill);
    let dy = case.input([len], Fill::OffZero);
    let y = forward(&mut case.schedule, "y", x, act);
    let dx = backward(&mut case.schedule, "dx", x, dy, act);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// Far out, where exp and tanh overflow if left alone. There is nothing to difference there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = case.input([6], Fill::Numbers(vec![-1e30, -300.0, -90.0, 90.0, 300.0, 1e30]));
    let dy = case.input([6], Fill::OffZero);
    for act in ALL {
        forward(&mut case.schedule, &format!("{act:?}"), x, act);
        backward(&mut case.schedule, &format!("{act:?}.backward"), x, dy, act);
    }
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let x = case.input([len], Fill::OffZero);
    forward(&mut case.schedule, "y", x, Activation::LeakyRelu(0.2));
    backward(&mut case.schedule, "dx", x, x, Activation::LeakyRelu(0.2));
    case
}
