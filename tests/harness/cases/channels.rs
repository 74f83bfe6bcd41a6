//! Concatenations and slices with their gradients, of images and of matrices; one case folds its grids.

use crate::{Case, Fill};
use gpu_core::Shape;
use gpu_core::ops::channels::{concat, slice, slice_backward};

pub(crate) fn cases() -> Vec<Case> {
    let sizes = [(1, 1), (3, 5), (64, 1), (1, 64), (5, 3)];
    let mut cases: Vec<Case> = sizes.iter().map(|&(a, b)| beside([2, 3, 5].as_slice(), a, b)).collect();
    cases.push(beside(&[1, 1, 1], 1, 1));
    cases.push(beside(&[1, 1, 7], 5, 4)); // 63 elements
    cases.push(beside(&[13], 2, 3)); // a matrix, 65 elements
    cases.push(folded());
    cases
}

/// y = a and b concatenated, with gradients; then a slice of up to three channels of y, with its gradient.
fn beside(outer: &[usize], a: usize, b: usize) -> Case {
    let mut case = Case::new(format!("{a} and {b} channels of {outer:?}"));
    let shape = |channels| Shape::new(&[outer, &[channels]].concat());
    let [a_buf, b_buf] = [a, b].map(|channels| case.input(shape(channels), Fill::OffZero));
    let dy = case.input(shape(a + b), Fill::OffZero);
    let s = &mut case.schedule;
    let y = concat(s, "y", a_buf, b_buf);
    let da = slice(s, "da", dy, 0..a);
    let db = slice(s, "db", dy, a..a + b);
    case.claim(y, dy, &[(a_buf, da), (b_buf, db)]);
    for range in [a - 1..(a + 2).min(a + b), 0..a + b] {
        let dpart = case.input(shape(range.len()), Fill::OffZero);
        let s = &mut case.schedule;
        let part = slice(s, "part", dy, range.clone());
        let dx = slice_backward(s, "dx", dpart, a + b, range.start);
        case.claim(part, dpart, &[(dy, dx)]);
    }
    case
}

/// Every output has more than 65,535 workgroups of 64.
fn folded() -> Case {
    let mut case = Case::new("folded grids");
    let [a, b] = [[1, 1024, 1025, 3], [1, 1024, 1025, 1]].map(|shape| case.input(shape, Fill::OffZero));
    let s = &mut case.schedule;
    let y = concat(s, "y", a, b);
    slice(s, "part", y, 0..4);
    slice_backward(s, "dx", b, 4, 3);
    case
}
