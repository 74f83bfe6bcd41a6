//! Integration of dx/dt = v(x, t) by explicit Runge–Kutta methods, all steps in one schedule.

use gpu_core::ops::elementwise::combine;
use gpu_core::{Buf, Schedule};
use serde::{Deserialize, Serialize};

/// A method of integration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// Euler's, of order one: one velocity a step.
    Euler,
    /// Heun's, of order two: two velocities a step.
    Heun,
    /// The classical one of Runge and Kutta, of order four: four velocities a step.
    Rk4,
}

/// A stage of a method: the share of the step at which it takes the velocity, from the velocity of the stage before,
/// and the weight of its velocity in the step.
type Stage = (f64, f64);

impl Solver {
    /// All methods.
    pub const ALL: [Self; 3] = [Self::Euler, Self::Heun, Self::Rk4];

    fn stages(self) -> &'static [Stage] {
        match self {
            Self::Euler => &[(0.0, 1.0)],
            Self::Heun => &[(0.0, 0.5), (1.0, 0.5)],
            Self::Rk4 => &[(0.0, 1.0 / 6.0), (0.5, 1.0 / 3.0), (0.5, 1.0 / 3.0), (1.0, 1.0 / 6.0)],
        }
    }
}

/// Times from 0, noise, to 1, data: t = 1 − (1 − k / steps)ᵖ.
pub(super) fn times(steps: usize, spacing: f32) -> Vec<f64> {
    let time = |k: usize| 1.0 - (1.0 - k as f64 / steps as f64).powf(spacing.into());
    (0..=steps).map(time).collect()
}

/// The u of a time t = 1 − (1 − u)ᵖ.
pub(super) fn place(t: f64, spacing: f32) -> f64 {
    1.0 - (1.0 - t).max(0.0).powf(1.0 / f64::from(spacing))
}

/// The state of an integration: x, and numbers that change at a rate of x and t alone, if there are some.
pub(super) type State = (Buf, Option<Buf>);

/// The state at the last of the times from that at the first; `rates` are those of a state's parts at x and t.
pub(super) fn integrate(
    s: &mut Schedule,
    (mut x, mut other): State,
    times: &[f64],
    solver: Solver,
    mut rates: impl FnMut(&mut Schedule, Buf, f64) -> State,
) -> State {
    for (number, pair) in times.windows(2).enumerate() {
        let (t, h) = (pair[0], pair[1] - pair[0]);
        s.scope(&format!("step{number}"), |s| {
            let (from, mut last) = (x, None);
            for (stage, &(share, weight)) in solver.stages().iter().enumerate() {
                s.scope(&format!("stage{stage}"), |s| {
                    let at = last.map_or(from, |v| combine(s, "at", from, 1.0, v, (share * h) as f32));
                    let (v, rate) = rates(s, at, t + share * h);
                    let mut add = |label, sum, rate| combine(s, label, sum, 1.0, rate, (weight * h) as f32);
                    x = add("x", x, v);
                    other = other.zip(rate).map(|(other, rate)| add("other", other, rate));
                    last = Some(v);
                });
            }
        });
    }
    (x, other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpu_core::ops::elementwise::scale;
    use gpu_core::{Array, Executor, Memory, Reference, Sharing};

    /// The solution of dx/dt = −(1 + t) x from 0 to 1, and the integral of x.
    fn solved(steps: usize, solver: Solver) -> [f64; 2] {
        let mut s = Schedule::new();
        let (x, sum) = (s.scratch([1]), s.scratch([1]));
        [x, sum].into_iter().for_each(|buf| s.feed(buf));
        let rates = |s: &mut Schedule, x, t: f64| (scale(s, "v", x, -(1.0 + t) as f32), Some(x));
        let (x1, sum1) = integrate(&mut s, (x, Some(sum)), &times(steps, 1.5), solver, rates);
        let outputs = [x1, sum1.unwrap()];
        outputs.into_iter().for_each(|buf| s.keep(buf));
        let mut cpu = Reference::new(Memory::default(), Sharing::On);
        let program = cpu.prepare(&s).unwrap();
        cpu.write(x, &Array::F64(vec![1.0])).unwrap();
        cpu.write(sum, &Array::F64(vec![0.0])).unwrap();
        let ticket = cpu.submit(&[program], 1, &outputs).unwrap();
        let found = cpu.wait(ticket).unwrap();
        [found[0].to_f64()[0], found[1].to_f64()[0]]
    }

    /// x(1) = e^−1.5; the integral of e^−(t + t²/2), by Simpson's rule.
    #[test]
    fn errors_fall_with_the_order_of_the_method() {
        let value = |t: f64| (-t - t * t / 2.0).exp();
        let weight = |k: u32| if k == 0 || k == 1000 { 1.0 } else { f64::from(2 + 2 * (k % 2)) };
        let area = (0..=1000).map(|k| weight(k) * value(f64::from(k) / 1000.0)).sum::<f64>() / 3000.0;
        // Few enough steps that errors are far above those of steps rounded to f32.
        for (solver, order, steps) in [(Solver::Euler, 1, 8), (Solver::Heun, 2, 8), (Solver::Rk4, 4, 4)] {
            let errors = [steps, 2 * steps].map(|steps| {
                let [x, sum] = solved(steps, solver);
                [x - value(1.0), sum - area].map(f64::abs)
            });
            for part in 0..2 {
                let ratio = errors[0][part] / errors[1][part];
                let expected = f64::from(1 << order);
                assert!((0.7 * expected..1.4 * expected).contains(&ratio), "{solver:?}, part {part}: {errors:?}");
            }
        }
    }

    #[test]
    fn times_go_from_noise_to_data_at_places_of_equal_distance() {
        assert_eq!(times(4, 1.0), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(times(4, 2.0), [0.0, 0.4375, 0.75, 0.9375, 1.0]);
        for spacing in [1.0, 2.0, 3.5] {
            let places: Vec<f64> = times(4, spacing).into_iter().map(|t| place(t, spacing)).collect();
            assert!(places.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]).all(|(u, k)| (u - k).abs() < 1e-12), "{places:?}");
        }
    }
}
