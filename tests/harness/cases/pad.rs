//! Both borders and their gradients: no border, equal sides, different sides, and reflections of the greatest width,
//! which show an element nine times; gates; one case folds its grids.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::pad::{Border, Margins, backward, forward};

/// Shapes of x [n, h, w, c], and rows above and below, columns before and after.
const PROBLEMS: [([usize; 4], [usize; 4]); 7] = [
    ([1, 1, 1, 1], [0, 0, 0, 0]),
    ([1, 3, 7, 3], [0, 0, 0, 0]), // 63 elements
    ([2, 4, 5, 3], [1, 1, 1, 1]),
    ([1, 5, 13, 1], [3, 0, 1, 2]), // 65 elements of x
    ([3, 3, 3, 5], [2, 2, 2, 2]),
    ([1, 2, 4, 64], [0, 1, 3, 0]),
    ([2, 1, 7, 5], [0, 0, 6, 5]),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for border in [Border::Zero, Border::Reflection] {
        cases.extend(PROBLEMS.map(|(shape, around)| differentiated(shape, margins(around), border)));
        let gates = [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Sigmoid];
        cases.extend(gates.map(|act| gated(act, border)));
    }
    cases.push(differentiated([2, 1, 2, 3], margins([3, 5, 4, 7]), Border::Zero)); // wider than the image
    cases.push(folded());
    cases
}

fn margins([top, bottom, left, right]: [usize; 4]) -> Margins {
    Margins { top, bottom, left, right }
}

fn differentiated(shape: [usize; 4], margins: Margins, border: Border) -> Case {
    let mut case = Case::new(format!("{border:?}, {shape:?}, {margins:?}"));
    case.sums_of(9);
    let x = case.input(shape, Fill::Uniform(1.0, 2.0));
    let y = forward(&mut case.schedule, "y", x, margins, border);
    let dy = case.input(y.shape, Fill::OffZero);
    let dx = backward(&mut case.schedule, "dx", dy, margins, border, None);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// An activation before the padding, whose slope is fused into the gradient.
fn gated(act: Activation, border: Border) -> Case {
    let margins = margins([2, 1, 3, 2]);
    let mut case = Case::new(format!("{border:?} behind {act:?}"));
    case.sums_of(9);
    let sum = case.input([2, 3, 4, 3], Fill::OffZero);
    let x = activation::forward(&mut case.schedule, "x", sum, act);
    let y = forward(&mut case.schedule, "y", x, margins, border);
    let dy = case.input(y.shape, Fill::OffZero);
    let dsum = backward(&mut case.schedule, "dsum", dy, margins, border, Some((act, x)));
    case.claim(y, dy, &[(sum, dsum)]);
    case
}

/// Both y and dx need more than 65,535 workgroups of 64.
fn folded() -> Case {
    let (margins, border) = (margins([1, 0, 2, 1]), Border::Reflection);
    let mut case = Case::new("folded grids");
    let x = case.input([4, 459, 459, 5], Fill::OffZero);
    let y = forward(&mut case.schedule, "y", x, margins, border);
    backward(&mut case.schedule, "dx", y, margins, border, None);
    case
}
