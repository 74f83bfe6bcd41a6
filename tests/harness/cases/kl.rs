//! The divergence of rows and of units, and its derivative, bounded or not, added to an existing gradient.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::kl::{backward, backward_free, backward_held, forward, units};

/// Rows and latent dimensions, around the workgroups of both kernels.
const SIZES: [[usize; 2]; 8] = [[1, 1], [3, 7], [128, 1], [5, 20], [257, 2], [2, 63], [2, 64], [2, 65]];
/// Learning rate, two bias corrections, and the weight of the divergence.
const RATES: [f64; 4] = [0.001, 0.1, 0.2, 0.625];
const WEIGHT: f64 = 0.75;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| differentiated(size)).collect();
    cases.extend(SIZES.iter().flat_map(|&size| [free(size), held(size)]));
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

/// Units whose divergences alternate between 0.003 and more than 0.7, with the bound between them, so that no unit
/// comes near it while its gradient is differenced.
fn free([m, latent]: [usize; 2]) -> Case {
    const FREE: f32 = 0.25;
    let mut case = Case::new(format!("free bits, {m} rows of {latent}"));
    let wide = |i: usize| (i % latent).is_multiple_of(2);
    let head = |i: usize| {
        let wave = (i as f64).sin();
        if wide(i) { 1.2 + 0.5 * wave } else { 0.05 * wave }
    };
    let heads = case.input([m, 2 * latent], Fill::Numbers((0..2 * m * latent).map(head).collect()));
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let weight = RATES[3] * WEIGHT * m as f64;
    let dy = case.input([latent], Fill::Numbers((0..latent).map(|l| if wide(l) { weight } else { 0.0 }).collect()));
    let dheads = case.input([m, 2 * latent], Fill::OffZero);
    case.sums_of(m);
    let means = units(&mut case.schedule, "units", heads);
    backward_free(&mut case.schedule, "dheads", heads, rates, means, WEIGHT as f32, FREE, dheads);
    case.claim(means, dy, &[(heads, dheads)]);
    case
}

/// Rows whose divergences alternate between far above and far below the capacity.
fn held([m, latent]: [usize; 2]) -> Case {
    const CAPACITY: f64 = 0.4;
    let mut case = Case::new(format!("held to a capacity, {m} rows of {latent}"));
    let above = |r: usize| r.is_multiple_of(2);
    let head = |i: usize| {
        let wave = (i as f64).sin();
        if above(i / (2 * latent)) { 1.2 + 0.5 * wave } else { 0.05 * wave }
    };
    let heads = case.input([m, 2 * latent], Fill::Numbers((0..2 * m * latent).map(head).collect()));
    let rates = case.input([4], Fill::Numbers([RATES[0], RATES[1], RATES[2], CAPACITY].into()));
    let dy = case.input([m], Fill::Numbers((0..m).map(|r| if above(r) { WEIGHT } else { -WEIGHT }).collect()));
    let dheads = case.input([m, 2 * latent], Fill::OffZero);
    case.sums_of(latent);
    let rows = forward(&mut case.schedule, "rows", heads);
    backward_held(&mut case.schedule, "dheads", heads, rates, rows, WEIGHT as f32, dheads);
    case.claim(rows, dy, &[(heads, dheads)]);
    case
}

/// Log variances up to the range of exp, and beyond 80, where it is clamped. No derivative can be checked there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let logvars = [-1e4, -300.0, -90.0, 0.0, 1e-4, 60.0];
    let heads = case.input([6, 2], Fill::Numbers(logvars.iter().flat_map(|&logvar| [0.5, logvar]).collect()));
    let rates = case.input([4], Fill::Numbers(RATES.into()));
    let dheads = case.input([6, 2], Fill::OffZero);
    // exp(x) may have an error of 3 + 2 |x| units in the last place.
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
