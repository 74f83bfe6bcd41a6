//! A test case: a small schedule with its inputs, and the gradients that it claims to compute.

use gpu_core::{Array, Buf, Dtype, Schedule, Shape};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The contents of an input, drawn from the case's own generator, which is seeded by its name.
#[derive(Clone, Debug)]
pub enum Fill {
    /// Uniform in [low, high).
    Uniform(f64, f64),
    /// Uniform in [−1, 1) without (−0.05, 0.05), to avoid the kinks of piecewise functions.
    OffZero,
    /// Uniform words less than a bound.
    Words(u32),
    /// These numbers.
    Numbers(Vec<f64>),
    /// These words.
    Exactly(Vec<u32>),
}

/// A claim: with L = Σ dy ⊙ y, each `dx` of a pair is ∂L/∂x (added to what dx held, if dx is an input).
#[derive(Clone, Debug)]
pub struct Differentiation {
    /// The output.
    pub y: Buf,
    /// The upstream gradient, an input.
    pub dy: Buf,
    /// Inputs, and the buffers that hold their gradients after the schedule has run.
    pub pairs: Vec<(Buf, Buf)>,
}

/// A test case of an operator.
#[derive(Debug)]
pub struct Case {
    /// A description with the sizes; also the seed of the inputs.
    pub name: String,
    /// The calls, each of which is compared with the reference.
    pub schedule: Schedule,
    /// The inputs and their contents.
    pub inputs: Vec<(Buf, Array)>,
    /// The gradients claimed.
    pub claims: Vec<Differentiation>,
    /// Bound on |gpu − reference| / max(1, |reference|).
    pub tolerance: f64,
    rng: StdRng,
}

impl Case {
    /// A case without calls, with the tolerance of an elementwise kernel.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let seed = name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let (schedule, rng) = (Schedule::new(), StdRng::seed_from_u64(seed));
        Self { name, schedule, inputs: Vec::new(), claims: Vec::new(), tolerance: tolerance(1), rng }
    }

    /// Adds an input.
    pub fn input(&mut self, shape: impl Into<Shape>, fill: Fill) -> Buf {
        let shape = shape.into();
        let dtype = match fill {
            Fill::Words(_) | Fill::Exactly(_) => Dtype::U32,
            _ => Dtype::F32,
        };
        let buf = self.schedule.scratch_of(shape, dtype);
        self.schedule.feed(buf);
        let values = self.fill(shape.len(), fill);
        self.inputs.push((buf, values));
        buf
    }

    /// Sets the tolerance to that of sums of `terms` terms.
    pub fn sums_of(&mut self, terms: usize) {
        self.tolerance = tolerance(terms);
    }

    /// Claims that each `dx` is the derivative of Σ dy ⊙ y with respect to its `x`.
    pub fn claim(&mut self, y: Buf, dy: Buf, pairs: &[(Buf, Buf)]) {
        for buf in pairs.iter().map(|pair| pair.1).chain([y]) {
            self.schedule.keep(buf);
        }
        self.claims.push(Differentiation { y, dy, pairs: pairs.to_vec() });
    }

    fn fill(&mut self, len: usize, fill: Fill) -> Array {
        let rng = &mut self.rng;
        // Inputs are exact in f32, so that every executor sees the same numbers.
        let numbers = |draw: &mut dyn FnMut() -> f64| Array::F32((0..len).map(|_| draw() as f32).collect());
        match fill {
            Fill::Uniform(low, high) => numbers(&mut || rng.random_range(low..high)),
            Fill::OffZero => numbers(&mut || {
                let x: f64 = rng.random_range(-0.95..0.95);
                x + 0.05f64.copysign(x)
            }),
            Fill::Words(below) => Array::U32((0..len).map(|_| rng.random_range(0..below)).collect()),
            Fill::Numbers(values) => {
                assert_eq!(values.len(), len, "{}: wrong number of values", self.name);
                Array::F32(values.iter().map(|&v| v as f32).collect())
            }
            Fill::Exactly(words) => {
                assert_eq!(words.len(), len, "{}: wrong number of words", self.name);
                Array::U32(words)
            }
        }
    }
}

/// The tolerance for sums of `terms` terms: eight units in the last place, times the root of their number. Rounding
/// errors of a sum are close to independent, so they grow like a random walk.
pub fn tolerance(terms: usize) -> f64 {
    8.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt()
}
