//! Random words, compared exactly, and numbers computed from them. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::random::Stream;
use gpu_core::{Buf, MAX_GROUPS, ops::philox};

const SIZES: [usize; 8] = [1, 2, 3, 7, 255, 256, 257, 1021];
const SEEDS: [u64; 3] = [0, 7, 0x1234_5678_9abc_def0];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(|len| every(len, 7, 3)).into();
    cases.extend(SEEDS.map(|seed| every(130, seed, u32::MAX)));
    cases.extend([None, Some(2.0), Some(1.0), Some(0.7), Some(1e-3)].map(rows));
    cases.push(many());
    cases.push(folded());
    cases
}

/// A clock. Only the step may have an effect; the other words are set to show if they do.
fn clock(case: &mut Case, step: u32) -> Buf {
    case.input([4], Fill::Exactly(vec![step, 11, 12, 13]))
}

fn every(len: usize, seed: u64, step: u32) -> Case {
    let mut case = Case::new(format!("{len} of seed {seed:#x}, step {step}"));
    let clock = clock(&mut case, step);
    let s = &mut case.schedule;
    philox::words(s, "words", [len], clock, seed, Stream::Train);
    philox::words(s, "words.sample", [len], clock, seed, Stream::Sample);
    philox::normal(s, "normal", [len], clock, seed, Stream::Train);
    philox::uniform(s, "uniform", [len], clock, seed, Stream::Evaluate, [-0.5, 1.75]);
    for first in [1, 4, 7, 1022] {
        philox::normal_from(s, &format!("normal from {first}"), [len], first, clock, seed, Stream::Train);
        let label = format!("uniform from {first}");
        philox::uniform_from(s, &label, [len], first, clock, seed, Stream::Evaluate, [-0.5, 1.75]);
    }
    case
}

/// Rows of several seeds, some truncated; of one with so few numbers that a block of four is not full.
fn rows(truncation: Option<f32>) -> Case {
    let mut case = Case::new(format!("rows truncated to {truncation:?}"));
    let clock = clock(&mut case, 4);
    for (rows, cols) in [(1, 3), (3, 130), (70, 7)] {
        let words = (0..2 * rows as u32).map(|word| word.wrapping_mul(0x9e37_79b9)).collect();
        let seeds = case.input([rows, 2], Fill::Exactly(words));
        let label = format!("{rows} × {cols}");
        philox::normal_rows(&mut case.schedule, &label, seeds, cols, clock, Stream::Sample, truncation);
    }
    case
}

/// Enough numbers to come close to the ends of (0, 1), where logarithms and angles are delicate.
fn many() -> Case {
    let len = (1 << 20) + 3;
    let mut case = Case::new(format!("{len} numbers"));
    let clock = clock(&mut case, 1);
    philox::normal(&mut case.schedule, "normal", [len], clock, 5, Stream::Train);
    philox::uniform(&mut case.schedule, "uniform", [len], clock, 5, Stream::Train, [0.0, 1.0]);
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let clock = clock(&mut case, 2);
    philox::words(&mut case.schedule, "words", [len], clock, 5, Stream::Train);
    case
}
