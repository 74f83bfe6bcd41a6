//! Every penalty of gradients shorter and longer than one, of zero, and of an unknown kind.

use crate::{Case, Fill};
use gpu_core::ops::gradient_penalty::{GRADIENT_PENALTY, Kind, PenaltyParams, with_gradient};
use gpu_core::{Grid, MAX_GROUPS};

const WEIGHT: f32 = 0.375;
const GAMMA: f32 = 2.5;
const SIZES: [[usize; 2]; 6] = [[1, 1], [3, 7], [2, 255], [3, 256], [1, 257], [2, 784]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        Kind::ALL.iter().flat_map(|&kind| SIZES.map(|size| differentiated(kind, size))).collect();
    cases.extend(Kind::ALL.iter().map(|&kind| zero(kind)));
    cases.push(folded());
    cases.push(unknown());
    cases
}

/// The upstream gradient is the constant weight.
fn differentiated(kind: Kind, [m, n]: [usize; 2]) -> Case {
    let mut case = Case::new(format!("{kind:?} of {m}×{n}"));
    let g = case.input([m, n], Fill::OffZero);
    let dy = case.input([m], Fill::Numbers(vec![WEIGHT.into(); m]));
    case.sums_of(n);
    let (rows, u) = with_gradient(&mut case.schedule, "penalty", g, kind, GAMMA, WEIGHT);
    case.claim(rows, dy, &[(g, u)]);
    case
}

/// A gradient of zero beside one of length one. No derivative can be checked there.
fn zero(kind: Kind) -> Case {
    let mut case = Case::new(format!("{kind:?} of zero and of one"));
    let g = case.input([2, 2], Fill::Numbers(vec![0.0, 0.0, 0.6, -0.8]));
    with_gradient(&mut case.schedule, "penalty", g, kind, GAMMA, WEIGHT);
    case
}

fn folded() -> Case {
    let (m, n) = (MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, {m}×{n}"));
    let g = case.input([m, n], Fill::OffZero);
    case.sums_of(n);
    with_gradient(&mut case.schedule, "penalty", g, Kind::UnitNorm, GAMMA, WEIGHT);
    case
}

/// A code that no kind has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown kind");
    let g = case.input([2, 5], Fill::OffZero);
    let s = &mut case.schedule;
    let (rows, u) = (s.scratch([2]), s.scratch(g.shape));
    let params = PenaltyParams { m: 2, n: 5, kind: Kind::ALL.len() as u32, gamma: GAMMA, slope: WEIGHT };
    s.push(&GRADIENT_PENALTY, "penalty", &[g, rows, u], &params, Grid::Linear(2), 0);
    case
}
