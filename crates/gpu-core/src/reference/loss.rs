//! rows = scale · Σ l(x, t) + offset, and dx = slope · ∂l/∂x.

use crate::ops::loss::{Kind, LossParams};
use crate::{Args, Element};
use rayon::prelude::*;

/// l and ∂l/∂x, by [`Kind::code`]; NaN for an unknown code.
#[inline]
fn loss_and_slope<E: Element>(kind: u32, x: E, t: E) -> (E, E) {
    let Some(kind) = Kind::decode(kind) else { return (E::nan(), E::nan()) };
    match kind {
        Kind::Bernoulli => {
            // Both the logarithm and σ(x) are computed from e^−|x|, which cannot overflow.
            let small = (-x.abs()).exp();
            let sigmoid = if x >= E::zero() { E::one() } else { small } / (E::one() + small);
            (x.max(E::zero()) - x * t + small.ln_1p(), sigmoid - t)
        }
        Kind::Squared => ((x - t) * (x - t), E::of(2.0) * (x - t)),
        Kind::Absolute if x == t => (E::zero(), E::zero()),
        Kind::Absolute => ((x - t).abs(), (x - t).signum()),
    }
}

/// `rows[r]` = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset
pub fn loss<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows) = (args.read("x"), args.read("t"), args.write("rows"));
    rows.par_iter_mut().enumerate().for_each(|(r, row)| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        let sum: f64 = x.iter().zip(t).map(|(&x, &t)| loss_and_slope(p.kind, x, t).0.wide()).sum();
        *row = E::of(f64::from(p.scale) * sum + f64::from(p.offset));
    });
}

/// The same, and dx[r, j] = slope · ∂l/∂x
pub fn loss_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows, dx) = (args.read("x"), args.read("t"), args.write("rows"), args.write("dx"));
    rows.par_iter_mut().zip(dx.par_chunks_mut(n)).enumerate().for_each(|(r, (row, dx))| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        let mut sum = 0.0;
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            let (l, slope) = loss_and_slope(p.kind, x, t);
            sum += l.wide();
            *dx = E::of(p.slope) * slope;
        }
        *row = E::of(f64::from(p.scale) * sum + f64::from(p.offset));
    });
}
