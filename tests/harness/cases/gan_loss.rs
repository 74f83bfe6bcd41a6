//! Every loss in every role, alone and with its gradient.

use crate::{Case, Fill};
use gpu_core::ops::gan_loss::{
    GAN_LOSS, GAN_LOSS_WITH_GRADIENT, GanLoss, GanLossParams, Loss, Role, forward, with_gradient,
};
use gpu_core::{Grid, MAX_GROUPS};

const SIZES: [usize; 6] = [1, 3, 63, 64, 65, 257];
const WEIGHT: f32 = 0.375;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &kind in GanLoss::ALL {
        let smoothings: &[f32] = if kind.has_labels() { &[0.0, 0.1] } else { &[0.0] };
        for &label_smoothing in smoothings {
            let loss = Loss { kind, label_smoothing };
            cases.extend(SIZES.map(|m| differentiated(loss, Role::RealThenFake(m / 3), m)));
            cases.extend([Role::Real, Role::Fake, Role::Generator].map(|role| differentiated(loss, role, 67)));
        }
    }
    cases.push(extremes());
    cases.push(folded());
    cases.push(unknown());
    cases
}

/// Scores on both sides of the hinges at ±1, at least 0.02 away from them.
fn scores(m: usize) -> Fill {
    Fill::Numbers((0..m).map(|i| 0.08 * ((37 * i + 11) % 101) as f64 - 3.98).collect())
}

/// Both kernels; the upstream gradient of the second is its constant weight.
fn differentiated(loss: Loss, role: Role, m: usize) -> Case {
    let mut case = Case::new(format!("{loss:?} of {m}, {role:?}"));
    let d = case.input([m, 1], scores(m));
    let dy = case.input([m], Fill::Numbers(vec![WEIGHT.into(); m]));
    case.sums_of(3);
    let alone = forward(&mut case.schedule, "rows", d, role, loss);
    let (rows, dd, _) = with_gradient(&mut case.schedule, "both", d, role, loss, WEIGHT);
    case.claim(alone, dy, &[(d, dd)]);
    case.claim(rows, dy, &[(d, dd)]);
    case
}

/// Large scores, where an unprotected exp overflows, and scores on the hinges. No derivative can be checked there.
fn extremes() -> Case {
    let far = vec![-1e30, -300.0, -90.0, -1.0, 0.0, 1.0, 90.0, 300.0, 1e30];
    let mut case = Case::new("extremes");
    let d = case.input([9], Fill::Numbers(far));
    for (kind, label_smoothing) in [(GanLoss::NonSaturating, 0.25), (GanLoss::Hinge, 0.0), (GanLoss::Wasserstein, 0.0)]
    {
        for role in [Role::Real, Role::Fake, Role::Generator] {
            let loss = Loss { kind, label_smoothing };
            with_gradient(&mut case.schedule, &format!("{kind:?}.{role:?}"), d, role, loss, WEIGHT);
        }
    }
    case
}

fn folded() -> Case {
    let m = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {m}"));
    let d = case.input([m], Fill::Uniform(-4.0, 4.0));
    let loss = Loss { kind: GanLoss::LeastSquares, label_smoothing: 0.1 };
    case.sums_of(3);
    forward(&mut case.schedule, "rows", d, Role::Generator, loss);
    with_gradient(&mut case.schedule, "both", d, Role::RealThenFake(m - 50), loss, WEIGHT);
    case
}

/// A code that no loss has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown loss");
    let d = case.input([5], scores(5));
    let s = &mut case.schedule;
    let [alone, rows, dd, score] = [[5]; 4].map(|shape| s.scratch(shape));
    let kind = GanLoss::ALL.len() as u32;
    let params = GanLossParams { m: 5, real: 2, kind, role: 0, smoothing: 0.1, weight: WEIGHT };
    s.push(&GAN_LOSS, "rows", &[d, alone], &params, Grid::Linear(1), 0);
    s.push(&GAN_LOSS_WITH_GRADIENT, "both", &[d, rows, dd, score], &params, Grid::Linear(1), 0);
    case
}
