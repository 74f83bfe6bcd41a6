//! Rows of bytes of every width, which start at a word and within one. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::gather::{gather, pack};

pub(crate) fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1), (5, 3, 1), (64, 10, 1), (7, 9, 7), (9, 7, 9), (13, 5, 784), (3, 4, 63), (65, 2, 65)];
    let mut cases: Vec<Case> = sizes.map(|(rows, count, width)| batch(rows, count, width)).into();
    cases.push(known());
    cases.push(batch(MAX_GROUPS as usize * 64 / 101 + 1, 1000, 101));
    cases
}

fn batch(rows: usize, count: u32, width: usize) -> Case {
    let mut case = Case::new(format!("{rows} of {count} rows of {width}"));
    let data = case.input([(count as usize * width).div_ceil(4)], Fill::Words(u32::MAX));
    let order = case.input([rows], Fill::Words(count));
    gather(&mut case.schedule, "y", data, order, width, 1.0 / 127.5, -1.0);
    gather(&mut case.schedule, "plain", data, order, width, 1.0, 0.0);
    case
}

/// Bytes that encode their positions, through [`pack`], in reverse order.
fn known() -> Case {
    let (count, width) = (36, 7);
    let bytes: Vec<u8> = (0..count * width).map(|i| i as u8).collect();
    let mut case = Case::new("packed bytes, the rows backwards");
    let words = pack(&bytes);
    let data = case.input([words.len()], Fill::Exactly(words));
    let order = case.input([count], Fill::Exactly((0..count as u32).rev().collect()));
    gather(&mut case.schedule, "y", data, order, width, 0.5, 3.0);
    case
}
