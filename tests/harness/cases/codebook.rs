//! Running averages and their codebooks, initial codes, restarts, and perplexities. Draws are words and agree exactly.

use crate::{Case, Fill};
use gpu_core::ops::codebook::{Averages, Restart, count, ema, perplexity, plus_plus, restart, smooth};
use gpu_core::ops::vq::{Assigned, assign};
use gpu_core::{Buf, MAX_GROUPS};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [[1, 1, 1], [7, 63, 1], [65, 13, 5], [300, 5, 64]].map(averaged).into();
    cases.extend([[1, 1, 1], [6, 5, 2], [257, 3, 13], [1021, 65, 4]].map(first_codes));
    cases.extend([[1, 1, 1], [300, 64, 3], [7, 129, 2]].map(|sizes| restarted(sizes, 3)));
    cases.push(restarted([300, 64, 3], 4));
    cases.extend([1, 7, 255, 256, 257, 1024].map(used));
    cases.push(coinciding());
    cases.push(far_apart());
    cases.push(folded());
    cases
}

/// A clock. Only the step may have an effect; the other words are set to show if they do.
fn clock(case: &mut Case, step: u32) -> Buf {
    case.input([4], Fill::Exactly(vec![step, 11, 12, 13]))
}

fn averages(case: &mut Case, k: usize, dim: usize) -> Averages {
    let size = case.input([k], Fill::Uniform(0.5, 20.0));
    Averages { size, total: case.input([k, dim], Fill::Uniform(-9.0, 9.0)) }
}

/// Two steps of averages, the second with another γ and a large ε, and a histogram of both.
fn averaged([m, k, dim]: [usize; 3]) -> Case {
    let mut case = Case::new(format!("averages of {m} rows of {dim}, {k} codes"));
    let z = case.input([m, dim], Fill::OffZero);
    let averages = averages(&mut case, k, dim);
    let codebook = case.input([k, dim], Fill::OffZero);
    let histogram = case.input([k], Fill::Numbers((0..k).map(|j| (j % 5 * 1000) as f64).collect()));
    case.sums_of(4 * m);
    for (step, gamma, epsilon, first) in
        [("first", 0.99, 1e-5, true), ("second", 0.75, 0.3, true), ("more", 0.75, 0.3, false)]
    {
        let index = case.input([m], Fill::Words(k as u32));
        let s = &mut case.schedule;
        let assigned = assign(s, &format!("{step}.assigned"), z, index, k);
        ema(s, step, assigned, averages, gamma, first);
        smooth(s, &format!("{step}.codebook"), averages, codebook, epsilon);
        count(s, &format!("{step}.count"), assigned.counts, histogram);
    }
    case
}

/// Initial codes for several steps and seeds, with averages and without.
fn first_codes([m, k, dim]: [usize; 3]) -> Case {
    let mut case = Case::new(format!("{k} first codes among {m} rows of {dim}"));
    let z = case.input([m, dim], Fill::Uniform(-3.0, 5.0));
    let averages = averages(&mut case, k, dim);
    let codebook = case.input([k, dim], Fill::OffZero);
    let clock = clock(&mut case, 0);
    case.sums_of(dim);
    plus_plus(&mut case.schedule, "averaged", z, codebook, Some((averages, 2.5)), clock, 7);
    plus_plus(&mut case.schedule, "alone", z, codebook, None, clock, 0x1234_5678_9abc_def0);
    case
}

/// About half the codes are dead; one is exactly at the threshold and alive.
fn restarted([m, k, dim]: [usize; 3], step: u32) -> Case {
    let mut case = Case::new(format!("dead among {k} codes, {m} rows of {dim}, step {step}"));
    let z = case.input([3, m, dim], Fill::OffZero);
    let averages = averages(&mut case, k, dim);
    let codebook = case.input([k, dim], Fill::OffZero);
    let usage = case.input([k], Fill::Numbers((0..k).map(|j| (j * 5 % 7) as f64 - 0.5).collect()));
    let clock = clock(&mut case, step);
    let [by_size, by_usage] = [12.0, 2.5].map(|threshold| Restart { threshold, weight: threshold + 1.25 });
    let s = &mut case.schedule;
    restart(s, "by_size", z, averages.size, codebook, Some(averages), by_size, clock, 7);
    restart(s, "by_usage", z, usage, codebook, None, by_usage, clock, 0x1234_5678_9abc_def0);
    case
}

/// Histograms with and without gaps, with a single code, and with none.
fn used(k: usize) -> Case {
    let mut case = Case::new(format!("perplexity of {k} codes"));
    // A perplexity has the error of its exponent, which is up to ln k and itself a sum of k terms.
    case.sums_of(16 * k);
    let counts = |of: &dyn Fn(usize) -> usize| Fill::Numbers((0..k).map(|j| of(j) as f64).collect());
    let histograms = [
        ("all", counts(&|j| 1 + 37 * j % 1009)),
        ("gaps", counts(&|j| (j % 3) * (1 + 37 * j % 1009))),
        ("one", counts(&|j| if j == k / 2 { 60_000 } else { 0 })),
        ("even", counts(&|_| 3)),
        ("none", counts(&|_| 0)),
    ];
    for (label, fill) in histograms {
        let histogram = case.input([k], fill);
        perplexity(&mut case.schedule, label, histogram);
    }
    case
}

/// Fewer distinct rows than codes: once each is a code, all are equally likely.
fn coinciding() -> Case {
    let mut case = Case::new("rows that coincide");
    let z = case.input([300, 2], Fill::Numbers((0..600).map(|i| (i / 2 % 2) as f64).collect()));
    let codebook = case.input([5, 2], Fill::OffZero);
    let clock = clock(&mut case, 1);
    plus_plus(&mut case.schedule, "codes", z, codebook, None, clock, 3);
    case
}

/// Distances of all magnitudes, including the extremes of f32.
fn far_apart() -> Case {
    let mut case = Case::new("distances of all sizes");
    let clock = clock(&mut case, 1);
    for (label, scale) in [("tiny", 1e-17), ("small", 1e-9), ("large", 1e15)] {
        let z = case.input([77, 1], Fill::Numbers((0..77).map(|i| scale * 1.3f64.powi(i % 20)).collect()));
        let codebook = case.input([4, 1], Fill::OffZero);
        plus_plus(&mut case.schedule, label, z, codebook, None, clock, 5);
    }
    case
}

/// More codes, and more rows, than fit in 65,535 workgroups of 64.
fn folded() -> Case {
    let len = MAX_GROUPS as usize * 64 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let [z, total, codebook] = [[len, 1]; 3].map(|shape| case.input(shape, Fill::OffZero));
    let size = case.input([len], Fill::Uniform(0.5, 2.0));
    let two = case.input([2, 1], Fill::OffZero);
    let clock = clock(&mut case, 2);
    case.sums_of(4);
    let averages = Averages { size, total };
    let again = Restart { threshold: 1.0, weight: 1.5 };
    let s = &mut case.schedule;
    restart(s, "restart", z, size, codebook, Some(averages), again, clock, 7);
    ema(s, "ema", Assigned { one_hot: z, counts: codebook.reshape([len]), sums: z }, averages, 0.75, true);
    smooth(s, "smooth", averages, codebook, 1e-5);
    plus_plus(s, "first", z, two, None, clock, 7);
    case
}
