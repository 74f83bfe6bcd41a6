//! Windows of few and many rows, and rings over several rounds of the clock.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::elementwise;
use gpu_core::ops::sequence::{Taps, Windows, choose, past, push, windows};
use gpu_core::random::Stream;

/// Rows of the data, their bytes, rows taken, and codes of a window.
const WINDOWS: [[usize; 4]; 5] = [[1, 1, 1, 1], [5, 7, 3, 7], [9, 13, 6, 5], [3, 130, 65, 64], [40, 33, 11, 32]];
/// Rows, channels, and the taps' count, dilation and delay.
const RINGS: [[usize; 5]; 5] = [[1, 1, 1, 1, 0], [3, 5, 2, 1, 1], [2, 7, 2, 8, 0], [13, 5, 3, 4, 0], [4, 65, 1, 1, 1]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = WINDOWS.map(every_window).into();
    cases.extend(RINGS.iter().flat_map(|&sizes| [1, 2, 9, u32::MAX].map(|step| ring(sizes, step))));
    cases.extend([(1, 1, 1), (7, 5, 9), (65, 64, 1), (130, 3, 6)].map(chosen));
    cases.push(folded());
    cases
}

fn every_window([n, width, rows, length]: [usize; 4]) -> Case {
    let mut case = Case::new(format!("{rows} windows of {length} of {n}×{width}"));
    let data = case.input([(n * width).div_ceil(4)], Fill::Words(u32::MAX));
    let order = case.input([rows], Fill::Words(n as u32));
    let clock = case.input([4], Fill::Exactly(vec![7, 11, 12, 13]));
    for first in [0, 6] {
        let of = Windows { width, length, first, seed: 0x1234_5678_9abc_def0, stream: Stream::Window };
        windows(&mut case.schedule, &format!("windows from {first}"), data, order, clock, of);
    }
    case
}

/// The newest values are pushed, and then the past is read, which has others before them.
fn ring([rows, c, count, dilation, delay]: [usize; 5], step: u32) -> Case {
    let taps = Taps { count, dilation, delay };
    let mut case = Case::new(format!("{taps:?}, {rows}×{c}, step {step}"));
    let x = case.input([rows, c], Fill::Uniform(-1.0, 1.0));
    let ring = case.input([taps.slots(), rows, c], Fill::Uniform(-1.0, 1.0));
    let clock = case.input([4], Fill::Exactly(vec![step, 0, 0, 0]));
    let s = &mut case.schedule;
    let before = past(s, "before", ring, rows, taps, clock);
    push(s, "push", x, ring, clock);
    let after = past(s, "after", ring, rows, taps, clock);
    elementwise::add(s, "sum", before, after);
    case
}

/// Some codes are given; the others are drawn.
fn chosen((rows, width, step): (usize, usize, u32)) -> Case {
    let mut case = Case::new(format!("{rows} codes of {width} columns, step {step}"));
    let given = case.input([rows, width], Fill::Words(20));
    let drawn = case.input([rows], Fill::Words(10));
    let placed = case.input([rows, width], Fill::Words(10));
    let clock = case.input([4], Fill::Exactly(vec![step, 0, 0, 0]));
    choose(&mut case.schedule, "choose", given, drawn, 10, clock, placed);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    let data = case.input([8], Fill::Words(u32::MAX));
    let order = case.input([rows], Fill::Words(4));
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, 0]));
    let s = &mut case.schedule;
    let of = Windows { width: 8, length: 1, first: 0, seed: 3, stream: Stream::Window };
    let drawn = windows(s, "windows", data, order, clock, of);
    let drawn = drawn.reshape([rows]);
    let given = case.input([rows, 1], Fill::Words(300));
    let placed = case.input([rows, 1], Fill::Words(10));
    choose(&mut case.schedule, "choose", given, drawn, 256, clock, placed);
    let x = case.input([rows, 1], Fill::Uniform(-1.0, 1.0));
    let ring = case.input([2, rows, 1], Fill::Uniform(-1.0, 1.0));
    let s = &mut case.schedule;
    push(s, "push", x, ring, clock);
    past(s, "past", ring, rows, Taps { count: 1, dilation: 1, delay: 1 }, clock);
    case
}
