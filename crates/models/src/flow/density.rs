//! The log density of points under a flow, by its ordinary differential equation with the exact divergence.
//!
//! d log p(x(t)) / dt = −div v(x(t), t) (Chen et al., *Neural ordinary differential equations*, 2018): the density of a
//! point is that of the noise it comes from, changed by the divergence along the way. In the plane, the divergence is
//! two derivatives along the axes, each by a tangent pass.

use super::ode::{Solver, integrate, times};
use super::{Flow, FlowConfig, Velocity};
use crate::capabilities::LogDensity;
use crate::data::Range;
use crate::layers::{Mode, Value};
use crate::pass::Pass;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::{blurred_waves, channels, elementwise, fill};
use gpu_core::{Buf, Schedule};
use std::f32::consts::TAU;

/// The integration from a point to its noise: steps, method, and spacing of the times. Its error is far below that of
/// a velocity that is learnt.
const STEPS: usize = 50;
const SOLVER: Solver = Solver::Rk4;
const SPACING: f32 = 2.0;

impl Flow {
    /// The velocities [n, width] of x [n, width] at time t, and their divergences [n, 1]. `axes` are the directions
    /// [n, width] of x, in turn.
    fn velocity_and_divergence(&self, s: &mut Schedule, x: Buf, t: f64, axes: &[Buf]) -> (Buf, Buf) {
        let Velocity::Linear(layers) = &self.velocity else { panic!("no tangent goes through a U-Net") };
        let u = self.place(s, x.shape.rows(), t);
        let features = self.features(s, u, None);
        let beside = self.beside_waves(s, x, u);
        let input = channels::concat(s, "x_t", beside, features);
        let still = constant(s, [x.shape.rows(), features.shape.cols()], 0.0);
        let (v, saved) = layers.forward(s, Value::plain(input), Mode::Use);
        let mut along = |(axis, &direction): (usize, &Buf)| {
            s.scope(&format!("axis{axis}"), |s| {
                let beside = self.beside_waves_tangent(s, x, u, direction);
                let input = channels::concat(s, "x_t", beside, still);
                let slope = layers.tangent(s, &saved, input);
                channels::slice(s, "slope", slope, axis..axis + 1)
            })
        };
        let slopes: Vec<Buf> = axes.iter().enumerate().map(&mut along).collect();
        let sum = slopes.into_iter().reduce(|sum, slope| elementwise::add(s, "divergence", sum, slope));
        (v.buf, sum.expect("points have axes"))
    }

    /// The derivative of [`Flow::beside_waves`] along a direction of x, both [n, width].
    fn beside_waves_tangent(&self, s: &mut Schedule, x: Buf, u: Buf, direction: Buf) -> Buf {
        let FlowConfig { x_waves, spacing, .. } = self.config;
        if x_waves == 0 {
            return direction;
        }
        let slopes = blurred_waves::tangent(s, "x_waves", x, u, direction, x_waves, spacing);
        channels::concat(s, "x_beside_waves", direction, slopes)
    }
}

impl LogDensity for Flow {
    fn neg_log_density(&self, batch: usize) -> Pass {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let x = self.base.buffers.next_test(s, batch, Range::UNIT);
        let width = x.shape.cols();
        let axes: Vec<Buf> = (0..width).map(|axis| unit_rows(s, batch, width, axis)).collect();
        let none = constant(s, [batch, 1], 0.0);
        let backwards: Vec<f64> = times(STEPS, SPACING).into_iter().rev().collect();
        let rates = |s: &mut Schedule, x: Buf, t: f64| {
            let (v, divergence) = self.velocity_and_divergence(s, x, t, &axes);
            (v, Some(divergence))
        };
        let (z, change) = integrate(s, (x, Some(none)), &backwards, SOLVER, rates);
        // −log N(z; 0, 1) = ½ Σ z² + ½ width log 2π. The integral is from data to noise, so it counts negatively.
        let normal = Loss { kind: Kind::Squared, scale: 0.5, offset: 0.5 * width as f32 * TAU.ln() };
        let origin = constant(s, [1, width], 0.0);
        let of_noise = loss::forward(s, "noise", z, origin, normal);
        let change = change.expect("it began with zeros");
        let nll = elementwise::combine(s, "neg_log_density", of_noise, 1.0, change, -1.0);
        Pass::new(schedule, &[nll])
    }
}

fn constant(s: &mut Schedule, shape: [usize; 2], value: f32) -> Buf {
    let buf = s.scratch(shape);
    fill::fill(s, "constant", buf, value);
    buf
}

/// Rows [rows, width] with one in column `axis` and zeros elsewhere.
fn unit_rows(s: &mut Schedule, rows: usize, width: usize, axis: usize) -> Buf {
    let parts = [(axis, 0.0), (1, 1.0), (width - axis - 1, 0.0)].into_iter().filter(|&(columns, _)| columns > 0);
    let parts: Vec<Buf> = parts.map(|(columns, value)| constant(s, [rows, columns], value)).collect();
    parts.into_iter().reduce(|left, right| channels::concat(s, "axis", left, right)).expect("one has a column")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SetSpec;
    use crate::initial::initial_values;
    use crate::model::Model;
    use gpu_core::ops::density::Density;
    use gpu_core::{Array, Executor, Reference, Sharing};

    /// Points to a side of a square around the origin, and their distance.
    const SIDE: usize = 80;
    const STEP: f64 = 0.15;

    /// The densities of a network that is not trained, far from those of noise, add up to one over the plane.
    #[test]
    fn a_density_integrates_to_one() {
        let points = Some(Density::Moons);
        let spec = SetSpec { train: 1, test: SIDE * SIDE, image: [1, 1, 2], classes: 1, variance: 1.0, points };
        let config = FlowConfig { hidden: vec![9, 7], waves: 2, spacing: 1.5, x_waves: 1, ..FlowConfig::default() };
        let flow = Flow::new(config, &spec.into());
        let mut cpu = Reference::new(flow.memory().clone(), Sharing::On);
        for (buf, values) in initial_values(&flow, 5, false) {
            cpu.write(buf, &Array::F32(values.into_iter().map(|w| 2.5 * w).collect())).unwrap();
        }
        let place = |k: usize| (k as f64 - 0.5 * (SIDE - 1) as f64) * STEP;
        let grid = (0..SIDE * SIDE).flat_map(|k| [place(k % SIDE), place(k / SIDE)]).collect();
        cpu.write(flow.buffers().first().test, &Array::F64(grid)).unwrap();
        let Pass { schedule, outputs } = flow.neg_log_density(SIDE * SIDE);
        let program = cpu.prepare(&schedule).unwrap();
        let ticket = cpu.submit(&[program], 1, &outputs).unwrap();
        let found = cpu.wait(ticket).unwrap()[0].to_f64();
        let mass = found.iter().map(|nll| (-nll).exp()).sum::<f64>() * STEP * STEP;
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
        // Noise has its mode at the origin, and a density of 1 / 2π there.
        let middle = found[SIDE / 2 * SIDE + SIDE / 2];
        assert!((middle - f64::from(TAU.ln())).abs() > 0.05, "{middle} is that of noise");
    }
}
