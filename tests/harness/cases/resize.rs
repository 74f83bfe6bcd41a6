//! Resizing to larger, smaller and equal sizes and its gradient, for images down to one pixel; one case folds its
//! grids.

use crate::{Case, Fill};
use gpu_core::ops::resize::{bilinear, bilinear_backward};

/// Shapes of x [n, h, w, c], and sizes of y.
const PROBLEMS: [([usize; 4], [usize; 2]); 9] = [
    ([1, 1, 1, 1], [1, 1]),
    ([1, 1, 1, 3], [2, 3]),
    ([1, 3, 7, 3], [3, 7]), // 63 elements, the same size
    ([2, 4, 5, 3], [8, 10]),
    ([1, 5, 13, 1], [7, 17]), // dx of 65
    ([1, 9, 8, 2], [4, 3]),   // smaller: pixels that no y uses
    ([2, 1, 4, 64], [1, 9]),
    ([1, 7, 11, 3], [29, 5]),
    ([1, 4, 16, 1], [13, 5]), // y of 65
];

pub(crate) fn cases() -> Vec<Case> {
    PROBLEMS.map(|(shape, size)| differentiated(shape, size)).into_iter().chain([folded()]).collect()
}

fn differentiated(shape: [usize; 4], size: [usize; 2]) -> Case {
    let mut case = Case::new(format!("{shape:?} to {size:?}"));
    // Along an axis, a pixel is used between its two neighbours.
    case.sums_of(4 * size[0].div_ceil(shape[1]) * size[1].div_ceil(shape[2]));
    let x = case.input(shape, Fill::Uniform(-2.0, 2.0));
    let y = bilinear(&mut case.schedule, "y", x, size);
    let dy = case.input(y.shape, Fill::OffZero);
    let dx = bilinear_backward(&mut case.schedule, "dx", dy, [shape[1], shape[2]]);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// Both y and dx need more than 65,535 workgroups of 64.
fn folded() -> Case {
    let (shape, size) = ([4, 459, 459, 5], [460, 458]);
    let mut case = Case::new("folded grids");
    case.sums_of(4);
    let x = case.input(shape, Fill::OffZero);
    let y = bilinear(&mut case.schedule, "y", x, size);
    bilinear_backward(&mut case.schedule, "dx", y, [shape[1], shape[2]]);
    case
}
