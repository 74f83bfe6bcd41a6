//! Planar functions with numbers for each row and for several, alone and as one of several in a row of theta; arguments
//! that the inverse returns to; a composition, extremes, and a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::planar::{backward, forward, inverse, width};
use gpu_core::ops::{channels, elementwise, fill};

/// Rows of theta, rows of x for each, columns of x, functions of theta, and the one at hand.
const SIZES: [[usize; 5]; 6] =
    [[1, 1, 1, 1, 0], [3, 1, 5, 2, 1], [63, 1, 2, 1, 0], [65, 1, 3, 3, 0], [2, 7, 3, 2, 1], [5, 1, 31, 1, 0]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(differentiated).into();
    cases.push(composed());
    cases.push(extremes());
    cases.push(folded());
    cases
}

/// The value and the logarithm of the slope side by side, so that both have an upstream gradient; and the way back.
fn differentiated([n, rows, d, steps, step]: [usize; 5]) -> Case {
    let mut case = Case::new(format!("{n}×{rows} rows of {d}, function {step} of {steps}"));
    case.sums_of(64 * d); // û divides by w·w, and the gradient's terms by it again
    let m = n * rows;
    let x = case.input([m, d], Fill::Uniform(-2.0, 2.0));
    let theta = case.input([n, steps * width(d)], Fill::OffZero);
    let dboth = case.input([m, d + 1], Fill::OffZero);
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, step);
    inverse(s, "inverse", y, theta, step);
    let both = channels::concat(s, "both", y, log_slope.reshape([m, 1]));
    let dy = channels::slice(s, "dy", dboth, 0..d);
    let dslope = channels::slice(s, "dslope", dboth, d..d + 1);
    let dtheta = s.scratch([m, steps * width(d)]);
    fill::fill(s, "zero", dtheta, 0.0);
    let dx = backward(s, "dx", [x, theta], [dy, dslope.reshape([m])], step, dtheta);
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
    case.sums_of(120);
    let (m, d) = (6, 3);
    let x = case.input([m, d], Fill::Uniform(-1.0, 1.0));
    let theta = case.input([m, width(d)], Fill::OffZero);
    let dz = case.input([m, d], Fill::OffZero);
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", x, 1.7);
    let (y, _) = forward(s, "y", scaled, theta, 0);
    let z = elementwise::scale(s, "z", y, -0.6);
    let dy = elementwise::scale(s, "dy", dz, -0.6);
    let [dslope, dtheta] = [[m, 1], [m, width(d)]].map(|shape| s.scratch(shape));
    [dslope, dtheta].iter().for_each(|&buf| fill::fill(s, "zero", buf, 0.0));
    let dscaled = backward(s, "dscaled", [scaled, theta], [dy, dslope.reshape([m])], 0, dtheta);
    let dx = elementwise::scale(s, "dx", dscaled, 1.7);
    case.claim(z, dz, &[(x, dx), (theta, dtheta)]);
    case
}

/// Products u·w far from 0 on both sides, arguments at which tanh is ±1, and a short w, by whose square terms of the
/// gradient are divided.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    case.sums_of(120);
    let rows = [[-90.0, 1.0, 0.5], [90.0, 1.0, 0.5], [0.5, 1.0, 1e4], [0.5, 1.0, -1e4], [0.5, 0.05, 0.0]];
    let m = rows.len();
    let x = case.input([m, 1], Fill::OffZero);
    let theta = case.input([m, 3], Fill::Numbers(rows.concat()));
    let dy = case.input([m, 1], Fill::OffZero);
    let dslope = case.input([m], Fill::OffZero);
    let s = &mut case.schedule;
    forward(s, "y", x, theta, 0);
    let dtheta = s.scratch([m, 3]);
    fill::fill(s, "zero", dtheta, 0.0);
    backward(s, "dx", [x, theta], [dy, dslope], 0, dtheta);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    case.sums_of(64);
    let x = case.input([rows, 1], Fill::Uniform(-1.0, 1.0));
    let theta = case.input([1, 3], Fill::Numbers(vec![0.7, -0.9, 0.3]));
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, 0);
    let dtheta = s.scratch([rows, 3]);
    fill::fill(s, "zero", dtheta, 0.0);
    backward(s, "dx", [x, theta], [y, log_slope], 0, dtheta);
    case
}
