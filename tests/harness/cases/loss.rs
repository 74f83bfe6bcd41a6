//! Every loss, with and without its gradient, with targets shared by several rows.

use crate::{Case, Fill};
use gpu_core::ops::loss::{Kind, LOSS, LOSS_WITH_GRADIENT, Loss, LossParams, forward, with_gradient};
use gpu_core::{Grid, MAX_GROUPS};

const WEIGHT: f32 = 0.375;
/// Rows of the target, rows of x per row, and columns.
const SIZES: [[usize; 3]; 7] = [[1, 1, 1], [3, 1, 7], [2, 3, 255], [3, 1, 256], [1, 4, 257], [2, 2, 784], [67, 2, 2]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        Kind::ALL.iter().flat_map(|&kind| SIZES.map(|size| differentiated(kind, size))).collect();
    cases.push(extremes());
    cases.push(folded());
    cases.push(unknown());
    cases
}

fn scaled(kind: Kind) -> Loss {
    Loss { kind, scale: 0.75, offset: -1.25 }
}

/// Both kernels; the upstream gradient of the second is its constant weight.
fn differentiated(kind: Kind, [targets, repeat, n]: [usize; 3]) -> Case {
    let m = targets * repeat;
    let mut case = Case::new(format!("{kind:?} of {m}×{n}, {repeat} to a target"));
    let x = case.input([m, n], Fill::Uniform(-4.0, 4.0));
    let t = case.input([targets, n], Fill::Uniform(0.0, 1.0));
    let dy = case.input([m], Fill::Numbers(vec![WEIGHT.into(); m]));
    case.sums_of(n);
    let alone = forward(&mut case.schedule, "rows", x, t, scaled(kind));
    let (rows, dx) = with_gradient(&mut case.schedule, "both", x, t, scaled(kind), WEIGHT);
    case.claim(alone, dy, &[(x, dx)]);
    case.claim(rows, dy, &[(x, dx)]);
    case
}

/// Large logits, where an unprotected exp overflows; targets at their bounds; x = t. No derivative can be checked
/// there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = case.input([8, 1], Fill::Numbers(vec![-1e30, -300.0, -90.0, 0.0, 1.0, 90.0, 300.0, 1e30]));
    for (name, t) in [("zeros", 0.0), ("ones", 1.0)] {
        let t = case.input([1, 1], Fill::Numbers(vec![t]));
        for kind in [Kind::Bernoulli, Kind::Absolute] {
            with_gradient(&mut case.schedule, &format!("{kind:?}.{name}"), x, t, scaled(kind), WEIGHT);
        }
    }
    case
}

fn folded() -> Case {
    let (m, n) = (MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, {m}×{n}"));
    let x = case.input([m, n], Fill::Uniform(-4.0, 4.0));
    let t = case.input([1, n], Fill::Uniform(0.0, 1.0));
    case.sums_of(n);
    forward(&mut case.schedule, "rows", x, t, scaled(Kind::Bernoulli));
    with_gradient(&mut case.schedule, "both", x, t, scaled(Kind::Bernoulli), WEIGHT);
    case
}

/// A code that no kind has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown kind");
    let (x, t) = (case.input([2, 5], Fill::OffZero), case.input([2, 5], Fill::OffZero));
    let s = &mut case.schedule;
    let (alone, rows, dx) = (s.scratch([2]), s.scratch([2]), s.scratch(x.shape));
    let kind = Kind::ALL.len() as u32;
    let params = LossParams { m: 2, n: 5, repeat: 1, kind, scale: 0.75, offset: -1.25, slope: WEIGHT };
    s.push(&LOSS, "rows", &[x, t, alone], &params, Grid::Linear(2), 0);
    s.push(&LOSS_WITH_GRADIENT, "both", &[x, t, rows, dx], &params, Grid::Linear(2), 0);
    case
}
