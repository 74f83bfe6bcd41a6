//! A test case: a small schedule with its inputs, and the gradients that it claims to compute.

use gpu_core::{Array, Buf, Call, Dtype, Schedule, Shape};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The contents of an input.
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
    /// The inputs and their contents, which are drawn when the case runs ([`Case::values`]), since some are large.
    pub inputs: Vec<(Buf, Fill)>,
    /// The gradients claimed.
    pub claims: Vec<Differentiation>,
    /// Bound on |gpu − reference| / max(1, |reference|).
    pub tolerance: f64,
}

impl Case {
    /// A case without calls, with the tolerance of an elementwise kernel.
    pub fn new(name: impl Into<String>) -> Self {
        let (schedule, inputs, claims) = (Schedule::new(), Vec::new(), Vec::new());
        Self { name: name.into(), schedule, inputs, claims, tolerance: tolerance(1) }
    }

    /// Adds an input.
    pub fn input(&mut self, shape: impl Into<Shape>, fill: Fill) -> Buf {
        let shape = shape.into();
        let dtype = match fill {
            Fill::Words(_) | Fill::Exactly(_) => Dtype::U32,
            _ => Dtype::F32,
        };
        let given = match &fill {
            Fill::Numbers(values) => values.len(),
            Fill::Exactly(words) => words.len(),
            _ => shape.len(),
        };
        assert_eq!(given, shape.len(), "{}: wrong number of values", self.name);
        let buf = self.schedule.scratch_of(shape, dtype);
        self.schedule.feed(buf);
        self.inputs.push((buf, fill));
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

    /// The inputs' values, by a generator that is seeded by the name.
    pub fn values(&self) -> Vec<(Buf, Array)> {
        let seed = self.name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let mut rng = StdRng::seed_from_u64(seed);
        self.inputs.iter().map(|(buf, fill)| (*buf, fill.draw(buf.len(), &mut rng))).collect()
    }

    /// The floating-point operations and the elements of all calls: the cost of running it, roughly.
    pub fn work(&self) -> u64 {
        let elements = |call: &Call| call.bufs.iter().map(|buf| buf.len() as u64).sum::<u64>();
        self.schedule.calls().iter().map(|call| call.flops + elements(call)).sum()
    }
}

impl Fill {
    /// Values that are exact in f32, so that every executor sees the same numbers.
    fn draw(&self, len: usize, rng: &mut StdRng) -> Array {
        let numbers = |draw: &mut dyn FnMut() -> f64| Array::F32((0..len).map(|_| draw() as f32).collect());
        match self {
            Self::Uniform(low, high) => numbers(&mut || rng.random_range(*low..*high)),
            Self::OffZero => numbers(&mut || {
                let x: f64 = rng.random_range(-0.95..0.95);
                x + 0.05f64.copysign(x)
            }),
            Self::Words(below) => Array::U32((0..len).map(|_| rng.random_range(0..*below)).collect()),
            Self::Numbers(values) => Array::F32(values.iter().map(|&v| v as f32).collect()),
            Self::Exactly(words) => Array::U32(words.clone()),
        }
    }
}

/// The tolerance for sums of `terms` terms: eight units in the last place, times the root of their number. Rounding
/// errors of a sum are close to independent, so they grow like a random walk.
pub fn tolerance(terms: usize) -> f64 {
    8.0 * f64::from(f32::EPSILON) * (terms as f64).sqrt()
}
