//! Both methods of upsampling and their gradients, by equal and different factors, for images down to one pixel; gates;
//! one case folds its grids.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::upsample::{Mode, backward, forward};

const MODES: [Mode; 2] = [Mode::Nearest, Mode::Bilinear];
/// Shapes of x [n, h, w, c], and factors for rows and columns.
const PROBLEMS: [([usize; 4], [usize; 2]); 9] = [
    ([1, 1, 1, 1], [1, 1]),
    ([1, 1, 1, 3], [2, 3]),
    ([1, 3, 7, 3], [1, 1]), // 63 elements, factor one
    ([2, 4, 5, 3], [2, 2]),
    ([1, 5, 13, 1], [1, 3]), // dx of 65
    ([1, 5, 3, 5], [3, 3]),
    ([2, 1, 4, 64], [2, 1]),
    ([3, 7, 2, 5], [5, 4]),
    ([1, 2, 3, 64], [4, 2]),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in MODES {
        cases.extend(PROBLEMS.map(|(shape, factor)| differentiated(shape, factor, mode)));
        let gates = [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Tanh, Activation::Sigmoid];
        cases.extend(gates.map(|act| gated(act, mode)));
    }
    cases.push(folded());
    cases
}

fn differentiated(shape: [usize; 4], factor: [usize; 2], mode: Mode) -> Case {
    let mut case = Case::new(format!("{mode:?}, {shape:?} by {factor:?}"));
    case.sums_of(4 * factor[0] * factor[1]);
    let x = case.input(shape, Fill::Uniform(-2.0, 2.0));
    let y = forward(&mut case.schedule, "y", x, factor, mode);
    let dy = case.input(y.shape, Fill::OffZero);
    let dx = backward(&mut case.schedule, "dx", dy, factor, mode, None);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// An activation before the upsampling, whose slope is fused into the gradient.
fn gated(act: Activation, mode: Mode) -> Case {
    let factor = [3, 2];
    let mut case = Case::new(format!("{mode:?} behind {act:?}"));
    case.sums_of(4 * factor[0] * factor[1]);
    let sum = case.input([2, 3, 4, 3], Fill::OffZero);
    let x = activation::forward(&mut case.schedule, "x", sum, act);
    let y = forward(&mut case.schedule, "y", x, factor, mode);
    let dy = case.input(y.shape, Fill::OffZero);
    let dsum = backward(&mut case.schedule, "dsum", dy, factor, mode, Some((act, x)));
    case.claim(y, dy, &[(sum, dsum)]);
    case
}

/// Both y and dx need more than 65,535 workgroups of 64.
fn folded() -> Case {
    let (shape, factor) = ([4, 459, 459, 5], [1, 1]);
    let mut case = Case::new("folded grids");
    let x = case.input(shape, Fill::OffZero);
    for mode in MODES {
        let y = forward(&mut case.schedule, &format!("{mode:?}"), x, factor, mode);
        backward(&mut case.schedule, &format!("{mode:?}.backward"), y, factor, mode, None);
    }
    case
}
