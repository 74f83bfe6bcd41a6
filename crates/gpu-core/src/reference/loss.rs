//! rows = scale · Σ l(x, t) + offset, and dx = slope · ∂l/∂x.

use crate::Args;
use crate::ops::loss::{Kind, LossParams};
use rayon::prelude::*;

/// l and ∂l/∂x, by [`Kind::code`]; NaN for an unknown code.
fn loss_and_slope(kind: u32, x: f64, t: f64) -> (f64, f64) {
    let Some(kind) = Kind::decode(kind) else { return (f64::NAN, f64::NAN) };
    match kind {
        Kind::Bernoulli => {
            // Both the logarithm and σ(x) are computed from e^−|x|, which cannot overflow.
            let small = (-x.abs()).exp();
            let sigmoid = if x >= 0.0 { 1.0 } else { small } / (1.0 + small);
            (x.max(0.0) - x * t + small.ln_1p(), sigmoid - t)
        }
        Kind::Squared => ((x - t) * (x - t), 2.0 * (x - t)),
        Kind::Absolute if x == t => (0.0, 0.0),
        Kind::Absolute => ((x - t).abs(), (x - t).signum()),
    }
}

/// `rows[r]` = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset
pub fn loss(args: &mut Args<'_>) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows) = (args.read("x"), args.read("t"), args.write("rows"));
    rows.par_iter_mut().enumerate().for_each(|(r, row)| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        let sum: f64 = x.iter().zip(t).map(|(&x, &t)| loss_and_slope(p.kind, x, t).0).sum();
        *row = f64::from(p.scale) * sum + f64::from(p.offset);
    });
}

/// The same, and dx[r, j] = slope · ∂l/∂x
pub fn loss_with_gradient(args: &mut Args<'_>) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows, dx) = (args.read("x"), args.read("t"), args.write("rows"), args.write("dx"));
    rows.par_iter_mut().zip(dx.par_chunks_mut(n)).enumerate().for_each(|(r, (row, dx))| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        let mut sum = 0.0;
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            let (l, slope) = loss_and_slope(p.kind, x, t);
            sum += l;
            *dx = f64::from(p.slope) * slope;
        }
        *row = f64::from(p.scale) * sum + f64::from(p.offset);
    });
}
