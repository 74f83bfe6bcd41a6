//! Bounds of odd, even and many levels with their derivatives; roundings within and beyond the levels, of what is not
//! finite, and codes of indices. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::fsq::{Levels, bound, bound_backward, lookup, quantise};

/// Rows, and the levels of each channel.
const PROBLEMS: [(usize, &[usize]); 7] = [
    (1, &[2]),
    (63, &[3]),
    (5, &[8, 5, 5, 5]),
    (64, &[8, 6, 5]),
    (65, &[4, 4, 4, 4, 7]),
    (37, &[2, 3, 2, 255, 2, 5, 2, 3]),
    (3, &[254, 9]),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = PROBLEMS.into_iter().map(|(m, levels)| differentiated(m, levels)).collect();
    cases.extend(PROBLEMS.map(|(m, levels)| rounded(m, levels)));
    cases.push(composed());
    cases.push(not_finite());
    cases.push(folded());
    cases
}

fn levels(levels: &[usize]) -> Levels {
    Levels::new(levels).expect("levels that exist")
}

fn differentiated(m: usize, of: &[usize]) -> Case {
    let mut case = Case::new(format!("bound of {m} rows, levels {of:?}"));
    let levels = levels(of);
    // tanh has an error of some units, and the sum with the offset cancels near zero.
    case.sums_of(4);
    let z = case.input([m, of.len()], Fill::Uniform(-3.0, 3.0));
    let dy = case.input(z.shape, Fill::OffZero);
    let y = bound(&mut case.schedule, "y", z, &levels);
    let dz = bound_backward(&mut case.schedule, "dz", z, dy, &levels);
    case.claim(y, dy, &[(z, dz)]);
    case
}

/// Latents from −1.25 to 1.25, at odd multiples of 1/256: products with half the levels are exact, and none is midway
/// between two levels.
fn between(len: usize) -> Fill {
    Fill::Numbers((0..len).map(|i| f64::from(4 * (i as i32 * 37 % 160 - 80) + 1) / 256.0).collect())
}

fn rounded(m: usize, of: &[usize]) -> Case {
    let mut case = Case::new(format!("{m} rows rounded to levels {of:?}"));
    let levels = levels(of);
    let latents = case.input([m, of.len()], between(m * of.len()));
    let codes = case.input([m], Fill::Words(levels.codes() as u32));
    let s = &mut case.schedule;
    let (q, index) = quantise(s, "quantise", latents, &levels);
    lookup(s, "same", index, &levels, q.shape);
    lookup(s, "other", codes, &levels, [m, 1, of.len()]);
    case
}

/// Behind an activation, with the gradient of the rounded numbers taken for that of the bounded ones.
fn composed() -> Case {
    let mut case = Case::new("behind silu, rounded");
    let levels = levels(&[8, 5, 4]);
    case.sums_of(8);
    let sum = case.input([7, 2, 3, 3], Fill::Uniform(-4.0, 3.0));
    let dq = case.input(sum.shape, Fill::OffZero);
    let s = &mut case.schedule;
    let z = activation::forward(s, "z", sum, Activation::Silu);
    let y = bound(s, "y", z, &levels);
    quantise(s, "quantise", y, &levels);
    let dz = bound_backward(s, "dz", z, dq, &levels);
    let dsum = activation::backward(s, "dsum", sum, dz, Activation::Silu);
    case.claim(y, dq, &[(sum, dsum)]);
    case
}

fn not_finite() -> Case {
    let mut case = Case::new("latents that are not finite");
    let levels = levels(&[3, 8]);
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let latents = case.input([5, 2], Fill::Numbers(vec![nan, 0.1, 0.1, nan, inf, -inf, -inf, inf, -0.1, 0.2]));
    let s = &mut case.schedule;
    let (q, _) = quantise(s, "quantise", latents, &levels);
    let y = bound(s, "y", latents, &levels);
    bound_backward(s, "dz", y, q, &levels);
    case
}

/// More rows than fit in 65,535 workgroups of 64.
fn folded() -> Case {
    let m = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {m} rows"));
    let levels = levels(&[6]);
    let latents = case.input([m, 1], between(m));
    let s = &mut case.schedule;
    let (q, index) = quantise(s, "quantise", latents, &levels);
    lookup(s, "same", index, &levels, q.shape);
    let y = bound(s, "y", latents, &levels);
    bound_backward(s, "dz", y, q, &levels);
    case
}
