//! Softmax and log-sum-exp with their derivatives, at moderate and at large arguments.

use crate::{Case, Fill};
use gpu_core::ops::softmax::{logsumexp, logsumexp_backward, softmax, softmax_backward};
use gpu_core::{Buf, MAX_GROUPS};

const SIZES: [[usize; 2]; 8] = [[1, 1], [3, 7], [257, 2], [7, 31], [8, 32], [9, 33], [5, 257], [2, 1009]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.iter().map(|&shape| differentiated(shape, 3.0)).collect();
    cases.push(differentiated([7, 10], 20.0));
    cases.push(extremes());
    cases.push(folded());
    cases
}

fn differentiated(shape: [usize; 2], bound: f64) -> Case {
    let [m, n] = shape;
    let mut case = Case::new(format!("{m}×{n} within ±{bound}"));
    let x = case.input(shape, Fill::Uniform(-bound, bound));
    let (dsum, dprob) = (case.input([m], Fill::OffZero), case.input(shape, Fill::OffZero));
    case.sums_of(n);
    let (sum, dx_sum, prob, dx_prob) = all(&mut case, x, dsum, dprob);
    case.claim(sum, dsum, &[(x, dx_sum)]);
    case.claim(prob, dprob, &[(x, dx_prob)]);
    case
}

/// Large arguments, where exp overflows unless the maximum is subtracted. No derivative can be checked there.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = vec![-1e30, -1e30, -1e30, 300.0, 299.0, -300.0, 0.0, 1e4, -1e4, 1e30, 0.0, -1e30];
    let x = case.input([4, 3], Fill::Numbers(x));
    let (dsum, dprob) = (case.input([4], Fill::OffZero), case.input([4, 3], Fill::OffZero));
    all(&mut case, x, dsum, dprob);
    case
}

fn folded() -> Case {
    let (m, n) = (8 * MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, {m}×{n}"));
    let x = case.input([m, n], Fill::Uniform(-3.0, 3.0));
    let dsum = case.input([m], Fill::OffZero);
    all(&mut case, x, dsum, x);
    case
}

fn all(case: &mut Case, x: Buf, dsum: Buf, dprob: Buf) -> (Buf, Buf, Buf, Buf) {
    let s = &mut case.schedule;
    let sum = logsumexp(s, "logsumexp", x);
    let dx_sum = logsumexp_backward(s, "logsumexp.dx", x, sum, dsum);
    let prob = softmax(s, "softmax", x);
    let dx_prob = softmax_backward(s, "softmax.dx", prob, dprob);
    (sum, dx_sum, prob, dx_prob)
}
