//! Batch normalisation by the batch's and by running statistics, around chunks of 64 rows, around the 1,024 rows that
//! one dispatch normalises, and far from zero.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::batch_norm::{BatchNorm, Gradients, backward, backward_params, forward, inference};
use gpu_core::{Buf, MAX_GROUPS, Shape};

/// Rows and channels.
const SIZES: [[usize; 2]; 11] =
    [[2, 1], [7, 3], [63, 5], [64, 64], [65, 3], [131, 1], [129, 257], [200, 64], [1024, 9], [1025, 5], [1100, 17]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in SIZES {
        cases.extend([true, false].map(|training| differentiated(size, training, 0.0)));
    }
    for rows in [150, 1150] {
        cases.extend([true, false].map(|training| differentiated([rows, 5], training, 10.0)));
        let acts = [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Elu(0.5)];
        cases.extend(acts.map(|act| between(rows, act)));
    }
    cases.push(many_chunks());
    cases.extend([130, 1030].map(flat));
    cases.push(folded_channels());
    cases.push(folded_elements());
    cases
}

fn parameters(case: &mut Case, c: usize) -> BatchNorm {
    BatchNorm {
        weight: case.input([c], Fill::Uniform(0.3, 1.7)),
        bias: case.input([c], Fill::OffZero),
        running_mean: case.input([c], Fill::Uniform(-1.0, 1.0)),
        running_var: case.input([c], Fill::Uniform(0.2, 2.0)),
        epsilon: 0.03,
        momentum: 0.3,
    }
}

/// Gradients of the parameters before the case, with a gap between them, as alignment leaves one in an arena.
fn gradients(case: &mut Case, c: usize) -> Gradients {
    let both = case.input([2 * c + 3], Fill::Uniform(-1.0, 1.0));
    let [weight, bias] = [0, c as u32 + 3].map(|offset| Buf { offset, shape: Shape::from([c]), ..both });
    Gradients { weight, bias }
}

/// Forward and backward with random gradients: y, dy, dx, and the accumulated dweight and dbias.
fn run(case: &mut Case, x: Buf, norm: &BatchNorm, training: bool, act: Activation) -> (Buf, Buf, Buf, Buf, Buf) {
    let c = x.shape.cols();
    let dy = case.input(x.shape, Fill::OffZero);
    let gradients = gradients(case, c);
    case.sums_of(x.shape.rows());
    let s = &mut case.schedule;
    let (y, saved) = if training { forward(s, "y", x, norm, act) } else { inference(s, "y", x, norm, act) };
    let d = match act {
        Activation::Identity => dy,
        act => activation_backward(case, y, dy, act),
    };
    let s = &mut case.schedule;
    let dx = backward(s, "dx", &saved, d, norm.weight, Some(gradients), None);
    (y, dy, dx, gradients.weight, gradients.bias)
}

/// dy before the activation, from its output; piecewise linear ones have the same slope there as at the input.
fn activation_backward(case: &mut Case, y: Buf, dy: Buf, act: Activation) -> Buf {
    assert!(matches!(act, Activation::LeakyRelu(_)));
    activation::backward(&mut case.schedule, "dy before", y, dy, act)
}

fn differentiated(size: [usize; 2], training: bool, centre: f64) -> Case {
    let [rows, c] = size;
    let kind = if training { "the batch's" } else { "running" };
    let mut case = Case::new(format!("{rows}×{c} around {centre}, {kind} statistics"));
    let x = case.input(size, Fill::Uniform(centre - 1.0, centre + 1.0));
    let norm = parameters(&mut case, c);
    let act = if c == 5 { Activation::LeakyRelu(0.2) } else { Activation::Identity };
    let (y, dy, dx, dweight, dbias) = run(&mut case, x, &norm, training, act);
    case.claim(y, dy, &[(x, dx), (norm.weight, dweight), (norm.bias, dbias)]);
    case
}

/// y = norm(h) with h = act(x), whose slope is fused into the gradient of h, and with norm's own activation. The
/// gradients of the parameters come by themselves.
fn between(rows: usize, act: Activation) -> Case {
    let size = [rows, 3];
    let mut case = Case::new(format!("{rows} rows after {act:?}, its slope fused"));
    let x = case.input(size, Fill::OffZero);
    let dy = case.input(size, Fill::OffZero);
    let norm = parameters(&mut case, 3);
    let gradients = gradients(&mut case, 3);
    case.sums_of(rows);
    let s = &mut case.schedule;
    let h = activation::forward(s, "h", x, act);
    let (y, saved) = forward(s, "y", h, &norm, Activation::Identity);
    let dx = backward(s, "dx", &saved, dy, norm.weight, None, Some((act, h)));
    backward_params(s, "params", &saved, dy, gradients);
    forward(s, "activated", h, &norm, act);
    case.claim(y, dy, &[(x, dx), (norm.weight, gradients.weight), (norm.bias, gradients.bias)]);
    case
}

/// More chunks than a workgroup has invocations, far from zero.
fn many_chunks() -> Case {
    let mut case = Case::new("300 chunks around 10");
    let x = case.input([64 * 300 - 7, 3], Fill::Uniform(9.0, 11.0));
    let norm = parameters(&mut case, 3);
    run(&mut case, x, &norm, true, Activation::Identity);
    case
}

/// Constant channels far from zero, with PyTorch's ε: any variance but zero is magnified 300 times.
fn flat(rows: usize) -> Case {
    let mut case = Case::new(format!("{rows} rows of constant channels"));
    let x = case.input([rows, 3], Fill::Numbers((0..3 * rows).map(|i| [100.3, -7.7, 1e-3][i % 3]).collect()));
    let norm = BatchNorm { epsilon: 1e-5, ..parameters(&mut case, 3) };
    run(&mut case, x, &norm, true, Activation::Identity);
    case
}

fn folded_channels() -> Case {
    let c = MAX_GROUPS as usize + 78;
    let mut case = Case::new(format!("folded grid, 2×{c}"));
    let x = case.input([2, c], Fill::Uniform(-1.0, 1.0));
    let norm = parameters(&mut case, c);
    case.sums_of(2);
    forward(&mut case.schedule, "y", x, &norm, Activation::Identity);
    case
}

fn folded_elements() -> Case {
    let (rows, c) = (1, MAX_GROUPS as usize * 256 + 129);
    let mut case = Case::new(format!("folded grid, {rows}×{c}"));
    let x = case.input([rows, c], Fill::Uniform(-1.0, 1.0));
    let norm = parameters(&mut case, c);
    inference(&mut case.schedule, "y", x, &norm, Activation::Relu);
    case
}
