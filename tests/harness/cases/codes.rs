//! Rows and columns of words, each once and out of order.

use crate::{Case, Fill};
use gpu_core::ops::codes::{column, gather, place, scatter};
use gpu_core::{MAX_GROUPS, ops::permute};

/// Rows of the codes, rows taken, and columns.
const SIZES: [[usize; 3]; 6] = [[1, 1, 1], [7, 5, 49], [65, 64, 3], [64, 63, 1], [130, 13, 65], [9, 9, 7]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(every).into();
    cases.push(folded());
    cases
}

fn every([n, m, width]: [usize; 3]) -> Case {
    let mut case = Case::new(format!("{m} rows of {n}×{width}"));
    let codes = case.input([n, width], Fill::Words(512));
    let target = case.input([n, width], Fill::Words(512));
    let order: Vec<u32> = (0..m as u32).map(|row| (n as u32 - 1) - row).collect();
    let order = case.input([m], Fill::Exactly(order));
    let s = &mut case.schedule;
    let taken = gather(s, "taken", codes, order);
    scatter(s, "scattered", taken, order, target);
    for at in [0, width / 2, width - 1] {
        let found = column(s, &format!("column {at}"), codes, at);
        place(s, &format!("placed {at}"), found, target, width - 1 - at);
    }
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    let codes = case.input([rows, 1], Fill::Words(512));
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, rows as u32]));
    let s = &mut case.schedule;
    let order = permute::permute(s, "order", 0..rows, clock, rows, 5, true);
    let taken = gather(s, "taken", codes, order);
    scatter(s, "scattered", taken, order, codes);
    let found = column(s, "column", codes, 0);
    place(s, "placed", found, codes, 0);
    case
}
