//! y = alpha a + beta b, y = a ⊙ b, and sum += term.

use crate::ops::elementwise::CombineParams;
use crate::reference::{BLOCK, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// y = alpha a + beta b
pub fn combine<E: Element>(args: &mut Args<'_, E>) {
    let p: CombineParams = args.params();
    let (alpha, beta) = (E::of(p.alpha), E::of(p.beta));
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    each_block(y, a, b, |a, b| alpha * a + beta * b);
}

/// y = a ⊙ b
pub fn multiply<E: Element>(args: &mut Args<'_, E>) {
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    each_block(y, a, b, |a, b| a * b);
}

/// y = f(a, b)
fn each_block<E: Element>(y: &mut [E], a: &[E], b: &[E], f: impl Fn(E, E) -> E + Sync) {
    y.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).zip(b.par_chunks(BLOCK)).for_each(|((y, a), b)| {
        vectorised(|| y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = f(a, b)));
    });
}

/// sum += term, term = 0
pub fn accumulate<E: Element>(args: &mut Args<'_, E>) {
    let (sum, term) = (args.write("sum"), args.write("term"));
    sum.par_iter_mut().zip(term).for_each(|(sum, term)| *sum += std::mem::take(term));
}
