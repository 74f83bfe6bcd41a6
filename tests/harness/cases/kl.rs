//! The divergence and its derivative, onto a gradient that was there before.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::kl::{backward, forward};

/// Rows and latent dimensions, around the workgroups of both kernels.
const SIZES: [[usize; 2]; 8] = [[1, 1], [3, 7], [128, 1], [5, 20], [257, 2], [2, 63], [2, 64], [2, 65]];
/// Learning rate, two corrections, and the weight of the divergence.
const RATES: [f64; 4] = [0.001, 0.1, 0.2, 0.625];
const WEIGHT: f64 = 0.75;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| differentiated(size)).collect();
    cases.push(extremes());
    cases.push(folded());
    cases
}

/// The upstream gradient of every row is the product of the two weights.
fn differentiated([m, latent]: [usize; 2]) -> Case {
    let mut case = Case::new(format!("{m} rows of {latent}"));
    let heads = case.input([m, 2 * latent], Fill::Uniform(-2.0, 2.0));
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let dy = case.input([m], Fill::Numbers(vec![RATES[3] * WEIGHT; m]));
    let dheads = case.input([m, 2 * latent], Fill::OffZero);
    case.sums_of(latent);
    let rows = forward(&mut case.schedule, "rows", heads);
    backward(&mut case.schedule, "dheads", heads, rates, WEIGHT as f32, dheads);
    case.claim(rows, dy, &[(heads, dheads)]);
    case
}

/// Log variances as far out as exp is finite; beyond 80 it is held. Nothing to difference there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let logvars = [-1e4, -300.0, -90.0, 0.0, 1e-4, 60.0];
    let heads = case.input([6, 2], Fill::Numbers(logvars.iter().flat_map(|&logvar| [0.5, logvar]).collect()));
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let dheads = case.input([6, 2], Fill::OffZero);
    // exp(x) may be wrong by 3 + 2 |x| units in the last place.
    case.sums_of(256);
    forward(&mut case.schedule, "rows", heads);
    backward(&mut case.schedule, "dheads", heads, rates, WEIGHT as f32, dheads);
    case
}

fn folded() -> Case {
    let (m, latent) = (MAX_GROUPS as usize + 78, 128);
    let mut case = Case::new(format!("folded grid, {m} rows of {latent}"));
    let heads = case.input([m, 2 * latent], Fill::Uniform(-2.0, 2.0));
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let dheads = case.input([m, 2 * latent], Fill::OffZero);
    case.sums_of(latent);
    forward(&mut case.schedule, "rows", heads);
    backward(&mut case.schedule, "dheads", heads, rates, WEIGHT as f32, dheads);
    case
}
