//! Consecutive steps: the first of a run, the end of an epoch with and without a shorter last batch, a long run, and
//! every warm-up, hold and decay of the learning rate; batches that do not fill an epoch.

use crate::{Case, Fill};
use gpu_core::Grid;
use gpu_core::ops::tick::{Decay, DecayKind, TICK, Tick, TickParams, tick};

const STEP: Tick = Tick {
    batch: 4,
    count: 10,
    lr: 2e-3,
    lr_warmup: 0,
    lr_hold: 0,
    decay: Decay::Constant,
    beta1: 0.5,
    beta2: 0.999,
    kl_weight: 0.7,
    kl_warmup: 0,
};

pub(crate) fn cases() -> Vec<Case> {
    let start = (vec![0; 4], vec![0.0; 4]);
    let tail = Tick { batch: 2, ..STEP };
    let warm = Tick { kl_warmup: 3, ..STEP };
    let whole = Tick { count: 4, ..STEP };
    let late = (vec![12_345, 3, 8, 10], vec![2e-3, 1.0, 0.999_995, 0.7]);
    vec![
        run("three epochs with a shorter last batch", start.clone(), &[STEP, STEP, tail].repeat(3)),
        run("the tail is left out", start.clone(), &[Tick { count: 8, ..STEP }; 5]),
        run("the rest of an epoch is left out", start.clone(), &[STEP; 6]),
        run("an epoch of one batch and a rest", start.clone(), &[Tick { count: 7, ..STEP }; 4]),
        run("an epoch of one batch", start.clone(), &[whole; 3]),
        run("one row", start.clone(), &[Tick { batch: 1, count: 1, ..STEP }; 2]),
        run("the KL weight rises", start.clone(), &[warm; 5]),
        run("the learning rate rises", start.clone(), &[falls(4, Decay::Constant); 6]),
        run("it rises in one step and falls in a line", start.clone(), &[falls(1, Decay::Linear(4, 0.25)); 7]),
        run("it falls in a line to nothing", start.clone(), &[falls(0, Decay::Linear(3, 0.0)); 5]),
        run("it rises and falls as the cosine does", start.clone(), &[falls(2, Decay::Cosine(6, 0.1)); 10]),
        run("it falls as the cosine does to nothing", start.clone(), &[falls(0, Decay::Cosine(9, 0.0)); 12]),
        run("it stays and falls in a line", start.clone(), &[stays(0, 3, Decay::Linear(4, 0.25)); 9]),
        run("it rises, stays and falls as the cosine does", start.clone(), &[stays(2, 2, Decay::Cosine(4, 0.1)); 9]),
        run("it rises and stays", start.clone(), &[stays(2, u32::MAX as usize, Decay::Linear(1, 0.0)); 5]),
        run("it stays and falls by steps", start.clone(), &[stays(0, 1, Decay::Steps(2, 0.5)); 6]),
        run("it falls by steps", start.clone(), &[falls(0, Decay::Steps(2, 0.5)); 7]),
        run("it rises and falls at every step", start.clone(), &[falls(3, Decay::Steps(1, 0.1)); 6]),
        run("it falls late in a run", late.clone(), &[falls(100, Decay::Cosine(20_000, 0.01)); 2]),
        run("it falls by many steps late in a run", late.clone(), &[falls(100, Decay::Steps(3, 0.999)); 2]),
        unknown(),
        run("the KL weight rises in one step", start, &[Tick { kl_warmup: 1, ..STEP }; 2]),
        run("late in a run", late, &[Tick { beta1: 0.9, lr: 1e-4, kl_warmup: 20_000, ..STEP }; 3]),
    ]
}

/// A learning rate above one, because errors are relative to at least one.
fn falls(lr_warmup: usize, decay: Decay) -> Tick {
    Tick { lr: 2.0, lr_warmup, decay, ..STEP }
}

/// The same after `lr_hold` steps at its peak.
fn stays(lr_warmup: usize, lr_hold: usize, decay: Decay) -> Tick {
    Tick { lr_hold, ..falls(lr_warmup, decay) }
}

fn run(name: &str, (clock, rates): (Vec<u32>, Vec<f64>), steps: &[Tick]) -> Case {
    let mut case = Case::new(name);
    let clock = case.input([4], Fill::Exactly(clock));
    let rates = case.input([4], Fill::Numbers(rates));
    for (i, &step) in steps.iter().enumerate() {
        tick(&mut case.schedule, &format!("step {}", i + 1), clock, rates, step);
    }
    case
}

/// A code that no decay has.
fn unknown() -> Case {
    let mut case = Case::new("an unknown decay");
    let clock = case.input([4], Fill::Exactly(vec![7, 1, 4, 8]));
    let rates = case.input([4], Fill::Numbers(vec![1e-3, 0.5, 0.25, 0.7]));
    let decay = DecayKind::ALL.len() as u32;
    let params = TickParams { batch: 4, count: 10, decay, span: 5, low: 0.5, lr: 2.0, ..TickParams::default() };
    case.schedule.push(&TICK, "tick", &[clock, rates], &params, Grid::Linear(1), 0);
    case
}
