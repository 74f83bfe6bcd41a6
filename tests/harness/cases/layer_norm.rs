//! Layer normalisation of rows around the size of a workgroup, around chunks of 64 rows, and far from zero.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::layer_norm::{LayerNorm, backward_input, backward_params, forward};
use gpu_core::{Buf, MAX_GROUPS};

const SIZES: [[usize; 2]; 9] = [[1, 1], [1, 2], [7, 3], [63, 5], [64, 64], [65, 3], [5, 255], [131, 256], [3, 1009]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| differentiated(size, 0.0)).collect();
    cases.push(differentiated([9, 257], 10.0));
    cases.push(differentiated([70, 5], 10.0));
    let acts = [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Elu(0.5)];
    cases.extend(acts.map(between));
    cases.extend([flat(), folded()]);
    cases
}

fn norm(case: &mut Case, c: usize) -> LayerNorm {
    let (weight, bias) = (case.input([c], Fill::Uniform(0.3, 1.7)), case.input([c], Fill::OffZero));
    LayerNorm { weight, bias, epsilon: 0.03 }
}

/// Forward and backward with random gradients: y, dy, dx, and the accumulated dweight and dbias.
fn run(case: &mut Case, x: Buf, norm: &LayerNorm, act: Activation) -> (Buf, Buf, Buf, Buf, Buf) {
    let (rows, c) = (x.shape.rows(), x.shape.cols());
    let dy = case.input(x.shape, Fill::OffZero);
    let [dweight, dbias] = [(); 2].map(|()| case.input([c], Fill::Uniform(-1.0, 1.0)));
    case.sums_of(rows.max(c));
    let s = &mut case.schedule;
    let (y, saved) = forward(s, "y", x, norm, act);
    // A piecewise linear activation has the same slope at its output as at its input.
    let before = activation::backward(s, "dy before", y, dy, act);
    backward_params(s, "params", &saved, before, dweight, dbias);
    let dx = backward_input(s, "dx", &saved, before, norm.weight, None);
    (y, dy, dx, dweight, dbias)
}

fn differentiated(size: [usize; 2], centre: f64) -> Case {
    let [rows, c] = size;
    let mut case = Case::new(format!("{rows}×{c} around {centre}"));
    let x = case.input(size, Fill::Uniform(centre - 1.0, centre + 1.0));
    let norm = norm(&mut case, c);
    let act = if c == 5 { Activation::LeakyRelu(0.2) } else { Activation::Identity };
    let (y, dy, dx, dweight, dbias) = run(&mut case, x, &norm, act);
    case.claim(y, dy, &[(x, dx), (norm.weight, dweight), (norm.bias, dbias)]);
    case
}

/// y = norm(h) with h = act(x), whose slope is fused into the gradient of h, and with norm's own activation.
fn between(act: Activation) -> Case {
    let size = [7, 70];
    let mut case = Case::new(format!("after {act:?}, its slope fused"));
    let x = case.input(size, Fill::OffZero);
    let dy = case.input(size, Fill::OffZero);
    let norm = norm(&mut case, 70);
    case.sums_of(70);
    let s = &mut case.schedule;
    let h = activation::forward(s, "h", x, act);
    let (y, saved) = forward(s, "y", h, &norm, Activation::Identity);
    let dx = backward_input(s, "dx", &saved, dy, norm.weight, Some((act, h)));
    forward(s, "activated", h, &norm, act);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// Constant rows far from zero, with PyTorch's ε: any variance but zero is magnified 300 times.
fn flat() -> Case {
    let mut case = Case::new("constant rows");
    let x = case.input([3, 130], Fill::Numbers((0..390).map(|i| [100.3, -7.7, 1e-3][i / 130]).collect()));
    let norm = LayerNorm { epsilon: 1e-5, ..norm(&mut case, 130) };
    run(&mut case, x, &norm, Activation::Identity);
    case
}

fn folded() -> Case {
    let (rows, c) = (MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, {rows}×{c}"));
    let x = case.input([rows, c], Fill::Uniform(-1.0, 1.0));
    let norm = norm(&mut case, c);
    case.sums_of(c);
    forward(&mut case.schedule, "y", x, &norm, Activation::Identity);
    case
}
