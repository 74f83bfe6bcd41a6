//! Group and instance normalisation, around chunks of 64 pixels, with and without weights, and far from zero.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::group_norm::{GroupNorm, backward_input, backward_params, backward_sums, forward};
use gpu_core::{Buf, MAX_GROUPS, Shape};

/// Images, pixels and channels, and the number of groups.
const SIZES: [([usize; 3], usize); 10] = [
    ([1, 2, 1], 1),
    ([2, 7, 3], 3),
    ([2, 7, 3], 1),
    ([1, 63, 5], 5),
    ([3, 64, 64], 16),
    ([2, 65, 6], 2),
    ([1, 131, 1], 1),
    ([2, 130, 64], 64),
    ([2, 1, 64], 4),
    ([1, 200, 130], 2),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (size, groups) in SIZES {
        cases.extend([true, false].map(|affine| differentiated(size.into(), groups, affine, 0.0)));
    }
    cases.push(differentiated([2, 10, 15, 3].into(), 3, true, 10.0));
    cases.push(differentiated([2, 10, 15, 6].into(), 2, false, 10.0));
    let acts = [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Elu(0.5)];
    cases.extend(acts.map(between));
    cases.extend([many_chunks(), flat(), folded_groups(), folded_elements()]);
    cases
}

fn norm(case: &mut Case, c: usize, groups: usize, affine: bool) -> GroupNorm {
    let both = affine.then(|| (case.input([c], Fill::Uniform(0.3, 1.7)), case.input([c], Fill::OffZero)));
    GroupNorm { groups, affine: both, epsilon: 0.03 }
}

/// Forward and backward with random gradients: y, dy, dx, and the accumulated dweight and dbias.
fn run(case: &mut Case, x: Buf, norm: &GroupNorm, act: Activation) -> (Buf, Buf, Buf, Buf, Buf) {
    let c = x.shape.cols();
    let dy = case.input(x.shape, Fill::OffZero);
    let [dweight, dbias] = [(); 2].map(|()| case.input([c], Fill::Uniform(-1.0, 1.0)));
    case.sums_of(x.len() / c * (c / norm.groups));
    let s = &mut case.schedule;
    let (y, saved) = forward(s, "y", x, norm, act);
    // A piecewise linear activation has the same slope at its output as at its input.
    let before = activation::backward(s, "dy before", y, dy, act);
    let sums = backward_sums(s, "sums", &saved, before);
    backward_params(s, "params", sums, dweight, dbias);
    let dx = backward_input(s, "dx", &saved, before, sums, None);
    (y, dy, dx, dweight, dbias)
}

fn differentiated(shape: Shape, groups: usize, affine: bool, centre: f64) -> Case {
    let kind = if affine { "affine" } else { "plain" };
    let mut case = Case::new(format!("{shape} around {centre} in {groups} groups, {kind}"));
    let x = case.input(shape, Fill::Uniform(centre - 1.0, centre + 1.0));
    let norm = norm(&mut case, shape.cols(), groups, affine);
    let act = if shape.cols() == 5 { Activation::LeakyRelu(0.2) } else { Activation::Identity };
    let (y, dy, dx, dweight, dbias) = run(&mut case, x, &norm, act);
    let pairs = [Some((x, dx)), norm.affine.map(|(w, _)| (w, dweight)), norm.affine.map(|(_, b)| (b, dbias))];
    case.claim(y, dy, &pairs.into_iter().flatten().collect::<Vec<_>>());
    case
}

/// y = norm(h) with h = act(x), whose slope is fused into the gradient of h, and with norm's own activation.
fn between(act: Activation) -> Case {
    let shape = [2, 70, 6];
    let mut case = Case::new(format!("after {act:?}, its slope fused"));
    let x = case.input(shape, Fill::OffZero);
    let dy = case.input(shape, Fill::OffZero);
    let norm = norm(&mut case, 6, 2, true);
    case.sums_of(210);
    let s = &mut case.schedule;
    let h = activation::forward(s, "h", x, act);
    let (y, saved) = forward(s, "y", h, &norm, Activation::Identity);
    let sums = backward_sums(s, "sums", &saved, dy);
    let dx = backward_input(s, "dx", &saved, dy, sums, Some((act, h)));
    forward(s, "activated", h, &norm, act);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// More chunks than a workgroup has invocations, far from zero.
fn many_chunks() -> Case {
    let mut case = Case::new("300 chunks around 10");
    let x = case.input([1, 64 * 300 - 7, 3], Fill::Uniform(9.0, 11.0));
    let norm = norm(&mut case, 3, 3, true);
    run(&mut case, x, &norm, Activation::Identity);
    case
}

/// Constant channels far from zero, with PyTorch's ε: any variance but zero is magnified 300 times.
fn flat() -> Case {
    let mut case = Case::new("constant channels");
    let x = case.input([1, 130, 3], Fill::Numbers((0..390).map(|i| [100.3, -7.7, 1e-3][i % 3]).collect()));
    let norm = GroupNorm { epsilon: 1e-5, ..norm(&mut case, 3, 3, true) };
    run(&mut case, x, &norm, Activation::Identity);
    case
}

fn folded_groups() -> Case {
    let n = 4 * MAX_GROUPS as usize + 78;
    let mut case = Case::new(format!("folded grid, {n}×2×2"));
    let x = case.input([n, 2, 2], Fill::Uniform(-1.0, 1.0));
    let norm = norm(&mut case, 2, 2, true);
    case.sums_of(2);
    forward(&mut case.schedule, "y", x, &norm, Activation::Identity);
    case
}

fn folded_elements() -> Case {
    // One workgroup more than fit, of invocations with one pixel each.
    let (n, c) = (MAX_GROUPS as usize + 1, 256);
    let mut case = Case::new(format!("folded grid, {n}×1×{c}"));
    let x = case.input([n, 1, c], Fill::Uniform(-1.0, 1.0));
    let norm = norm(&mut case, c, 1, true);
    case.sums_of(c);
    forward(&mut case.schedule, "y", x, &norm, Activation::Relu);
    case
}
