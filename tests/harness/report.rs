//! Runs cases and summarises them in one row per kernel, for `frit check` and the tests.

use crate::compare::{Comparison, side_by_side};
use crate::{Case, differences};
use gpu_core::{Backend, Call, Error, Executor, Memory, Needs, Sharing, Variant, VariantPolicy, eligible};

/// The result of all cases of a kernel.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel, or the operator whose gradients were checked.
    pub name: String,
    /// Comparisons made.
    pub cases: usize,
    /// The worst error, relative to max(1, |reference|).
    pub error: f64,
    /// The worst error relative to its case's tolerance; the row fails above one.
    pub share: f64,
    /// The case and the call of the worst error.
    pub location: String,
}

impl Row {
    fn new(name: &str) -> Self {
        Self { name: name.into(), cases: 0, error: 0.0, share: 0.0, location: String::new() }
    }

    /// True if an error exceeds its tolerance.
    pub fn failed(&self) -> bool {
        // NaN fails too.
        !matches!(self.share.partial_cmp(&1.0), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal))
    }

    fn add(&mut self, error: f64, tolerance: f64, location: impl FnOnce() -> String) {
        self.cases += 1;
        self.error = self.error.max(error);
        let share = error / tolerance;
        if self.location.is_empty() || share > self.share || share.is_nan() {
            (self.share, self.location) = (share, location());
        }
    }
}

/// Compares every call of every case on a backend with the reference, for every variant that the backend can run.
pub fn parity(backend: &Backend, cases: &[Case]) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    cases.iter().try_for_each(|case| add_parity(backend, case, &mut rows))?;
    Ok(rows)
}

/// The same for one case, added to `rows`.
pub fn add_parity(backend: &Backend, case: &Case, rows: &mut Vec<Row>) -> Result<(), Error> {
    let memory = Memory::default();
    let suffixes = suffixes(backend, case);
    let executor = |suffix: &&'static str| {
        backend.clone().with_policy(VariantPolicy::Only(suffix)).executor(memory.clone(), Sharing::Off)
    };
    let mut executors: Vec<Box<dyn Executor>> = suffixes.iter().map(executor).collect();
    let mut executors: Vec<&mut dyn Executor> =
        executors.iter_mut().map(|executor| executor.as_mut() as &mut dyn Executor).collect();
    // A call without such a variant would run its default variant again.
    let runs = |number: usize, call: &Call| name(backend, call, suffixes[number]).is_some();
    let found = side_by_side(&mut executors, &runs, &memory, &case.schedule, &case.values())?;
    for (suffix, comparisons) in suffixes.iter().zip(found) {
        for comparison in comparisons {
            let call = &case.schedule.calls()[comparison.call];
            let name = name(backend, call, suffix).expect("only such calls run");
            if rows.iter().all(|row| row.name != name) {
                rows.push(Row::new(name));
            }
            let row = rows.iter_mut().find(|row| row.name == name).expect("just added");
            let (index, value, reference) = comparison.worst;
            row.add(comparison.error, case.tolerance * precision(suffix), || {
                let Comparison { label, output, .. } = &comparison;
                format!("{}, {label}: {output}[{index}] = {value}, reference {reference}", case.name)
            });
        }
    }
    Ok(())
}

/// The rounding of operands relative to f32.
fn precision(suffix: &str) -> f64 {
    if suffix == "_half" || suffix.starts_with("_cooperative") { 2f64.powi(13) } else { 1.0 }
}

/// The variants of a call that a backend can run; the executors on the CPU have none. Those that only `frit tune`
/// chooses run in calls with a plain epilogue, since all tiles have the same one.
fn variants(backend: &Backend, call: &Call) -> Vec<&'static Variant> {
    let plain = || call.overrides().all(|(name, on)| on == 0 || !["activation", "gate", "use_bias"].contains(&name));
    let wanted = |variant: &&Variant| !matches!(variant.needs, Needs::Tuning | Needs::Quads) || plain();
    match backend {
        Backend::Gpu(device) => eligible(call, &device.caps).into_iter().filter(wanted).collect(),
        Backend::Cpu | Backend::Reference => Vec::new(),
    }
}

/// The suffixes of the variants in a case; the default first.
fn suffixes(backend: &Backend, case: &Case) -> Vec<&'static str> {
    let mut suffixes = vec![""];
    for call in case.schedule.calls() {
        for suffix in variants(backend, call).iter().map(|variant| variant.suffix(call.kernel.name)) {
            if !suffixes.contains(&suffix) {
                suffixes.push(suffix);
            }
        }
    }
    suffixes
}

/// The name of the kernel, or of its variant with that suffix; `None` if the call has no such variant.
fn name(backend: &Backend, call: &Call, suffix: &str) -> Option<&'static str> {
    if suffix.is_empty() {
        return Some(call.kernel.name);
    }
    let of_call = variants(backend, call);
    of_call.iter().map(|variant| variant.name).find(|name| name.strip_prefix(call.kernel.name) == Some(suffix))
}

/// Compares the claimed gradients of an operator's cases with finite differences; `None` if nothing is claimed.
pub fn gradients(op: &str, cases: &[Case]) -> Result<Option<Row>, Error> {
    let mut row = gradient_row(op);
    cases.iter().try_for_each(|case| add_gradients(case, &mut row))?;
    Ok((row.cases > 0).then_some(row))
}

/// A row for the gradients of an operator.
pub fn gradient_row(op: &str) -> Row {
    Row::new(&format!("{op}, finite differences"))
}

/// Compares the claimed gradients of one case, and adds them to `row`.
pub fn add_gradients(case: &Case, row: &mut Row) -> Result<(), Error> {
    for slope in differences::check(case)? {
        row.add(slope.error(), differences::TOLERANCE, || {
            let differences::Slope { location, claimed, differenced } = &slope;
            format!("{}, {location}: gradient {claimed}, finite difference {differenced}", case.name)
        });
    }
    Ok(())
}
