//! log Σ exp(x) and exp(x) / Σ exp(x) over rows.

use crate::ops::softmax::SoftmaxParams;
use crate::reference::{block_of_rows, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// Numbers that are compared or added side by side.
const LANES: usize = 16;

/// max x
#[inline(always)]
pub(super) fn top<E: Element>(x: &[E]) -> E {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut tops = [E::neg_infinity(); LANES];
    for chunk in chunks {
        tops.iter_mut().zip(chunk).for_each(|(top, &x)| *top = top.max(x));
    }
    tops.iter().chain(rest).copied().fold(E::neg_infinity(), E::max)
}

/// Σ f(x)
#[inline(always)]
pub(super) fn sum<E: Element>(x: &[E], f: impl Fn(E) -> E) -> f64 {
    sum_of_pairs(x, x, |x, _| f(x))
}

/// Σ f(x, t)
#[inline(always)]
pub(super) fn sum_of_pairs<E: Element>(x: &[E], t: &[E], f: impl Fn(E, E) -> E) -> f64 {
    let ((x, rest_of_x), (t, rest_of_t)) = (x.as_chunks::<LANES>(), t.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (x, t) in x.iter().zip(t) {
        sums.iter_mut().zip(x.iter().zip(t)).for_each(|(sum, (&x, &t))| *sum += f(x, t).wide());
    }
    let rest = rest_of_x.iter().zip(rest_of_t).map(|(&x, &t)| f(x, t).wide());
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// `y[r]` = log Σ_j exp(x[r, j])
pub fn logsumexp<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let (x, y, n) = (args.read("x"), args.write("y"), p.n as usize);
    let block = block_of_rows(n);
    y.par_chunks_mut(block / n).zip(x.par_chunks(block)).for_each(|(y, x)| {
        vectorised(|| {
            for (y, x) in y.iter_mut().zip(x.chunks_exact(n)) {
                let top = top(x);
                *y = E::of(top.wide() + sum(x, |x| (x - top).exponential()).ln());
            }
        });
    });
}

/// y = exp(x) / Σ_j exp(x[r, j])
pub fn softmax<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (x, y, block) = (args.read("x"), args.write("y"), block_of_rows(n));
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        vectorised(|| {
            for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
                y.copy_from_slice(x);
                in_place(y);
            }
        });
    });
}

/// The softmax of one row.
#[inline(always)]
pub(super) fn in_place<E: Element>(x: &mut [E]) {
    let top = top(x);
    x.iter_mut().for_each(|x| *x = (*x - top).exponential());
    let sum = E::of(sum(x, |x| x));
    x.iter_mut().for_each(|x| *x /= sum);
}

/// dx[r, j] = `dy[r]` exp(x[r, j] − `log_sum[r]`)
pub fn logsumexp_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (x, dy, log_sum, dx) = (args.read("x"), args.read("dy"), args.read("log_sum"), args.write("dx"));
    let block = block_of_rows(n);
    let of_rows = dy.par_chunks(block / n).zip(log_sum.par_chunks(block / n));
    dx.par_chunks_mut(block).zip(x.par_chunks(block)).zip(of_rows).for_each(|((dx, x), (dy, log_sum))| {
        vectorised(|| {
            let rows = dx.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(dy.iter().zip(log_sum));
            for ((dx, x), (&dy, &log_sum)) in rows {
                dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = dy * (x - log_sum).exponential());
            }
        });
    });
}

/// dx = prob (dy − Σ_j dy[r, j] prob[r, j])
pub fn softmax_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (prob, dy, dx, block) = (args.read("prob"), args.read("dy"), args.write("dx"), block_of_rows(n));
    dx.par_chunks_mut(block).zip(prob.par_chunks(block)).zip(dy.par_chunks(block)).for_each(|((dx, prob), dy)| {
        vectorised(|| {
            for ((dx, prob), dy) in dx.chunks_exact_mut(n).zip(prob.chunks_exact(n)).zip(dy.chunks_exact(n)) {
                let mean = E::of(sum_of_pairs(prob, dy, |prob, dy| prob * dy));
                dx.iter_mut().zip(prob).zip(dy).for_each(|((dx, &prob), &dy)| *dx = prob * (dy - mean));
            }
        });
    });
}
