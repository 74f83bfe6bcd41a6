//! Runs cases and summarises them in one row per kernel, for `frit check` and the tests.

use crate::compare::{Comparison, call_by_call};
use crate::{Case, differences};
use gpu_core::Device;
use gpu_core::{Error, Gpu, Memory, Sharing, VariantPolicy, eligible};

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

/// Compares every call of every case on a device with the reference, for every variant that the device can run.
pub fn parity(device: &Device, cases: &[Case]) -> Result<Vec<Row>, Error> {
    let mut rows: Vec<Row> = Vec::new();
    for case in cases {
        let memory = Memory::default();
        for suffix in suffixes(device, case) {
            let device = device.clone().with_policy(VariantPolicy::Only(suffix));
            let mut gpu = Gpu::new(device.clone(), memory.clone(), Sharing::Off);
            for comparison in call_by_call(&mut gpu, &memory, &case.schedule, &case.inputs)? {
                // Calls without such a variant were compared with the default variant.
                let Some(name) = name(&device, case, &comparison, suffix) else { continue };
                if rows.iter().all(|row| row.name != name) {
                    rows.push(Row::new(name));
                }
                let row = rows.iter_mut().find(|row| row.name == name).expect("just added");
                let (index, value, reference) = comparison.worst;
                row.add(comparison.error, case.tolerance * precision(suffix), || {
                    format!(
                        "{}, {}: {}[{index}] is {value}, not {reference}",
                        case.name, comparison.label, comparison.output
                    )
                });
            }
        }
    }
    Ok(rows)
}

/// The rounding of operands relative to f32.
fn precision(suffix: &str) -> f64 {
    if suffix == "_half" { 2f64.powi(13) } else { 1.0 }
}

/// The suffixes of the variants in a case; the default first.
fn suffixes(device: &Device, case: &Case) -> Vec<&'static str> {
    let mut suffixes = vec![""];
    for call in case.schedule.calls() {
        for suffix in eligible(call, &device.caps).iter().map(|variant| variant.suffix(call.kernel)) {
            if !suffixes.contains(&suffix) {
                suffixes.push(suffix);
            }
        }
    }
    suffixes
}

/// The name of the kernel or variant that ran a call; `None` if the call has no variant with that suffix.
fn name(device: &Device, case: &Case, comparison: &Comparison, suffix: &str) -> Option<&'static str> {
    if suffix.is_empty() {
        return Some(comparison.kernel);
    }
    let of_call = eligible(&case.schedule.calls()[comparison.call], &device.caps);
    of_call.iter().map(|variant| variant.name).find(|name| name.strip_prefix(comparison.kernel) == Some(suffix))
}

/// Compares the claimed gradients of an operator's cases with finite differences; `None` if nothing is claimed.
pub fn gradients(op: &str, cases: &[Case]) -> Result<Option<Row>, Error> {
    let mut row = Row::new(&format!("{op}, finite differences"));
    for case in cases {
        for slope in differences::check(case)? {
            row.add(slope.error(), differences::TOLERANCE, || {
                format!("{}, {}: {} is not {}", case.name, slope.location, slope.claimed, slope.differenced)
            });
        }
    }
    Ok((row.cases > 0).then_some(row))
}
