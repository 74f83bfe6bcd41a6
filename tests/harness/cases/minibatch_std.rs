//! Groups that divide the batch, a smaller last one, groups of one image, one larger than the batch; the derivative
//! along a direction and its gradient; behind an activation. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::minibatch_std::{backward, forward, tangent, tangent_backward};

const PROBLEMS: [([usize; 4], usize); 7] = [
    ([1, 1, 1, 1], 4),
    ([4, 1, 1, 5], 4),
    ([6, 2, 3, 4], 2),
    ([7, 2, 2, 3], 3),
    ([5, 1, 3, 2], 1),
    ([3, 4, 4, 2], 9),
    ([8, 5, 3, 19], 4),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = PROBLEMS.into_iter().map(|(x, size)| differentiated(x, size)).collect();
    cases.push(gated());
    cases.push(folded());
    cases
}

/// Images whose numbers are at least 0.2 from those of the others of their group: a quotient by a deviation near zero
/// would compare nothing but rounding.
fn apart(shape: [usize; 4], size: usize) -> Fill {
    let f: usize = shape[1..].iter().product();
    let number = |at: usize| {
        let (image, j) = (at / f, at % f);
        ((image % size + j) % size) as f64 - 1.7 + 0.3 * (1.0 + (at as f64 * 12.9898).sin())
    };
    Fill::Numbers((0..shape[0] * f).map(number).collect())
}

fn differentiated(shape: [usize; 4], size: usize) -> Case {
    let mut case = Case::new(format!("{shape:?}, groups of {size}"));
    case.sums_of(shape[1..].iter().product::<usize>() * size);
    let x = case.input(shape, apart(shape, size));
    let y = forward(&mut case.schedule, "forward", x, size);
    let dy = case.input(y.shape, Fill::OffZero);
    let dx = backward(&mut case.schedule, "backward", x, dy, size, None);
    case.claim(y, dy, &[(x, dx)]);
    // The derivative is linear in its direction, so its gradient is that of y.
    let u = case.input(shape, Fill::OffZero);
    let along = tangent(&mut case.schedule, "tangent", x, u, size);
    // A group of one image has no deviation: ε alone makes its numbers, and differences of them are noise.
    let of_x = tangent_backward(&mut case.schedule, "tangent.backward", [x, u], dy, size, None);
    if shape[0] % size != 1 && size > 1 {
        case.claim(along, dy, &[(u, dx), (x, of_x)]);
    }
    case
}

/// An activation before it, whose slope is fused into both gradients.
fn gated() -> Case {
    let mut case = Case::new("behind tanh");
    case.sums_of(72);
    let sum = case.input([6, 2, 3, 2], apart([6, 2, 3, 2], 3));
    let x = activation::forward(&mut case.schedule, "x", sum, Activation::Tanh);
    let y = forward(&mut case.schedule, "forward", x, 3);
    let dy = case.input(y.shape, Fill::OffZero);
    let gate = Some((Activation::Tanh, x));
    let dsum = backward(&mut case.schedule, "backward", x, dy, 3, gate);
    case.claim(y, dy, &[(sum, dsum)]);
    let u = case.input(x.shape, Fill::OffZero);
    let along = tangent(&mut case.schedule, "tangent", x, u, 3);
    let dsum = tangent_backward(&mut case.schedule, "tangent.backward", [x, u], dy, 3, gate);
    case.claim(along, dy, &[(sum, dsum)]);
    case
}

fn folded() -> Case {
    let mut case = Case::new("folded grid");
    let shape = [2 * MAX_GROUPS as usize + 3, 1, 1, 2];
    let x = case.input(shape, apart(shape, 2));
    let y = forward(&mut case.schedule, "forward", x, 2);
    let dy = case.input(y.shape, Fill::OffZero);
    let u = case.input(x.shape, Fill::OffZero);
    backward(&mut case.schedule, "backward", x, dy, 2, None);
    tangent(&mut case.schedule, "tangent", x, u, 2);
    tangent_backward(&mut case.schedule, "tangent.backward", [x, u], dy, 2, None);
    case
}
