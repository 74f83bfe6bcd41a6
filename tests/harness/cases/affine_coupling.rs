//! Affine couplings with a row of theta for each row of x and for several, with bounded slopes and others; numbers that
//! the inverse returns to; a composition, extremes, and a folded grid; standardised columns, one of them constant.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::affine_coupling::{backward, forward, inverse, standardise};
use gpu_core::ops::{channels, elementwise};

/// Rows of theta, rows of x for each, columns of x, and the bound.
const SIZES: [([usize; 3], f32); 6] =
    [([1, 1, 1], 0.0), ([3, 1, 5], 1.5), ([1, 7, 3], 0.0), ([63, 1, 1], 2.0), ([5, 13, 1], 0.7), ([2, 4, 31], 1.0)];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(|(size, bound)| differentiated(size, bound)).into();
    cases.push(composed());
    cases.push(extremes());
    cases.push(folded());
    cases.extend([[1, 1], [31, 3], [257, 65]].map(standardised));
    cases
}

/// The value and the logarithm of the slope side by side, so that both have an upstream gradient; and the way back.
fn differentiated([n, rows, d]: [usize; 3], bound: f32) -> Case {
    let mut case = Case::new(format!("{n}×{rows} rows of {d}, bound {bound}"));
    case.sums_of(30); // a product of exponentials, each an error of some units
    let m = n * rows;
    let x = case.input([m, d], Fill::Uniform(-2.0, 2.0));
    let theta = case.input([n, 2 * d], Fill::Uniform(-1.2, 1.2));
    let dboth = case.input([m, 2 * d], Fill::OffZero);
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, bound);
    inverse(s, "inverse", y, theta, bound);
    let both = channels::concat(s, "both", y, log_slope);
    let [dy, dslope] = [0, 1].map(|part| channels::slice(s, "part", dboth, part * d..(part + 1) * d));
    let (dx, dtheta) = backward(s, "dx", x, theta, [dy, dslope], bound);
    let mut pairs = vec![(x, dx)];
    // Of shared rows, a gradient is the sum over their rows of x, which is not this operator's.
    if rows == 1 {
        pairs.push((theta, dtheta));
    }
    case.claim(both, dboth, &pairs);
    case
}

/// Between two scalings, so that neither x nor the upstream gradient is an input.
fn composed() -> Case {
    let mut case = Case::new("between two scalings");
    case.sums_of(60);
    let x = case.input([6, 3], Fill::Uniform(-2.0, 2.0));
    let theta = case.input([6, 6], Fill::Uniform(-1.0, 1.0));
    let dz = case.input([6, 3], Fill::OffZero);
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", x, 1.7);
    let (y, log_slope) = forward(s, "y", scaled, theta, 1.3);
    let z = elementwise::combine(s, "z", y, -0.6, log_slope, 0.8);
    let [dy, dslope] = [-0.6, 0.8].map(|factor| elementwise::scale(s, "dy", dz, factor));
    let (dscaled, dtheta) = backward(s, "dscaled", scaled, theta, [dy, dslope], 1.3);
    let dx = elementwise::scale(s, "dx", dscaled, 1.7);
    case.claim(z, dz, &[(x, dx), (theta, dtheta)]);
    case
}

/// Numbers of theta far beyond the bound.
fn extremes() -> Case {
    let numbers = [-1e4, -80.0, -3.0, -1e-6, 0.0, 1e-6, 3.0, 80.0, 1e4];
    let mut case = Case::new("extremes");
    case.sums_of(30);
    let theta: Vec<f64> = numbers.iter().flat_map(|&a| [a, 0.5]).collect();
    let x = case.input([numbers.len(), 1], Fill::OffZero);
    let theta = case.input([numbers.len(), 2], Fill::Numbers(theta));
    let [dy, dslope] = [(); 2].map(|()| case.input([numbers.len(), 1], Fill::OffZero));
    let s = &mut case.schedule;
    let (y, _) = forward(s, "y", x, theta, 2.0);
    backward(s, "dx", x, theta, [dy, dslope], 2.0);
    inverse(s, "inverse", y, theta, 2.0);
    case
}

/// Theta of columns.
fn standardised([m, d]: [usize; 2]) -> Case {
    let mut case = Case::new(format!("standardised, {m}×{d}"));
    case.sums_of(30 * m);
    // A column of a constant, which has no deviation; a lone number has none either.
    let column = |r: usize, j: usize| if j == 1 { 0.75 } else { ((7 * r + 3 * j) % 19) as f64 / 4.0 - 1.5 };
    let numbers = (0..m * d).map(|i| column(i / d, i % d)).collect();
    let x = case.input([m, d], Fill::Numbers(numbers));
    let s = &mut case.schedule;
    let theta = s.scratch([1, 2 * d]);
    standardise(s, "theta", x, theta);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    case.sums_of(30);
    let x = case.input([rows, 1], Fill::Uniform(-1.0, 1.0));
    let theta = case.input([1, 2], Fill::Uniform(-1.0, 1.0));
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, 2.0);
    backward(s, "dx", x, theta, [y, log_slope], 2.0);
    inverse(s, "inverse", y, theta, 2.0);
    case
}
