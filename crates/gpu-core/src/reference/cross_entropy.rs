//! logsumexp(x) − Σ t x over rows, where Σ t = 1; its gradient; and whether x and t have their maxima at one index.

use crate::ops::cross_entropy::CrossEntropyParams;
use crate::reference::softmax::{sum, sum_of_pairs, top};
use crate::reference::{block_of_rows, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// The index of the largest value, the first of equal ones
fn place_of_top<E: Element>(values: &[E]) -> usize {
    (1..values.len()).fold(0, |top, j| if values[j] > values[top] { j } else { top })
}

/// `rows[r]` = Σ_j t[r, j] (top − x[r, j]) + log Σ_j exp(x[r, j] − top)
pub fn cross_entropy<E: Element>(args: &mut Args<'_, E>) {
    let p: CrossEntropyParams = args.params();
    let k = p.k as usize;
    let (x, t, losses, block) = (args.read("x"), args.read("t"), args.write("rows"), block_of_rows(k));
    losses.par_chunks_mut(block / k).zip(x.par_chunks(block)).zip(t.par_chunks(block)).for_each(|((losses, x), t)| {
        vectorised(|| {
            for ((loss, x), t) in losses.iter_mut().zip(x.chunks_exact(k)).zip(t.chunks_exact(k)) {
                let top = top(x);
                *loss = E::of(short(x, t, top) + sum(x, |x| (x - top).exponential()).ln());
            }
        });
    });
}

/// Σ t (top − x)
#[inline(always)]
fn short<E: Element>(x: &[E], t: &[E], top: E) -> f64 {
    sum_of_pairs(x, t, |x, t| t * (top - x))
}

/// The same, and dx = weight · (exp(x) / Σ_j exp(x[r, j]) − t)
pub fn cross_entropy_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: CrossEntropyParams = args.params();
    let k = p.k as usize;
    let (x, t, losses, dx) = (args.read("x"), args.read("t"), args.write("rows"), args.write("dx"));
    let (weight, block) = (E::of(p.weight), block_of_rows(k));
    let given = x.par_chunks(block).zip(t.par_chunks(block));
    losses.par_chunks_mut(block / k).zip(dx.par_chunks_mut(block)).zip(given).for_each(|((losses, dx), (x, t))| {
        vectorised(|| {
            let given = x.chunks_exact(k).zip(t.chunks_exact(k));
            for ((loss, dx), (x, t)) in losses.iter_mut().zip(dx.chunks_exact_mut(k)).zip(given) {
                let top = top(x);
                dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = (x - top).exponential());
                let sum = sum(dx, |exponential| exponential);
                *loss = E::of(short(x, t, top) + sum.ln());
                let sum = E::of(sum);
                dx.iter_mut().zip(t).for_each(|(dx, &t)| *dx = weight * (*dx / sum - t));
            }
        });
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
