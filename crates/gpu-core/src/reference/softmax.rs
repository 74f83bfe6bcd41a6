//! log Σ exp(x) and exp(x) / Σ exp(x) over rows.

use crate::ops::softmax::SoftmaxParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// max x, and Σ exp(x − max x)
pub(super) fn top_and_sum<E: Element>(x: &[E]) -> (E, f64) {
    let top = x.iter().copied().fold(E::neg_infinity(), E::max);
    (top, x.iter().map(|&x| (x - top).exponential().wide()).sum())
}

/// `y[r]` = log Σ_j exp(x[r, j])
pub fn logsumexp<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_iter_mut().zip(x.par_chunks(p.n as usize)).for_each(|(y, x)| {
        let (top, sum) = top_and_sum(x);
        *y = E::of(top.wide() + sum.ln());
    });
}

/// y = exp(x) / Σ_j exp(x[r, j])
pub fn softmax<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(n).zip(x.par_chunks(n)).for_each(|(y, x)| {
        let (top, sum) = top_and_sum(x);
        let sum = E::of(sum);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (x - top).exponential() / sum;
        }
    });
}

/// dx[r, j] = `dy[r]` exp(x[r, j] − `log_sum[r]`)
pub fn logsumexp_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (x, dy, log_sum, dx) = (args.read("x"), args.read("dy"), args.read("log_sum"), args.write("dx"));
    dx.par_iter_mut().zip(x).enumerate().for_each(|(i, (dx, &x))| {
        *dx = dy[i / n] * (x - log_sum[i / n]).exponential();
    });
}

/// dx = prob (dy − Σ_j dy[r, j] prob[r, j])
pub fn softmax_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SoftmaxParams = args.params();
    let n = p.n as usize;
    let (prob, dy, dx) = (args.read("prob"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(n).zip(prob.par_chunks(n)).zip(dy.par_chunks(n)).for_each(|((dx, prob), dy)| {
        let mean = E::of(prob.iter().zip(dy).map(|(&prob, &dy)| (prob * dy).wide()).sum::<f64>());
        for ((dx, &prob), &dy) in dx.iter_mut().zip(prob).zip(dy) {
            *dx = prob * (dy - mean);
        }
    });
}
