//! Compares GPU and reference for every case of every kernel on the best adapter: without the shaders' bounds checks,
//! and with them in all but the largest cases, which exist for the folding of grids.

use frit_harness::{Case, cases, device, report};
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

/// The work of a case ([`Case::work`]) above which it does not run with bounds checks too: they change neither its grid
/// nor its results, except where they hide an access out of bounds.
const LARGE: u64 = 1 << 22;

fn parity(op: &str, checked: bool) -> Result<(), Failed> {
    let mut cases = cases::of(op);
    cases.retain(|case| !checked || Case::work(case) <= LARGE);
    let failures: Vec<String> = report::parity(&device(checked), &cases)?
        .into_iter()
        .filter(|row| row.failed())
        .map(|row| format!("{}: {}", row.name, row.location))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
