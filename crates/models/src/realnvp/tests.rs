//! The inverse returns its input, and densities integrate to one.

use super::*;
use crate::data::SetSpec;
use crate::initial::initial_values;
use gpu_core::ops::density::Density;
use gpu_core::{Array, Cpu, Executor, Reference, Sharing};

/// Points to a side of a square around the origin.
const SIDE: usize = 480;

/// Their distance: an affine coupling spreads the density further, a spline bends it at its knots.
fn step(coupling: Coupling) -> f64 {
    match coupling {
        Coupling::Affine | Coupling::Planar => 0.05,
        Coupling::Spline => 0.025,
    }
}

fn flow(coupling: Coupling, points: usize) -> RealNvp {
    let density = Some(Density::Moons);
    let spec = SetSpec { train: 1, test: points, image: [1, 1, 2], classes: 1, variance: 1.0, points: density };
    let (hidden, x_waves, bins, bound, max_log_scale) = (vec![9, 7], 1, 5, 3.0, 0.5);
    let sizes = RealNvpConfig { hidden, x_waves, bins, bound, max_log_scale, ..RealNvpConfig::default() };
    let config = RealNvpConfig { coupling, layers: 3, ..sizes };
    RealNvp::new(config, &spec.into())
}

/// Weights of a network that is not trained, larger than initial ones, and a normalisation that changes numbers.
fn write_weights(executor: &mut dyn Executor, flow: &RealNvp) {
    for (buf, values) in initial_values(flow, 5, false) {
        executor.write(buf, &Array::F32(values.into_iter().map(|w| 1.2 * w).collect())).unwrap();
    }
    let learnt = flow.couplings.normalise().unwrap();
    executor.write(learnt, &Array::F32(vec![0.2, -0.3, 0.4, -0.1])).unwrap();
}

/// Points on a grid over the square.
fn grid(step: f64) -> Vec<f64> {
    let place = |k: usize| (k as f64 - 0.5 * (SIDE - 1) as f64) * step;
    (0..SIDE * SIDE).flat_map(|k| [place(k % SIDE), place(k / SIDE)]).collect()
}

fn run(executor: &mut dyn Executor, Pass { schedule, outputs }: &Pass, given: &[(Buf, Array)]) -> Vec<Vec<f64>> {
    let program = executor.prepare(schedule).unwrap();
    given.iter().for_each(|(buf, values)| executor.write(*buf, values).unwrap());
    let ticket = executor.submit(&[program], 1, outputs).unwrap();
    executor.wait(ticket).unwrap().iter().map(|found| found.to_f64()).collect()
}

#[test]
fn a_density_integrates_to_one() {
    for &coupling in &Coupling::ALL {
        let flow = flow(coupling, SIDE * SIDE);
        let mut cpu = Reference::new(flow.memory().clone(), Sharing::On);
        write_weights(&mut cpu, &flow);
        let test = flow.buffers().first().test;
        let found =
            run(&mut cpu, &flow.neg_log_density(SIDE * SIDE), &[(test, Array::F64(grid(step(coupling))))]).remove(0);
        let mass = found.iter().map(|nll| (-nll).exp()).sum::<f64>() * step(coupling).powi(2);
        assert!((mass - 1.0).abs() < 2e-4, "{coupling:?}: {mass}");
        // Noise has its mode at the origin, and a density of 1 / 2π there.
        let middle = found[SIDE / 2 * SIDE + SIDE / 2];
        assert!((middle - f64::from(TAU.ln())).abs() > 0.05, "{coupling:?}: {middle} is that of noise");
    }
}

/// Largest distance of x from the inverse of its z, and the largest change that the flow makes.
fn distances(executor: &mut dyn Executor, flow: &RealNvp) -> [f64; 2] {
    let count = 2000;
    write_weights(executor, flow);
    let mut s = Schedule::new();
    let x = s.scratch([count, 2]);
    s.feed(x);
    let z = flow.couplings.forward(&mut s, x, Mode::Use).z;
    let again = flow.couplings.inverse(&mut s, z);
    // Numbers inside the interval of splines and outside.
    let numbers: Vec<f32> = (0..2 * count).map(|i| ((i * 7919) % 4001) as f32 / 500.0 - 4.0).collect();
    let values: Vec<f64> = numbers.iter().map(|&x| x.into()).collect();
    let found = run(executor, &Pass::new(s, &[z, again]), &[(x, Array::F32(numbers))]);
    let farthest = |found: &[f64]| found.iter().zip(&values).map(|(y, x)| (y - x).abs()).fold(0.0, f64::max);
    [farthest(&found[1]), farthest(&found[0])]
}

#[test]
fn the_inverse_returns_its_input() {
    for &coupling in &Coupling::ALL {
        let flow = flow(coupling, 1);
        let [error, change] = distances(&mut Reference::new(flow.memory().clone(), Sharing::On), &flow);
        assert!(error < 1e-10, "{coupling:?} in f64: {error:.1e}");
        assert!(change > 0.5, "{coupling:?}: the flow changes numbers by {change} at most");
        let [error, _] = distances(&mut Cpu::new(flow.memory().clone(), Sharing::On), &flow);
        assert!(error < 1e-4, "{coupling:?} in f32: {error:.1e}");
    }
}
