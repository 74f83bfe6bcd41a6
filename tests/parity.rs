//! GPU = reference, for every case of every kernel, on whatever adapter is there. Also what `frit check` runs.

use frit_harness::{cases, compare};
use gpu_core::device::Adapter;
use gpu_core::{Gpu, Memory, Sharing};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for checked in [true, false] {
        for (op, _) in cases::all() {
            let name = format!("{op}::{}", if checked { "checked" } else { "unchecked" });
            trials.push(Trial::test(name, move || parity(op, checked)));
        }
    }
    // One device at a time: a software adapter takes every core as it is.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

fn parity(op: &str, checked: bool) -> Result<(), Failed> {
    let device = Adapter::best(true)?.open(checked)?;
    let cases = cases::all().into_iter().find(|(name, _)| *name == op).expect("listed above").1;
    let mut strays = Vec::new();
    for case in cases {
        let memory = Memory::default();
        let mut gpu = Gpu::new(device.clone(), memory.clone(), Sharing::Off);
        for finding in compare::stepwise(&mut gpu, &memory, &case.schedule, &case.inputs)? {
            if finding.error > case.tolerance {
                strays.push(format!("{}: {finding:?}, tolerance {:.1e}", case.name, case.tolerance));
            }
        }
    }
    if strays.is_empty() { Ok(()) } else { Err(strays.join("\n").into()) }
}
