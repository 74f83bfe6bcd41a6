//! logsumexp(x) − Σ t x over rows, where Σ t = 1; its gradient; and whether x and t have their maxima at one index.

use crate::ops::cross_entropy::CrossEntropyParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// max x, and Σ exp(x − max x)
fn top_and_sum<E: Element>(x: &[E]) -> (E, f64) {
    let top = x.iter().copied().fold(E::neg_infinity(), E::max);
    (top, x.iter().map(|&x| (x - top).exponential().wide()).sum())
}

/// The index of the largest value, the first of equal ones
fn place_of_top<E: Element>(values: &[E]) -> usize {
    (1..values.len()).fold(0, |top, j| if values[j] > values[top] { j } else { top })
}

/// `rows[r]` = Σ_j t[r, j] (top − x[r, j]) + log Σ_j exp(x[r, j] − top)
pub fn cross_entropy<E: Element>(args: &mut Args<'_, E>) {
    let p: CrossEntropyParams = args.params();
    let k = p.k as usize;
    let (x, t, rows) = (args.read("x"), args.read("t"), args.write("rows"));
    rows.par_iter_mut().zip(x.par_chunks(k)).zip(t.par_chunks(k)).for_each(|((row, x), t)| {
        let (top, sum) = top_and_sum(x);
        let short: f64 = x.iter().zip(t).map(|(&x, &t)| (t * (top - x)).wide()).sum();
        *row = E::of(short + sum.ln());
    });
}

/// The same, and dx = weight · (exp(x) / Σ_j exp(x[r, j]) − t)
pub fn cross_entropy_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: CrossEntropyParams = args.params();
    let k = p.k as usize;
    let (x, t, dx) = (args.read("x"), args.read("t"), args.write("dx"));
    cross_entropy(args);
    dx.par_chunks_mut(k).zip(x.par_chunks(k)).zip(t.par_chunks(k)).for_each(|((dx, x), t)| {
        let (top, sum) = top_and_sum(x);
        let (weight, sum) = (E::of(p.weight), E::of(sum));
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            *dx = weight * ((x - top).exponential() / sum - t);
        }
    });
}

/// `wrong[r]` = 1 where the largest x[r, j] and the largest t[r, j] are at different j, otherwise 0
pub fn cross_entropy_errors<E: Element>(args: &mut Args<'_, E>) {
    let p: CrossEntropyParams = args.params();
    let k = p.k as usize;
    let (x, t, wrong) = (args.read("x"), args.read("t"), args.write("wrong"));
    wrong.par_iter_mut().zip(x.par_chunks(k)).zip(t.par_chunks(k)).for_each(|((wrong, x), t)| {
        *wrong = if place_of_top(x) == place_of_top(t) { E::zero() } else { E::one() };
    });
}
