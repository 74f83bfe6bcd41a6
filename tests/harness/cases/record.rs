//! Sums into a ring: first and later steps, the last slot, and past the end of the ring.

use crate::{Case, Fill};
use gpu_core::ops::record::{record, record_more};

const SLOTS: usize = 5;
const WIDTH: usize = 3;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [1, 127, 255, 256, 257, 1009].map(|n| recorded(n, 3)).into();
    cases.extend([1, 5, 6, 1_000_003].map(|step| recorded(7, step)));
    cases
}

/// Two columns of one row; the rest of the ring stays unchanged.
fn recorded(n: usize, step: u32) -> Case {
    let mut case = Case::new(format!("{n} rows at step {step}"));
    let rows = case.input([n], Fill::Uniform(-1.0, 1.0));
    let clock = case.input([4], Fill::Exactly(vec![step, 7, 11, 13]));
    let ring = case.input([SLOTS, WIDTH], Fill::OffZero);
    case.sums_of(n);
    record(&mut case.schedule, "first", rows, clock, ring, 0, 0.75);
    record(&mut case.schedule, "last", rows, clock, ring, WIDTH - 1, -1.5);
    record_more(&mut case.schedule, "more", rows, clock, ring, WIDTH - 1, 0.5);
    case
}
