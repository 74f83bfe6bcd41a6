//! Images and rows with numbers added to their channels, and the gradients of these; one case folds its grid.

use crate::{Case, Fill};
use gpu_core::Shape;
use gpu_core::ops::shift::{backward, forward};

pub(crate) fn cases() -> Vec<Case> {
    let sizes: [&[usize]; 6] = [&[1, 1, 1, 1], &[3, 2, 5, 3], &[5, 8, 8, 1], &[2, 9, 7, 13], &[7, 5], &[1, 3, 85, 1]];
    let mut cases: Vec<Case> = sizes.map(differentiated).into();
    cases.push(folded());
    cases
}

fn differentiated(size: &[usize]) -> Case {
    let mut case = Case::new(format!("{size:?}"));
    let (n, c) = (size[0], size[size.len() - 1]);
    case.sums_of(size.iter().product::<usize>() / (n * c));
    let x = case.input(Shape::new(size), Fill::OffZero);
    let e = case.input([n, c], Fill::OffZero);
    let dy = case.input(Shape::new(size), Fill::OffZero);
    let y = forward(&mut case.schedule, "y", x, e);
    let de = backward(&mut case.schedule, "de", dy);
    case.claim(y, dy, &[(e, de)]);
    case
}

/// y has more than 65,535 workgroups, and so has de of rows.
fn folded() -> Case {
    let mut case = Case::new("folded grids");
    let x = case.input([4100, 1, 4100], Fill::OffZero);
    let e = case.input([4100, 4100], Fill::OffZero);
    let s = &mut case.schedule;
    forward(s, "y", x, e);
    backward(s, "de", x);
    case
}
