//! Pools that are empty, fill up within a batch, and are full; of one image and of many; indices at both ends.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::replay_pool::{DRAWS, exchange};

pub(crate) fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1, 0), (5, 63, 3, 0), (9, 65, 4, 2), (16, 7, 50, 50), (3, 127, 5, 1), (8, 10, 1, 1)];
    let mut cases: Vec<Case> = sizes.map(drawn).into();
    cases.push(at_the_ends());
    cases.push(twice());
    cases.push(drawn((2, MAX_GROUPS as usize * 64 + 39, 1, 0)));
    cases
}

/// A batch of n images through a pool of `size` that has stored some.
fn drawn((n, width, size, stored): (usize, usize, usize, u32)) -> Case {
    let mut case = Case::new(format!("[{n}, {width}], {stored} of {size} stored"));
    let images = case.input([n, width], Fill::OffZero);
    let pool = case.input([size, width], Fill::OffZero);
    let count = case.input([4], Fill::Exactly(vec![stored, 7, 8, 9]));
    let draws = case.input([n, DRAWS], Fill::Uniform(0.0, 1.0));
    exchange(&mut case.schedule, "exchange", images, pool, count, draws);
    case
}

/// A number of ½ keeps the new image; the smallest and the largest index the first and the last image; numbers next to
/// i / size, on both sides.
fn at_the_ends() -> Case {
    let mut case = Case::new("indices at the ends");
    let unit = 2f64.powi(-24);
    let images = case.input([6, 3], Fill::OffZero);
    let pool = case.input([7, 3], Fill::OffZero);
    let count = case.input([4], Fill::Exactly(vec![7, 0, 0, 0]));
    let below = (3.0 / 7.0 / unit).floor() * unit;
    let numbers = [[0.5, 0.3], [0.9, unit], [0.6, 1.0 - unit], [0.5 + unit, below], [0.7, below + unit], [unit, 0.2]];
    let draws = case.input([6, DRAWS], Fill::Numbers(numbers.concat()));
    exchange(&mut case.schedule, "exchange", images, pool, count, draws);
    case
}

/// Two batches through one pool, which the first one fills.
fn twice() -> Case {
    let mut case = Case::new("two batches");
    let pool = case.input([4, 5], Fill::OffZero);
    let count = case.input([4], Fill::Exactly(vec![1, 0, 0, 0]));
    for label in ["first", "second"] {
        let images = case.input([6, 5], Fill::OffZero);
        let draws = case.input([6, DRAWS], Fill::Uniform(0.0, 1.0));
        exchange(&mut case.schedule, label, images, pool, count, draws);
    }
    case
}
