//! Every activation, alone and differentiated; one case folds its grid.

use crate::{Case, Fill};
use gpu_core::ops::activation::{
    ACTIVATION, ACTIVATION_BACKWARD, ACTIVATION_GATE, Activation, ActivationParams, backward, forward, gate,
};
use gpu_core::{Grid, MAX_GROUPS};

/// All activations, ELU with an α that is not 1.
fn all() -> Vec<Activation> {
    let other = |&act: &Activation| if let Activation::Elu(_) = act { Activation::Elu(0.7) } else { act };
    Activation::ALL.iter().map(other).collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        all().into_iter().flat_map(|act| [1, 257].map(|len| differentiated(act, len, Fill::OffZero))).collect();
    cases.extend(all().into_iter().map(|act| differentiated(act, 64, Fill::Uniform(-20.0, 20.0))));
    cases.push(extremes());
    cases.push(small_slopes());
    cases.push(small_outputs());
    cases.push(folded());
    cases.push(unknown());
    cases.push(not_a_number());
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
    if act.slope_from_output() {
        let dx = gate(&mut case.schedule, "gated", y, dy, act);
        case.claim(y, dy, &[(x, dx)]);
    }
    case
}

/// Large arguments, where an unprotected exp or tanh overflows. No derivative can be checked there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = case.input([6], Fill::Numbers(vec![-1e30, -300.0, -90.0, 90.0, 300.0, 1e30]));
    let dy = case.input([6], Fill::OffZero);
    for act in all() {
        forward(&mut case.schedule, &format!("{act:?}"), x, act);
        backward(&mut case.schedule, &format!("{act:?}.backward"), x, dy, act);
    }
    case
}

/// Slopes far below 1, multiplied by large gradients, so that their relative error counts.
fn small_slopes() -> Case {
    let mut case = Case::new("small slopes");
    // Vulkan allows exp an error of 3 + 2 |x| units in the last place.
    case.tolerance = 48.0 * f64::from(f32::EPSILON);
    let x = case.input([64], Fill::Uniform(-17.0, -10.0));
    let dy = case.input([64], Fill::Uniform(1e8, 2e8));
    for act in [Activation::Sigmoid, Activation::Softplus, Activation::Silu, Activation::Elu(0.7)] {
        backward(&mut case.schedule, &format!("{act:?}.backward"), x, dy, act);
    }
    case
}

/// ELU near 0, with a large α, so that its relative error counts.
fn small_outputs() -> Case {
    let mut case = Case::new("small outputs");
    case.sums_of(3);
    // From −1e-6 to −1, evenly on a logarithmic scale.
    let x: Vec<f64> = (0..=120).map(|i| -10f64.powf(f64::from(i) / 20.0 - 6.0)).collect();
    let x = case.input([x.len()], Fill::Numbers(x));
    forward(&mut case.schedule, "y", x, Activation::Elu(2e6));
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let x = case.input([len], Fill::OffZero);
    forward(&mut case.schedule, "y", x, Activation::LeakyRelu(0.2));
    backward(&mut case.schedule, "dx", x, x, Activation::LeakyRelu(0.2));
    gate(&mut case.schedule, "gated", x, x, Activation::LeakyRelu(0.2));
    case
}

/// A code that no activation has, or that a kernel cannot take: NaN, and never the input as it was.
fn unknown() -> Case {
    let mut case = Case::new("an unknown code");
    let (x, dy) = (case.input([5], Fill::OffZero), case.input([5], Fill::OffZero));
    let s = &mut case.schedule;
    let [y, dx, gated] = [(); 3].map(|()| s.scratch([5]));
    let params = ActivationParams { len: 5, kind: Activation::ALL.len() as u32, alpha: 0.5 };
    s.push(&ACTIVATION, "y", &[x, y], &params, Grid::Linear(1), 0);
    s.push(&ACTIVATION_BACKWARD, "dx", &[x, dy, dx], &params, Grid::Linear(1), 0);
    s.push(&ACTIVATION_GATE, "gated", &[x, dy, gated], &params, Grid::Linear(1), 0);
    // The slope of SiLU does not follow from its output.
    let params = ActivationParams { kind: Activation::Silu.code(), ..params };
    s.push(&ACTIVATION_GATE, "gated.silu", &[x, dy, gated], &params, Grid::Linear(1), 0);
    case
}

/// NaN stays NaN in functions of frit's own.
fn not_a_number() -> Case {
    let mut case = Case::new("NaN");
    let x = case.input([3], Fill::Numbers(vec![f64::NAN, 0.5, -f64::NAN]));
    for act in [Activation::Tanh, Activation::Sigmoid] {
        forward(&mut case.schedule, &format!("{act:?}"), x, act);
    }
    case
}
