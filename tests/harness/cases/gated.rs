//! Gates with and without a bias, of rows that share one, and of sums so large that a gate is open or shut.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::elementwise;
use gpu_core::ops::gated::{backward, backward_bias, forward};

/// Rows of the bias, rows of x for each, and channels of y.
const SIZES: [[usize; 3]; 6] = [[1, 1, 1], [3, 5, 7], [2, 49, 13], [1, 64, 1], [5, 1, 65], [4, 3, 31]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for size in SIZES {
        cases.extend([true, false].map(|biased| differentiated(size, biased)));
    }
    cases.push(composed());
    cases.push(extremes());
    cases.push(folded());
    cases
}

fn differentiated([n, rows, c]: [usize; 3], biased: bool) -> Case {
    let mut case = Case::new(format!("{n}×{rows} rows of {c}{}", if biased { ", biased" } else { "" }));
    case.sums_of(rows.max(3)); // the slopes are products of three factors
    let x = case.input([n, rows, 2 * c], Fill::Uniform(-3.0, 3.0));
    let bias = case.input([n, 2 * c], Fill::Uniform(-2.0, 2.0));
    let dy = case.input([n, rows, c], Fill::OffZero);
    let given = biased.then_some(bias);
    let s = &mut case.schedule;
    let y = forward(s, "y", x, given);
    let dx = backward(s, "dx", x, given, dy);
    let dbias = backward_bias(s, "dbias", dx, n);
    let all = [(x, dx), (bias, dbias)];
    case.claim(y, dy, if biased { &all } else { &all[..1] });
    case
}

/// Between two products, so that neither x nor the upstream gradient is an input.
fn composed() -> Case {
    let mut case = Case::new("between two scalings");
    case.sums_of(12);
    let x = case.input([6, 10], Fill::Uniform(-2.0, 2.0));
    let bias = case.input([2, 10], Fill::Uniform(-1.0, 1.0));
    let dz = case.input([6, 5], Fill::OffZero);
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", x, 1.7);
    let y = forward(s, "y", scaled, Some(bias));
    let z = elementwise::scale(s, "z", y, -0.6);
    let dy = elementwise::scale(s, "dy", dz, -0.6);
    let dscaled = backward(s, "dscaled", scaled, Some(bias), dy);
    let dbias = backward_bias(s, "dbias", dscaled, 2);
    let dx = elementwise::scale(s, "dx", dscaled, 1.7);
    case.claim(z, dz, &[(x, dx), (bias, dbias)]);
    case
}

/// Sums beyond the range of exp.
fn extremes() -> Case {
    let sums = [-1e4, -200.0, -80.0, -1e-6, 0.0, 1e-6, 80.0, 1e4];
    let mut case = Case::new("extremes");
    let x: Vec<f64> = sums.iter().flat_map(|&a| sums.iter().flat_map(move |&b| [a, b])).collect();
    let x = case.input([x.len() / 2, 2], Fill::Numbers(x));
    let dy = case.input([x.shape.rows(), 1], Fill::OffZero);
    forward(&mut case.schedule, "y", x, None);
    backward(&mut case.schedule, "dx", x, None, dy);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    case.sums_of(3);
    let x = case.input([rows, 2], Fill::Uniform(-3.0, 3.0));
    let dy = case.input([rows, 1], Fill::OffZero);
    forward(&mut case.schedule, "y", x, None);
    let dx = backward(&mut case.schedule, "dx", x, None, dy);
    backward_bias(&mut case.schedule, "dbias", dx, rows);
    case
}
