//! The losses of GANs on scores d, and dd = weight · ∂loss/∂d.

use crate::ops::gan_loss::{GanLoss, GanLossParams};
use crate::reference::activation::sigmoid;
use crate::{Args, Element};
use rayon::prelude::*;

/// The loss with this code; `None` if there is none.
fn decode(code: u32) -> Option<GanLoss> {
    GanLoss::ALL.iter().copied().find(|loss| loss.code() == code)
}

/// The loss of score r and its slope, by [`GanLoss::code`]; NaN for an unknown code.
fn loss_and_slope<E: Element>(p: &GanLossParams, r: usize, d: E) -> (E, E) {
    let (generator, real) = (p.role == 1, r < p.real as usize);
    let t = match (generator, real) {
        (true, _) => E::one(),
        (false, true) => E::one() - E::of(p.smoothing),
        (false, false) => E::zero(),
    };
    let side = if generator || real { E::one() } else { -E::one() };
    let Some(loss) = decode(p.kind) else { return (E::nan(), E::nan()) };
    match loss {
        GanLoss::NonSaturating => (d.max(E::zero()) - t * d + (-d.abs()).exponential().log_one_plus(), sigmoid(d) - t),
        GanLoss::LeastSquares => (E::of(0.5) * (d - t) * (d - t), d - t),
        GanLoss::Hinge if !generator && side * d >= E::one() => (E::zero(), E::zero()),
        GanLoss::Hinge if !generator => (E::one() - side * d, -side),
        GanLoss::Hinge | GanLoss::Wasserstein => (-side * d, -side),
    }
}

/// `rows[r]` = the loss of `d[r]`
pub fn gan_loss<E: Element>(args: &mut Args<'_, E>) {
    let p: GanLossParams = args.params();
    let (d, rows) = (args.read("d"), args.write("rows"));
    rows.par_iter_mut().zip(d).enumerate().for_each(|(r, (row, &d))| *row = loss_and_slope(&p, r, d).0);
}

/// The same, dd = weight · slope, and score = σ(d) for the non-saturating and the hinge loss, d for the others
pub fn gan_loss_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: GanLossParams = args.params();
    let (d, dd, score) = (args.read("d"), args.write("dd"), args.write("score"));
    gan_loss(args);
    dd.par_iter_mut().zip(d).enumerate().for_each(|(r, (dd, &d))| {
        *dd = E::of(p.weight) * loss_and_slope(&p, r, d).1;
    });
    let loss = decode(p.kind);
    score.par_iter_mut().zip(d).for_each(|(score, &d)| {
        *score = match loss {
            Some(GanLoss::NonSaturating | GanLoss::Hinge) => sigmoid(d),
            Some(GanLoss::LeastSquares | GanLoss::Wasserstein) => d,
            None => E::nan(),
        };
    });
}
