//! One and several draws per row with their derivatives; extremes; and a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::reparameterise::{backward, forward};

pub(crate) fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1), (1, 1, 5), (3, 7, 1), (7, 3, 4), (1, 63, 1), (1, 64, 2), (5, 13, 1), (2, 20, 3)];
    let mut cases: Vec<Case> = sizes.map(|(m, latent, repeat)| differentiated(m, latent, repeat)).into();
    cases.push(extremes());
    cases.push(folded());
    cases
}

fn differentiated(m: usize, latent: usize, repeat: usize) -> Case {
    let mut case = Case::new(format!("{m} rows of {latent}, {repeat} draws each"));
    let heads = case.input([m, 2 * latent], Fill::Uniform(-2.0, 2.0));
    let eps = case.input([m * repeat, latent], Fill::Uniform(-2.0, 2.0));
    let dz = case.input([m * repeat, latent], Fill::OffZero);
    case.sums_of(repeat);
    let z = forward(&mut case.schedule, "z", heads, eps);
    let dheads = backward(&mut case.schedule, "dheads", heads, eps, dz);
    case.claim(z, dz, &[(heads, dheads)]);
    case
}

/// At the clamp and beyond it, on both sides. No derivative can be checked there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let logvar = [-1e30, -300.0, -80.0, 80.0, 300.0, 1e30];
    let heads = case.input([6, 2], Fill::Numbers(logvar.iter().flat_map(|&logvar| [0.25, logvar]).collect()));
    let eps = case.input([6, 1], Fill::OffZero);
    let dz = case.input([6, 1], Fill::OffZero);
    // The device computes e⁴⁰ as 2^57.7, for which Vulkan allows an error of 3 + 2 · 40 units in the last place.
    case.tolerance *= 11.0;
    forward(&mut case.schedule, "z", heads, eps);
    backward(&mut case.schedule, "dheads", heads, eps, dz);
    case
}

fn folded() -> Case {
    let (m, latent) = (MAX_GROUPS as usize * 64 / 101 + 1, 101);
    let mut case = Case::new(format!("folded grid, {m} rows of {latent}"));
    let heads = case.input([m, 2 * latent], Fill::Uniform(-1.0, 1.0));
    let eps = case.input([m, latent], Fill::Uniform(-1.0, 1.0));
    forward(&mut case.schedule, "z", heads, eps);
    backward(&mut case.schedule, "dheads", heads, eps, eps);
    case
}
