//! Attention of one position and of many, around the queries of a workgroup and the keys of its lanes, in one head and
//! in several.

use crate::{Case, Fill};
use gpu_core::ops::attention::{MAX_POSITIONS, backward, forward};
use gpu_core::ops::elementwise;
use gpu_core::{Buf, MAX_GROUPS};

/// Images, positions, heads and channels of a head.
const SIZES: [[usize; 4]; 12] = [
    [1, 1, 1, 1],
    [3, 1, 2, 5],
    [2, 2, 3, 2],
    [1, 7, 1, 3],
    [2, 8, 2, 4],
    [1, 9, 2, 33],
    [2, 31, 1, 6],
    [1, 33, 3, 7],
    [2, 49, 3, 8],
    [1, 64, 2, 16],
    [2, 81, 1, 13],
    [1, MAX_POSITIONS, 2, 9],
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.into_iter().map(differentiated).collect();
    cases.extend([composed(), extremes(), wide(), folded()]);
    cases
}

/// qkv and dy, with numbers of qkv within ±bound.
fn inputs(case: &mut Case, [n, m, heads, d]: [usize; 4], bound: f64) -> [Buf; 2] {
    // Scores are sums over the channels, and most other numbers sums over the positions.
    case.sums_of(m.max(d));
    [case.input([n, m, 3 * heads * d], Fill::Uniform(-bound, bound)), case.input([n, m, heads * d], Fill::OffZero)]
}

fn name([n, m, heads, d]: [usize; 4]) -> String {
    format!("{n}×{m} positions, {heads} heads of {d}")
}

fn differentiated(size: [usize; 4]) -> Case {
    let mut case = Case::new(name(size));
    let [qkv, dy] = inputs(&mut case, size, 2.0);
    let (y, saved) = forward(&mut case.schedule, "y", qkv, size[2]);
    let dqkv = backward(&mut case.schedule, "dqkv", &saved, dy);
    case.claim(y, dy, &[(qkv, dqkv)]);
    case
}

/// Between two scalings, of images with rows and columns: neither qkv nor the upstream gradient is an input.
fn composed() -> Case {
    let mut case = Case::new("between two scalings");
    case.sums_of(12);
    let x = case.input([2, 3, 4, 18], Fill::Uniform(-1.0, 1.0));
    let dz = case.input([2, 3, 4, 6], Fill::OffZero);
    let s = &mut case.schedule;
    let qkv = elementwise::scale(s, "qkv", x, 1.7);
    let (y, saved) = forward(s, "y", qkv, 2);
    let z = elementwise::scale(s, "z", y, -0.6);
    let dy = elementwise::scale(s, "dy", dz, -0.6);
    let dqkv = backward(s, "dqkv", &saved, dy);
    let dx = elementwise::scale(s, "dx", dqkv, 1.7);
    case.claim(z, dz, &[(x, dx)]);
    case
}

/// Scores between −10⁴ and 10⁴, where exp overflows unless the maximum is subtracted, all of a query far below zero
/// among them. Whole numbers, so that the scores have no rounding errors, which exp would magnify.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    case.sums_of(6);
    case.tolerance *= 100.0; // terms of a gradient have keys of 100 as factors, and leave sums below one
    let queries = [1.0, -1.0, 100.0, -100.0, 0.0, 3.0];
    let keys = [100.0, 99.0, 1.0, 0.0, 2.0, 100.0];
    let qkv = queries.iter().zip(keys).flat_map(|(&q, k)| [q, k, q + k]).collect();
    let qkv = case.input([1, 6, 3], Fill::Numbers(qkv));
    let dy = case.input([1, 6, 1], Fill::OffZero);
    let (_, saved) = forward(&mut case.schedule, "y", qkv, 1);
    backward(&mut case.schedule, "dqkv", &saved, dy);
    case
}

/// More channels in a head than positions, and heads of more channels than there are invocations.
fn wide() -> Case {
    let size = [2, 5, 2, 300];
    let mut case = Case::new(name(size));
    let [qkv, dy] = inputs(&mut case, size, 0.5);
    let (_, saved) = forward(&mut case.schedule, "y", qkv, 2);
    backward(&mut case.schedule, "dqkv", &saved, dy);
    case
}

/// More workgroups than fit along one axis, in every kernel.
fn folded() -> Case {
    let size = [MAX_GROUPS as usize + 9, 2, 1, 43];
    let mut case = Case::new(format!("folded grid, {}", name(size)));
    let [qkv, dy] = inputs(&mut case, size, 1.0);
    let (_, saved) = forward(&mut case.schedule, "y", qkv, 1);
    backward(&mut case.schedule, "dqkv", &saved, dy);
    case
}
