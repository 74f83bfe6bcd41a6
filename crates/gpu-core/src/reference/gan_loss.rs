//! The losses of GANs on scores d, and dd = weight · ∂loss/∂d.

use crate::Args;
use crate::ops::gan_loss::{GanLoss, GanLossParams};
use crate::reference::activation::sigmoid;
use rayon::prelude::*;

/// The loss with this code; `None` if there is none.
fn decode(code: u32) -> Option<GanLoss> {
    GanLoss::ALL.iter().copied().find(|loss| loss.code() == code)
}

/// The loss of score r and its slope, by [`GanLoss::code`]; NaN for an unknown code.
fn loss_and_slope(p: &GanLossParams, r: usize, d: f64) -> (f64, f64) {
    let (generator, real) = (p.role == 1, r < p.real as usize);
    let t = match (generator, real) {
        (true, _) => 1.0,
        (false, true) => 1.0 - f64::from(p.smoothing),
        (false, false) => 0.0,
    };
    let side = if generator || real { 1.0 } else { -1.0 };
    let Some(loss) = decode(p.kind) else { return (f64::NAN, f64::NAN) };
    match loss {
        GanLoss::NonSaturating => (d.max(0.0) - t * d + (-d.abs()).exp().ln_1p(), sigmoid(d) - t),
        GanLoss::LeastSquares => (0.5 * (d - t) * (d - t), d - t),
        GanLoss::Hinge if !generator && side * d >= 1.0 => (0.0, 0.0),
        GanLoss::Hinge if !generator => (1.0 - side * d, -side),
        GanLoss::Hinge | GanLoss::Wasserstein => (-side * d, -side),
    }
}

/// `rows[r]` = the loss of `d[r]`
pub fn gan_loss(args: &mut Args<'_>) {
    let p: GanLossParams = args.params();
    let (d, rows) = (args.read("d"), args.write("rows"));
    rows.par_iter_mut().zip(d).enumerate().for_each(|(r, (row, &d))| *row = loss_and_slope(&p, r, d).0);
}

/// The same, dd = weight · slope, and score = σ(d) for the non-saturating and the hinge loss, d for the others
pub fn gan_loss_with_gradient(args: &mut Args<'_>) {
    let p: GanLossParams = args.params();
    let (d, dd, score) = (args.read("d"), args.write("dd"), args.write("score"));
    gan_loss(args);
    dd.par_iter_mut().zip(d).enumerate().for_each(|(r, (dd, &d))| {
        *dd = f64::from(p.weight) * loss_and_slope(&p, r, d).1;
    });
    let loss = decode(p.kind);
    score.par_iter_mut().zip(d).for_each(|(score, &d)| {
        *score = match loss {
            Some(GanLoss::NonSaturating | GanLoss::Hinge) => sigmoid(d),
            Some(GanLoss::LeastSquares | GanLoss::Wasserstein) => d,
            None => f64::NAN,
        };
    });
}
