//! Features of times and coordinates as ONNX operators, and numbers added to channels.

use super::calls::{Calls, buf, number, word};
use super::graph::{Graph, Set};
use crate::io::error::Result;
use gpu_core::Call;

impl Graph {
    /// π 2ᵏ of each wave.
    fn speeds(&mut self, waves: usize) -> String {
        let speeds: Vec<f32> = (0..waves).map(|k| (std::f64::consts::PI * f64::from(1u32 << k)) as f32).collect();
        self.numbers(None, &[waves], &speeds)
    }
}

impl Calls<'_> {
    pub(super) fn time_features(&mut self, call: &Call) -> Result<bool> {
        let waves = word(call, "waves");
        let t = self.value(buf(call, "t"))?;
        let graph = &mut self.graph;
        let t = graph.rows(&t, 1);
        let speeds = graph.speeds(waves);
        let angles = graph.node("Mul", &[&t, &speeds], &[]);
        let both = ["Cos", "Sin"].map(|op| {
            let of_angles = graph.node(op, &[&angles], &[]);
            graph.reshape(&of_angles, &[-1, waves as i64, 1])
        });
        let y = graph.node("Concat", &[&both[0], &both[1]], &[("axis", Set::I(2))]);
        let y = graph.rows(&y, 2 * waves);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    /// e^(−½ ω² σ²) (cos ωx, sin ωx) with ω = π 2ᵏ and σ = (1 − u)ᵖ.
    pub(super) fn blurred_waves(&mut self, call: &Call) -> Result<bool> {
        let [n, waves] = ["n", "waves"].map(|name| word(call, name));
        let [x, u] = [self.value(buf(call, "x"))?, self.value(buf(call, "u"))?];
        let graph = &mut self.graph;
        let (x, u) = (graph.reshape(&x, &[-1, n as i64, 1]), graph.reshape(&u, &[-1, 1, 1]));
        let (speeds, power) = (graph.speeds(waves), graph.number(number(call, "spacing")));
        let angles = graph.node("Mul", &[&x, &speeds], &[]);
        let left = graph.affine(&u, -1.0, 1.0);
        let sigma = graph.node("Pow", &[&left, &power], &[]);
        let blur = graph.node("Mul", &[&sigma, &speeds], &[]);
        let blur = graph.node("Mul", &[&blur, &blur], &[]);
        let blur = graph.affine(&blur, -0.5, 0.0);
        let blur = graph.node("Exp", &[&blur], &[]);
        let both = ["Cos", "Sin"].map(|op| {
            let of_angles = graph.node(op, &[&angles], &[]);
            let blurred = graph.node("Mul", &[&of_angles, &blur], &[]);
            graph.reshape(&blurred, &[-1, n as i64, waves as i64, 1])
        });
        let y = graph.node("Concat", &[&both[0], &both[1]], &[("axis", Set::I(3))]);
        let y = graph.rows(&y, 2 * waves * n);
        self.set(buf(call, "y"), y);
        Ok(true)
    }

    /// Numbers for the channels of images, added to their pixels.
    pub(super) fn shift_channels(&mut self, call: &Call) -> Result<bool> {
        let [hw, c] = ["hw", "c"].map(|name| word(call, name) as i64);
        let [x, e] = [self.value(buf(call, "x"))?, self.value(buf(call, "e"))?];
        let [x, e] = [self.graph.reshape(&x, &[-1, hw, c]), self.graph.reshape(&e, &[-1, 1, c])];
        let y = self.graph.node("Add", &[&x, &e], &[]);
        self.set(buf(call, "y"), y);
        Ok(true)
    }
}
