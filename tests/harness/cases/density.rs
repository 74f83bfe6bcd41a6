//! Points of every density and of an unknown one, whose numbers are in any order. One case folds its grid.

use crate::{Case, Fill};
use gpu_core::ops::density::{DENSITY, Density, DensityParams, density};
use gpu_core::random::Stream;
use gpu_core::{Grid, MAX_GROUPS};

const SIZES: [usize; 4] = [1, 63, 65, 1021];
const SEED: u64 = 0x1234_5678_9abc_def0;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(every).into();
    // Enough points to come close to the ends of (0, 1), where logarithms and angles are delicate.
    cases.push(every(100_003));
    cases.push(folded());
    cases.push(unknown());
    cases
}

fn every(len: usize) -> Case {
    let mut case = Case::new(format!("{len} points"));
    let order = case.input([len], Fill::Words(u32::MAX));
    // Only the step may have an effect; the other words are set to show if they do.
    let clock = case.input([4], Fill::Exactly(vec![3, 11, 12, 13]));
    for &kind in Density::ALL {
        density(&mut case.schedule, kind.name(), order, clock, SEED, Stream::Points, kind);
    }
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let order = case.input([len], Fill::Words(u32::MAX));
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, 0]));
    density(&mut case.schedule, "points", order, clock, 5, Stream::Points, Density::Moons);
    case
}

/// A code that no density has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown kind");
    let order = case.input([5], Fill::Words(u32::MAX));
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, 0]));
    let s = &mut case.schedule;
    let y = s.scratch([5, 2]);
    let params = DensityParams {
        len: 5,
        kind: Density::ALL.len() as u32,
        stream: Stream::Points as u32,
        key0: 1,
        key1: 2,
        sigma: 0.5,
        centre_x: 0.25,
        centre_y: -0.5,
        scale_x: 2.0,
        scale_y: 3.0,
    };
    s.push(&DENSITY, "points", &[order, clock, y], &params, Grid::Linear(1), 0);
    case
}
