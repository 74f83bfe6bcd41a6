//! Compares GPU and reference for every case of every kernel on the best adapter, with the shaders' bounds checks and
//! without.

use frit_harness::{cases, device, report};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for checked in [true, false] {
        for (op, _) in cases::OPERATORS {
            let name = format!("{op}::{}", if checked { "checked" } else { "unchecked" });
            trials.push(Trial::test(name, move || parity(op, checked)));
        }
    }
    // One at a time, because a software adapter uses every core.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

fn parity(op: &str, checked: bool) -> Result<(), Failed> {
    let failures: Vec<String> = report::parity(&device(checked), &cases::of(op))?
        .into_iter()
        .filter(|row| row.failed())
        .map(|row| format!("{}: {}", row.name, row.location))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
