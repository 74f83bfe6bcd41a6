//! Orders of data sets of many sizes, shuffled and not. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::permute::permute;

pub(crate) fn cases() -> Vec<Case> {
    let whole = [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 100, 257].map(|count| batch(count, count, 0, 3));
    let part = [(128, 60_000, 59_872, 0), (128, 60_000, 128, 9), (96, 60_000, 59_904, 1), (5, 1 << 20, 4096, 2)];
    let mut cases: Vec<Case> = whole.into();
    cases.extend(part.map(|(len, count, start, epoch)| batch(len, count, start, epoch)));
    cases.push(past_the_end());
    cases.push(folded());
    cases
}

fn batch(len: usize, count: usize, start: u32, epoch: u32) -> Case {
    let mut case = Case::new(format!("{len} of {count} rows from {start}, epoch {epoch}"));
    let clock = case.input([4], Fill::Exactly(vec![77, epoch, start, start + len as u32]));
    for seed in [0, 0x1234_5678_9abc_def0] {
        permute(&mut case.schedule, &format!("seed {seed:#x}"), 0..len, clock, count, seed, true);
    }
    permute(&mut case.schedule, "in turn", 0..len, clock, count, 1, false);
    permute(&mut case.schedule, "the second half", len / 2..len, clock, count, 1, true);
    case
}

/// Positions past the end, which no run requests, still give rows of the data.
fn past_the_end() -> Case {
    let mut case = Case::new("past the end");
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 8, 16]));
    permute(&mut case.schedule, "shuffled", 0..8, clock, 13, 3, true);
    permute(&mut case.schedule, "in turn", 0..8, clock, 13, 3, false);
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let clock = case.input([4], Fill::Exactly(vec![1, 1, 0, len as u32]));
    permute(&mut case.schedule, "order", 0..len, clock, len + 1000, 3, true);
    case
}
