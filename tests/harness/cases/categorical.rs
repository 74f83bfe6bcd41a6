//! Draws from few and many categories, at several temperatures, from the largest logits alone, and with ties.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::categorical::{Drawing, categorical};
use gpu_core::ops::elementwise;
use gpu_core::random::Stream;

/// Rows and categories.
const SIZES: [(usize, usize); 8] = [(1, 1), (3, 2), (7, 10), (5, 63), (9, 64), (4, 65), (2, 512), (1, 3001)];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(every).into();
    cases.push(ties());
    cases.push(extremes());
    cases.push(folded());
    cases
}

fn every((m, k): (usize, usize)) -> Case {
    let mut case = Case::new(format!("{m}×{k}"));
    let x = case.input([m, k], Fill::Uniform(-4.0, 4.0));
    // Only the step may have an effect; the other words are set to show if they do.
    let clock = case.input([4], Fill::Exactly(vec![7, 11, 12, 13]));
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", x, 1.5);
    for (label, temperature, top) in [
        ("all", 1.0, 0),
        ("cold", 0.25, 0),
        ("hot", 3.0, 0),
        ("largest", 1.0, 1),
        ("few", 0.8, 3),
        ("more", 1.0, k + 1),
    ] {
        let drawing = Drawing { temperature, top };
        for draw in [0, 48] {
            let label = format!("{label}, draw {draw}");
            categorical(s, &label, scaled, drawing, clock, draw, 0x1234_5678_9abc_def0, Stream::Codes);
        }
    }
    case
}

/// Equal logits: all of them take part where one of the largest does.
fn ties() -> Case {
    let mut case = Case::new("ties");
    let x = case.input([6, 4], Fill::Numbers([1.0, 2.0, 2.0, 2.0].repeat(6)));
    let clock = case.input([4], Fill::Exactly(vec![3, 0, 0, 0]));
    for top in [1, 2, 3, 4] {
        let drawing = Drawing { temperature: 1.0, top };
        categorical(&mut case.schedule, &format!("top {top}"), x, drawing, clock, 0, 5, Stream::Codes);
    }
    case
}

/// Logits beside which the noise is nothing.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = vec![-1e30, 1e30, -1e30, 300.0, 0.0, -300.0, -1e4, -2e4, -1e4 + 500.0];
    let x = case.input([3, 3], Fill::Numbers(x));
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, 0]));
    categorical(&mut case.schedule, "index", x, Drawing::default(), clock, 0, 5, Stream::Codes);
    case
}

fn folded() -> Case {
    let m = MAX_GROUPS as usize + 78;
    let mut case = Case::new(format!("folded grid, {m}×3"));
    let x = case.input([m, 3], Fill::Uniform(-1.0, 1.0));
    let clock = case.input([4], Fill::Exactly(vec![2, 0, 0, 0]));
    categorical(&mut case.schedule, "index", x, Drawing::default(), clock, 1, 5, Stream::Codes);
    case
}
