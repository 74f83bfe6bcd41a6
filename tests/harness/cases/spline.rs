//! Splines of two bins and of many, inside the interval, outside and at its ends; numbers that the inverse returns to;
//! a composition, extremes, and a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::spline::{BINS, backward, forward, inverse, width};
use gpu_core::ops::{channels, elementwise};

/// Rows and columns of x, bins, and the bound.
const SIZES: [([usize; 2], usize, f32); 5] =
    [([1, 1], 2, 1.0), ([7, 3], 5, 2.0), ([63, 1], 8, 3.0), ([5, 13], 3, 1.5), ([13, 2], 32, 3.0)];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(|(size, bins, bound)| differentiated(size, bins, bound)).into();
    cases.push(composed());
    cases.push(ends());
    cases.push(extremes());
    cases.push(not_numbers());
    cases.push(folded());
    cases
}

/// A place in a bin has the error of a sum of sizes over the size of the bin, which is several times smaller than the
/// interval, and slopes of slopes multiply by that once more.
const TERMS: usize = 60_000;

/// The value and the logarithm of the slope side by side, so that both have an upstream gradient; and the way back.
fn differentiated(size: [usize; 2], bins: usize, bound: f32) -> Case {
    let mut case = Case::new(format!("{size:?}, {bins} bins within {bound}"));
    case.sums_of(TERMS);
    let [m, d] = size;
    let reach = 1.1 * f64::from(bound);
    let x = case.input(size, Fill::Uniform(-reach, reach));
    let theta = case.input([m, d * width(bins)], Fill::Uniform(-1.0, 1.0));
    let dboth = case.input([m, 2 * d], Fill::OffZero);
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, bins, bound);
    inverse(s, "inverse", y, theta, bins, bound);
    let both = channels::concat(s, "both", y, log_slope);
    let [dy, dslope] = [0, 1].map(|part| channels::slice(s, "part", dboth, part * d..(part + 1) * d));
    let (dx, dtheta) = backward(s, "dx", x, theta, [dy, dslope], bins, bound);
    case.claim(both, dboth, &[(x, dx), (theta, dtheta)]);
    case
}

/// Between two scalings, so that neither x nor the upstream gradient is an input.
fn composed() -> Case {
    let mut case = Case::new("between two scalings");
    case.sums_of(TERMS);
    let x = case.input([6, 3], Fill::Uniform(-1.0, 1.0));
    let theta = case.input([6, 3 * width(4)], Fill::Uniform(-1.0, 1.0));
    let dz = case.input([6, 3], Fill::OffZero);
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", x, 1.7);
    let (y, log_slope) = forward(s, "y", scaled, theta, 4, 2.0);
    let z = elementwise::combine(s, "z", y, -0.6, log_slope, 0.8);
    let [dy, dslope] = [-0.6, 0.8].map(|factor| elementwise::scale(s, "dy", dz, factor));
    let (dscaled, dtheta) = backward(s, "dscaled", scaled, theta, [dy, dslope], 4, 2.0);
    let dx = elementwise::scale(s, "dx", dscaled, 1.7);
    case.claim(z, dz, &[(x, dx), (theta, dtheta)]);
    case
}

/// The ends of the interval, their neighbours inside and outside, and its middle, which is a knot.
fn ends() -> Case {
    let mut case = Case::new("ends");
    let inside = 2.0 - 2f64.powi(-22);
    let numbers = vec![-1e6, -2.0, -inside, -1e-30, 0.0, 1.0, inside, 2.0, 1e6];
    case.sums_of(30);
    let x = case.input([numbers.len()], Fill::Numbers(numbers.clone()));
    let theta = case.input([numbers.len(), width(2)], Fill::Numbers(vec![0.0; numbers.len() * width(2)]));
    let [dy, dslope] = [(); 2].map(|()| case.input([numbers.len()], Fill::OffZero));
    let s = &mut case.schedule;
    let (y, _) = forward(s, "y", x, theta, 2, 2.0);
    backward(s, "dx", x, theta, [dy, dslope], 2, 2.0);
    inverse(s, "inverse", y, theta, 2, 2.0);
    case
}

/// NaN among widths, heights and slopes, which the inverse keeps.
fn not_numbers() -> Case {
    let mut case = Case::new("NaN in theta");
    let row = [0.1, -0.2, 0.3, -0.1, 0.2, 0.1, 0.4, -0.3];
    let broken = [&[1][..], &[3], &[6, 7], &[]];
    let theta = broken.iter().flat_map(|places| {
        let value = |(at, &x): (usize, &f64)| if places.contains(&at) { f64::NAN } else { x };
        row.iter().enumerate().map(value).collect::<Vec<_>>()
    });
    let theta: Vec<f64> = theta.collect();
    let y = case.input([4], Fill::Numbers(vec![0.3, -0.5, 0.2, 0.9]));
    let theta = case.input([4, width(3)], Fill::Numbers(theta));
    inverse(&mut case.schedule, "inverse", y, theta, 3, 1.0);
    case
}

/// One number of theta far from the others, which makes all other bins as small as they may be, or a slope so.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    case.sums_of(TERMS);
    let mut theta = Vec::new();
    let of_row = |far: Option<(usize, f64)>| {
        let mut row = vec![0.1, -0.2, 0.3, -0.1, 0.2, 0.1, 0.4, -0.3];
        far.iter().for_each(|&(at, value)| row[at] = value);
        row
    };
    for far in [None, Some((0, 90.0)), Some((4, 1e4)), Some((5, -90.0)), Some((7, -1e4)), Some((6, 40.0))] {
        theta.extend(of_row(far));
    }
    let x = case.input([6], Fill::Numbers(vec![0.3, -0.5, 0.2, 0.9, -0.8, -0.6]));
    let theta = case.input([6, width(3)], Fill::Numbers(theta));
    let [dy, dslope] = [(); 2].map(|()| case.input([6], Fill::OffZero));
    let s = &mut case.schedule;
    forward(s, "y", x, theta, 3, 1.0);
    backward(s, "dx", x, theta, [dy, dslope], 3, 1.0);
    // Of other values: where a spline is flat, those of f32 are too few to return from.
    inverse(s, "inverse", x, theta, 3, 1.0);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} numbers"));
    case.sums_of(TERMS);
    let bins = *BINS.start();
    let x = case.input([rows], Fill::Uniform(-1.1, 1.1));
    let theta = case.input([rows, width(bins)], Fill::Uniform(-0.5, 0.5));
    let s = &mut case.schedule;
    let (y, log_slope) = forward(s, "y", x, theta, bins, 1.0);
    backward(s, "dx", x, theta, [y, log_slope], bins, 1.0);
    inverse(s, "inverse", y, theta, bins, 1.0);
    case
}
