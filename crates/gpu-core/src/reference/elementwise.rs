//! y = alpha a + beta b, y = a ⊙ b, and sum += term.

use crate::Args;
use crate::ops::elementwise::CombineParams;
use rayon::prelude::*;

/// y = alpha a + beta b
pub fn combine(args: &mut Args<'_>) {
    let p: CombineParams = args.params();
    let (alpha, beta) = (f64::from(p.alpha), f64::from(p.beta));
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    y.par_iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = alpha * a + beta * b);
}

/// y = a ⊙ b
pub fn multiply(args: &mut Args<'_>) {
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    y.par_iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = a * b);
}

/// sum += term, term = 0
pub fn accumulate(args: &mut Args<'_>) {
    let (sum, term) = (args.write("sum"), args.write("term"));
    sum.par_iter_mut().zip(term).for_each(|(sum, term)| *sum += std::mem::take(term));
}
