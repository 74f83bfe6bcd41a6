//! Importance weights, with several samples per row of heads.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::log_weight::forward;

/// Rows of heads, samples per row, and latent dimensions.
const SIZES: [[usize; 3]; 6] = [[1, 1, 1], [3, 5, 7], [1, 255, 2], [256, 1, 3], [1, 257, 1], [4, 64, 20]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| weighed(size)).collect();
    cases.push(folded());
    cases
}

fn weighed([m, repeat, latent]: [usize; 3]) -> Case {
    let samples = m * repeat;
    let mut case = Case::new(format!("{m} rows, {repeat} samples of {latent}"));
    let recon = case.input([samples], Fill::Uniform(0.0, 5.0));
    let z = case.input([samples, latent], Fill::Uniform(-2.0, 2.0));
    let eps = case.input([samples, latent], Fill::Uniform(-2.0, 2.0));
    let heads = case.input([m, 2 * latent], Fill::Uniform(-2.0, 2.0));
    case.sums_of(3 * latent);
    forward(&mut case.schedule, "y", recon, z, eps, heads);
    case
}

fn folded() -> Case {
    let samples = MAX_GROUPS as usize * 256 + 77;
    let mut case = Case::new(format!("folded grid, {samples} samples"));
    let values = case.input([samples, 1], Fill::OffZero);
    let heads = case.input([1, 2], Fill::OffZero);
    forward(&mut case.schedule, "y", values.reshape([samples]), values, values, heads);
    case
}
