//! Compares the reference with one case of golden vectors.

use crate::vectors::{Golden, Tensor, distance};
use gpu_core::{Array, Buf, Error, Executor, Memory, Reference, Schedule, Shape, Sharing};
use std::collections::BTreeSet;

/// Both compute in f64; the results differ by the order of a few dozen additions.
const EXACT: f64 = 1e-13;

/// A case of a file: its schedule, inputs, and expected outputs.
pub(crate) struct Bench<'a> {
    pub(crate) golden: &'a Golden,
    pub(crate) case: &'a str,
    pub(crate) memory: Memory,
    pub(crate) s: Schedule,
    pub(crate) inputs: Vec<(Buf, Array)>,
    outputs: Vec<(String, Buf, Vec<f64>)>,
    pub(crate) tolerance: f64,
}

impl<'a> Bench<'a> {
    fn new(golden: &'a Golden, case: &'a str) -> Self {
        let (memory, s) = (Memory::default(), Schedule::new());
        Self { golden, case, memory, s, inputs: Vec::new(), outputs: Vec::new(), tolerance: EXACT }
    }

    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        self.golden.tensor(&format!("{}/{name}", self.case)).clone()
    }

    /// The only element of a tensor, which must be exact in f32, as a uniform is.
    pub(crate) fn scalar(&self, name: &str) -> f32 {
        let value = self.tensor(name).values[0];
        assert_eq!(f64::from(value as f32), value, "{}/{name} is not exact in f32", self.case);
        value as f32
    }

    pub(crate) fn feed(&mut self, dims: &[usize], values: Vec<f64>) -> Buf {
        let buf = self.s.scratch(Shape::new(dims));
        self.s.feed(buf);
        self.inputs.push((buf, Array::F64(values)));
        buf
    }

    pub(crate) fn input(&mut self, name: &str) -> Buf {
        let Tensor { dims, values } = self.tensor(name);
        self.feed(&dims, values)
    }

    pub(crate) fn expect_values(&mut self, name: &str, buf: Buf, values: Vec<f64>) {
        self.s.keep(buf);
        self.outputs.push((name.into(), buf, values));
    }

    pub(crate) fn expect(&mut self, name: &str, buf: Buf) {
        let values = self.tensor(name).values;
        self.expect_values(name, buf, values);
    }

    /// Runs the case and lists the outputs that differ.
    fn faults(self) -> Result<Vec<String>, Error> {
        let mut cpu = Reference::new(self.memory, Sharing::Off);
        let program = cpu.prepare(&self.s)?;
        for (buf, values) in self.inputs {
            cpu.write(buf, &values)?;
        }
        let ticket = cpu.submit(&[program], 1, &[])?;
        cpu.wait(ticket)?;
        let mut faults = Vec::new();
        for (name, buf, expected) in self.outputs {
            let error = distance(&cpu.read(buf)?.to_f64(), &expected);
            if error > self.tolerance {
                faults.push(format!("{}/{name}: error {error:.1e} exceeds {:.0e}", self.case, self.tolerance));
            }
        }
        Ok(faults)
    }
}

/// Compares the reference with every case of a file. `build` takes the case, its operator and the case's own name. A
/// case called `start` has the initial values of other cases, and no outputs.
pub(crate) fn agree(stem: &str, build: impl Fn(&mut Bench<'_>, &str, &str)) -> Result<(), Error> {
    let golden = Golden::open(stem);
    let cases: BTreeSet<&str> = golden.0.keys().map(|name| name.rsplit_once('/').expect("op/case/tensor").0).collect();
    let mut faults = Vec::new();
    for case in cases.into_iter().filter(|case| !case.ends_with("/start")) {
        let (op, kind) = case.split_once('/').expect("op/case");
        let mut bench = Bench::new(&golden, case);
        build(&mut bench, op, kind);
        assert!(!bench.outputs.is_empty(), "{case} has no outputs");
        faults.extend(bench.faults()?);
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}
