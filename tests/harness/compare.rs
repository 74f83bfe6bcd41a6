//! Compares executors with the reference call by call. The reference's inputs are copied in before each call, so
//! errors do not compound and the first wrong call is the one reported.

use gpu_core::{Access, Array, Buf, Call, Error, Executor, Memory, Reference, Schedule, Sharing};

/// The comparison of one output of a call.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The index of the call in the schedule.
    pub call: usize,
    /// The kernel.
    pub kernel: &'static str,
    /// The call's label.
    pub label: String,
    /// The output's name in the shader.
    pub output: &'static str,
    /// The largest |value − reference| / max(1, |reference|); infinite if only one of the two is finite.
    pub error: f64,
    /// The index of that element, its value, and the reference.
    pub worst: (usize, f64, f64),
}

/// The reference for comparisons. It shares no memory, so that every buffer can be read.
pub fn reference(memory: &Memory) -> Reference {
    Reference::new(memory.clone(), Sharing::Off)
}

/// Runs `schedule` on an executor and on the reference with the same inputs, and compares every output of every call.
pub fn call_by_call(
    executor: &mut dyn Executor,
    memory: &Memory,
    schedule: &Schedule,
    inputs: &[(Buf, Array)],
) -> Result<Vec<Comparison>, Error> {
    Ok(side_by_side(&mut [executor], &|_, _| true, memory, schedule, inputs)?.remove(0))
}

/// Runs `schedule` on the executors and on the reference with the same inputs, and compares every output of every call;
/// one list for each executor. Words must be equal. An executor runs only the calls for which `runs` is true; the
/// reference runs once for all of them.
pub fn side_by_side(
    executors: &mut [&mut dyn Executor],
    runs: &dyn Fn(usize, &Call) -> bool,
    memory: &Memory,
    schedule: &Schedule,
    inputs: &[(Buf, Array)],
) -> Result<Vec<Vec<Comparison>>, Error> {
    let mut reference = reference(memory);
    let expected = reference.prepare(schedule)?;
    let programs = executors.iter_mut().map(|executor| executor.prepare(schedule)).collect::<Result<Vec<_>, _>>()?;
    for (buf, values) in inputs {
        reference.write(*buf, values)?;
    }
    let mut comparisons: Vec<Vec<Comparison>> = executors.iter().map(|_| Vec::new()).collect();
    for (index, call) in schedule.calls().iter().enumerate() {
        let mut running: Vec<usize> = (0..executors.len()).collect();
        running.retain(|&number| runs(number, call));
        hand_over(executors, &running, &mut reference, call)?;
        reference.run_call(expected, index)?;
        let outputs = call.kernel.bindings.iter().zip(&call.bufs).filter(|(binding, _)| binding.access != Access::Read);
        let outputs = outputs.map(|(binding, buf)| Ok((binding.name, *buf, reference.read(*buf)?)));
        let outputs = outputs.collect::<Result<Vec<_>, Error>>()?;
        for number in running {
            executors[number].run_call(programs[number], index)?;
            for (output, buf, wanted) in &outputs {
                let (error, worst) = distance(&executors[number].read(*buf)?, wanted);
                let (kernel, label) = (call.kernel.name, call.label.clone());
                comparisons[number].push(Comparison { call: index, kernel, label, output, error, worst });
            }
        }
    }
    Ok(comparisons)
}

/// Copies the inputs of a call, and overwrites its outputs with NaN, so that an element left unwritten shows.
fn hand_over(
    executors: &mut [&mut dyn Executor],
    running: &[usize],
    reference: &mut Reference,
    call: &Call,
) -> Result<(), Error> {
    for (binding, buf) in call.kernel.bindings.iter().zip(&call.bufs) {
        let values = match (binding.access, reference.read(*buf)?) {
            (Access::Write, Array::U32(words)) => Array::U32(vec![0xDEAD_BEEF; words.len()]),
            (Access::Write, numbers) => Array::F32(vec![f32::NAN; numbers.len()]),
            // The reference continues from single precision too, so that all see the same inputs.
            (_, Array::F64(numbers)) => {
                let rounded = Array::F32(numbers.iter().map(|&v| v as f32).collect());
                reference.write(*buf, &rounded)?;
                rounded
            }
            (_, words) => words,
        };
        for &number in running {
            executors[number].write(*buf, &values)?;
        }
    }
    Ok(())
}

/// The largest relative difference between two arrays, and its position.
pub fn distance(values: &Array, reference: &Array) -> (f64, (usize, f64, f64)) {
    let exact = matches!(reference, Array::U32(_));
    let pairs = values.to_f64().into_iter().zip(reference.to_f64()).enumerate();
    let errors = pairs.map(|(i, (value, expected))| (error(value, expected, exact), (i, value, expected)));
    errors.max_by(|a, b| a.0.total_cmp(&b.0)).expect("a buffer is never empty")
}

/// |value − expected| / max(1, |expected|). Values that are not finite agree only with equal ones, words only exactly.
fn error(value: f64, expected: f64, exact: bool) -> f64 {
    let same_kind = (value.is_nan() && expected.is_nan()) || value == expected;
    if same_kind {
        0.0
    } else if exact || !value.is_finite() || !expected.is_finite() {
        f64::INFINITY
    } else {
        (value - expected).abs() / expected.abs().max(1.0)
    }
}
