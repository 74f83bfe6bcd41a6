//! Spectral normalisation with and without power iteration, around chunks of 64 rows and the size of a workgroup.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::spectral_norm::{SpectralNorm, backward, forward};

const SIZES: [[usize; 2]; 8] = [[1, 1], [3, 7], [5, 45], [63, 3], [64, 255], [65, 256], [2, 257], [131, 64]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&size| constant(size)).collect();
    cases.extend(SIZES.map(iterated));
    // More columns, and more rows, than the workgroup that normalises handles at once.
    cases.extend([[3, 1009], [1009, 3]].map(iterated));
    cases.extend([zero(), folded_rows(), folded_elements()]);
    cases
}

/// u and v stay constant, so the derivative that treats them as constants is complete. All numbers are positive, so
/// that σ is not near zero.
fn constant(size: [usize; 2]) -> Case {
    let [m, n] = size;
    let mut case = Case::new(format!("{m}×{n}, u and v constant"));
    let w = case.input(size, Fill::Uniform(0.1, 1.0));
    let (u, v) = (case.input([m], Fill::Uniform(0.2, 1.0)), case.input([n], Fill::Uniform(0.2, 1.0)));
    let (dy, dw) = (case.input(size, Fill::OffZero), case.input(size, Fill::Uniform(-1.0, 1.0)));
    case.sums_of(m * n);
    let (y, saved) = forward(&mut case.schedule, "y", w, &SpectralNorm { u, v }, false);
    backward(&mut case.schedule, "dw", &saved, dy, dw);
    case.claim(y, dy, &[(w, dw)]);
    case
}

/// Two iterations, as when a network is applied twice, and the backward pass of the first.
fn iterated(size: [usize; 2]) -> Case {
    let [m, n] = size;
    let mut case = Case::new(format!("{m}×{n}, two iterations"));
    let w = case.input(size, Fill::Uniform(-1.0, 1.0));
    let (u, v) = (case.input([m], Fill::OffZero), case.input([n], Fill::OffZero));
    let (dy, dw) = (case.input(size, Fill::OffZero), case.input(size, Fill::Uniform(-1.0, 1.0)));
    case.sums_of(m.max(n));
    let norm = SpectralNorm { u, v };
    let (_, first) = forward(&mut case.schedule, "first", w, &norm, true);
    forward(&mut case.schedule, "second", w, &norm, true);
    backward(&mut case.schedule, "dw", &first, dy, dw);
    case
}

/// A u that w maps to zero: the divisor is ε, and v is zero.
fn zero() -> Case {
    let mut case = Case::new("a vector without length");
    let w = case.input([2, 3], Fill::Numbers(vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]));
    let (u, v) = (case.input([2], Fill::Numbers(vec![1.0, -1.0])), case.input([3], Fill::OffZero));
    forward(&mut case.schedule, "y", w, &SpectralNorm { u, v }, true);
    case
}

fn folded_rows() -> Case {
    let m = MAX_GROUPS as usize + 78;
    let mut case = Case::new(format!("folded grid, {m}×2"));
    let w = case.input([m, 2], Fill::Uniform(-1.0, 1.0));
    let (u, v) = (case.input([m], Fill::OffZero), case.input([2], Fill::OffZero));
    case.sums_of(m);
    forward(&mut case.schedule, "y", w, &SpectralNorm { u, v }, true);
    case
}

fn folded_elements() -> Case {
    let (m, n) = (2, MAX_GROUPS as usize * 128 + 77);
    let mut case = Case::new(format!("folded grid, {m}×{n}"));
    let w = case.input([m, n], Fill::Uniform(0.1, 1.0));
    let (u, v) = (case.input([m], Fill::OffZero), case.input([n], Fill::Uniform(0.0, 1e-3)));
    case.sums_of(n);
    forward(&mut case.schedule, "y", w, &SpectralNorm { u, v }, false);
    case
}
