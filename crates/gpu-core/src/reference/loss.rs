//! rows = scale · Σ l(x, t) + offset, and dx = slope · ∂l/∂x.

use crate::ops::loss::{Kind, LossParams};
use crate::reference::vectorised;
use crate::{Args, Element};
use rayon::prelude::*;

/// log(1 + eˣ) − t x and its slope. Both the logarithm and σ(x) are computed from e^−|x|, which cannot overflow.
#[inline]
fn bernoulli<E: Element>(x: E, t: E) -> (E, E) {
    let small = (-x.abs()).exponential();
    let sigmoid = if x >= E::zero() { E::one() } else { small } / (E::one() + small);
    (x.max(E::zero()) - x * t + small.log_one_plus(), sigmoid - t)
}

/// (x − t)² and its slope
#[inline]
fn squared<E: Element>(x: E, t: E) -> (E, E) {
    ((x - t) * (x - t), E::of(2.0) * (x - t))
}

/// |x − t| and its slope
#[inline]
fn absolute<E: Element>(x: E, t: E) -> (E, E) {
    if x == t { (E::zero(), E::zero()) } else { ((x - t).abs(), (x - t).signum()) }
}

/// `rows[r]` = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset
pub fn loss<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    match Kind::decode(p.kind) {
        Some(Kind::Bernoulli) => sum_rows(args, bernoulli),
        Some(Kind::Squared) => sum_rows(args, squared),
        Some(Kind::Absolute) => sum_rows(args, absolute),
        None => sum_rows(args, |_, _| (E::nan(), E::nan())),
    }
}

/// The same, and dx[r, j] = slope · ∂l/∂x
pub fn loss_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    match Kind::decode(p.kind) {
        Some(Kind::Bernoulli) => sum_rows_with_gradient(args, bernoulli),
        Some(Kind::Squared) => sum_rows_with_gradient(args, squared),
        Some(Kind::Absolute) => sum_rows_with_gradient(args, absolute),
        None => sum_rows_with_gradient(args, |_, _| (E::nan(), E::nan())),
    }
}

fn sum_rows<E: Element>(args: &mut Args<'_, E>, loss_and_slope: impl Fn(E, E) -> (E, E) + Sync) {
    let p: LossParams = args.params();
    let n = p.n as usize;
    let (x, t, rows) = (args.read("x"), args.read("t"), args.write("rows"));
    rows.par_iter_mut().enumerate().for_each_init(Vec::new, |losses, (r, row)| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        losses.resize(n, E::zero());
        vectorised(|| losses.iter_mut().zip(x).zip(t).for_each(|((l, &x), &t)| *l = loss_and_slope(x, t).0));
        *row = sum(&p, losses);
    });
}

fn sum_rows_with_gradient<E: Element>(args: &mut Args<'_, E>, loss_and_slope: impl Fn(E, E) -> (E, E) + Sync) {
    let p: LossParams = args.params();
    let (n, scale) = (p.n as usize, E::of(p.slope));
    let (x, t, rows, dx) = (args.read("x"), args.read("t"), args.write("rows"), args.write("dx"));
    rows.par_iter_mut().zip(dx.par_chunks_mut(n)).enumerate().for_each_init(Vec::new, |losses, (r, (row, dx))| {
        let (x, t) = (&x[r * n..][..n], &t[r / p.repeat as usize * n..][..n]);
        losses.resize(n, E::zero());
        vectorised(|| {
            for (((l, dx), &x), &t) in losses.iter_mut().zip(dx).zip(x).zip(t) {
                let (loss, slope) = loss_and_slope(x, t);
                (*l, *dx) = (loss, scale * slope);
            }
        });
        *row = sum(&p, losses);
    });
}

/// scale · Σ losses + offset. The sum has an order and cannot use vectors, so it is a separate loop.
fn sum<E: Element>(p: &LossParams, losses: &[E]) -> E {
    E::of(f64::from(p.scale) * losses.iter().map(|l| l.wide()).sum::<f64>() + f64::from(p.offset))
}
