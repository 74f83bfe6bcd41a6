//! rows = scale · Σ l(x, t) + offset, and dx = slope · ∂l/∂x.

use crate::Args;
use crate::ops::loss::LossParams;
use crate::reference::activation::sigmoid;
use rayon::prelude::*;

/// l, by [`Kind::code`](crate::ops::loss::Kind::code).
fn l(kind: u32, x: f64, t: f64) -> f64 {
    match kind {
        0 => x.max(0.0) - x * t + (-x.abs()).exp().ln_1p(),
        1 => (x - t) * (x - t),
        2 => (x - t).abs(),
        _ => panic!("no loss has the code {kind}"),
    }
}

/// ∂l/∂x
fn l_slope(kind: u32, x: f64, t: f64) -> f64 {
    match kind {
        0 => sigmoid(x) - t,
        1 => 2.0 * (x - t),
        _ if x == t => 0.0,
        _ => (x - t).signum(),
    }
}

/// `rows[r]` = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset
pub fn loss(args: &mut Args<'_>) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows) = (args.read("x"), args.read("t"), args.write("rows"));
    rows.par_iter_mut().enumerate().for_each(|(r, row)| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        let sum: f64 = x.iter().zip(t).map(|(&x, &t)| l(p.kind, x, t)).sum();
        *row = f64::from(p.scale) * sum + f64::from(p.offset);
    });
}

/// The same, and dx[r, j] = slope · ∂l/∂x
pub fn loss_with_gradient(args: &mut Args<'_>) {
    let p: LossParams = args.params();
    let (x, t, dx) = (args.read("x"), args.read("t"), args.write("dx"));
    let n = p.n as usize;
    loss(args);
    dx.par_chunks_mut(n).zip(x.par_chunks(n)).enumerate().for_each(|(r, (dx, x))| {
        let t = &t[r / p.repeat as usize * n..][..n];
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            *dx = f64::from(p.slope) * l_slope(p.kind, x, t);
        }
    });
}
