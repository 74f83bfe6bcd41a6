//! Compares claimed gradients with finite differences of the reference.

use crate::compare::reference;
use crate::{Case, Differentiation};
use gpu_core::{Array, Buf, Error, Executor, Memory, Program};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Elements tried in each input.
const SAMPLES: usize = 8;
const STEP: f64 = 1e-5;
/// The bound on |claimed − differenced| / max(1, |differenced|). Central differences err by about STEP² times a third
/// derivative, and by rounding errors divided by STEP.
pub const TOLERANCE: f64 = 2e-6;

/// The comparison of one element of a gradient.
#[derive(Clone, Debug)]
pub struct Slope {
    /// The pair and the element.
    pub location: String,
    /// The gradient computed by the backward kernels.
    pub claimed: f64,
    /// The finite difference.
    pub differenced: f64,
}

impl Slope {
    /// |claimed − differenced| / max(1, |differenced|)
    pub fn error(&self) -> f64 {
        (self.claimed - self.differenced).abs() / self.differenced.abs().max(1.0)
    }
}

/// The inputs of a case and their values.
type Inputs = [(Buf, Array)];

/// Checks every claim of a case at a few elements of each input.
pub fn check(case: &Case) -> Result<Vec<Slope>, Error> {
    let memory = Memory::default();
    let mut cpu = reference(&memory);
    let program = cpu.prepare(&case.schedule)?;
    let mut rng = StdRng::seed_from_u64(11);
    let mut slopes = Vec::new();
    // Nothing to do for the large cases, which make no claims.
    let inputs = if case.claims.is_empty() { Vec::new() } else { case.values() };
    for claim in &case.claims {
        for (pair, &(x, dx)) in claim.pairs.iter().enumerate() {
            let claimed = claimed(&mut cpu, program, &inputs, dx)?;
            let elements = 0..x.len().min(SAMPLES);
            for element in elements.map(|i| if x.len() <= SAMPLES { i } else { rng.random_range(0..x.len()) }) {
                let mut loss_at = |shift| loss(&mut cpu, program, &inputs, claim, x, element, shift);
                let differenced = (loss_at(STEP)? - loss_at(-STEP)?) / (2.0 * STEP);
                let location = format!("pair {pair}, element {element}");
                slopes.push(Slope { location, claimed: claimed[element], differenced });
            }
        }
    }
    Ok(slopes)
}

/// The gradient that the schedule adds to dx.
fn claimed(cpu: &mut dyn Executor, program: Program, inputs: &Inputs, dx: Buf) -> Result<Vec<f64>, Error> {
    run(cpu, program, inputs)?;
    let after = cpu.read(dx)?.to_f64();
    let given = inputs.iter().find(|(buf, _)| buf.id == dx.id);
    let before =
        given.map(|(buf, values)| values.to_f64()[dx.offset as usize - buf.offset as usize..][..dx.len()].to_vec());
    Ok(match before {
        Some(before) => after.iter().zip(before).map(|(after, before)| after - before).collect(),
        None => after,
    })
}

/// Σ dy ⊙ y with one element of x shifted.
fn loss(
    cpu: &mut dyn Executor,
    program: Program,
    inputs: &Inputs,
    claim: &Differentiation,
    x: Buf,
    element: usize,
    shift: f64,
) -> Result<f64, Error> {
    for (buf, values) in inputs {
        cpu.write(*buf, values)?;
    }
    let mut moved = cpu.read(x)?.to_f64();
    moved[element] += shift;
    cpu.write(x, &Array::F64(moved))?;
    let ticket = cpu.submit(&[program], 1, &[claim.y, claim.dy])?;
    let seen = cpu.wait(ticket)?;
    Ok(seen[0].to_f64().iter().zip(seen[1].to_f64()).map(|(y, dy)| y * dy).sum())
}

fn run(cpu: &mut dyn Executor, program: Program, inputs: &Inputs) -> Result<(), Error> {
    for (buf, values) in inputs {
        cpu.write(*buf, values)?;
    }
    let ticket = cpu.submit(&[program], 1, &[])?;
    cpu.wait(ticket).map(|_| ())
}
