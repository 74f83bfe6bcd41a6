//! The divergence that a flow adds, and its derivatives by both ends and by the slope; a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::flow_divergence::{backward, forward};

/// Rows and columns, around the workgroups of both kernels.
const SIZES: [[usize; 2]; 7] = [[1, 1], [3, 7], [5, 20], [257, 2], [2, 63], [2, 64], [2, 129]];
/// Learning rate, two bias corrections, and the weight of the divergence.
const RATES: [f64; 4] = [0.001, 0.1, 0.2, 0.625];
const WEIGHT: f64 = 0.75;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| differentiated(size)).collect();
    cases.push(folded());
    cases
}

/// The upstream gradient of every row is the product of the two weights.
fn differentiated([m, d]: [usize; 2]) -> Case {
    let mut case = Case::new(format!("{m} rows of {d}"));
    case.sums_of(2 * d);
    let [z, z0] = [(); 2].map(|()| case.input([m, d], Fill::Uniform(-2.0, 2.0)));
    let log_slope = case.input([m], Fill::OffZero);
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let dy = case.input([m], Fill::Numbers(vec![RATES[3] * WEIGHT; m]));
    let s = &mut case.schedule;
    let rows = forward(s, "rows", [z, z0], log_slope);
    let [dz, dz0, dslope] = backward(s, "backward", [z, z0], rates, WEIGHT as f32, [m, 1]);
    backward(s, "wide", [z, z0], rates, WEIGHT as f32, [m, d]);
    case.claim(rows, dy, &[(z, dz), (z0, dz0), (log_slope, dslope)]);
    case
}

fn folded() -> Case {
    let m = MAX_GROUPS as usize + 78;
    let d = 256;
    let mut case = Case::new(format!("folded grid, {m} rows of {d}"));
    case.sums_of(2 * d);
    let [z, z0] = [(); 2].map(|()| case.input([m, d], Fill::Uniform(-2.0, 2.0)));
    let log_slope = case.input([m], Fill::OffZero);
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let s = &mut case.schedule;
    forward(s, "rows", [z, z0], log_slope);
    backward(s, "backward", [z, z0], rates, WEIGHT as f32, [m, 1]);
    case
}
