//! Compares executors with the reference for every case of every kernel: the best adapter without the shaders' bounds
//! checks; the same with them, and the CPU executor, in all but the largest cases, which are for the folding of grids.

use frit_harness::{Case, adapter, cases, report};
use gpu_core::Backend;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (op, _) in cases::OPERATORS {
        trials.push(Trial::test(format!("{op}::checked"), move || parity(&adapter(true), op, LARGE)));
        trials.push(Trial::test(format!("{op}::unchecked"), move || parity(&adapter(false), op, u64::MAX)));
        trials.push(Trial::test(format!("{op}::cpu"), move || parity(&Backend::Cpu, op, LARGE)));
    }
    // One at a time, because a software adapter uses every core.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

/// The work of a case ([`Case::work`]) above which it runs only without bounds checks: they change neither its grid nor
/// its results, except where they hide an access out of bounds, and the CPU executor has no grid.
const LARGE: u64 = 1 << 22;

fn parity(backend: &Backend, op: &str, most: u64) -> Result<(), Failed> {
    let mut cases = cases::of(op);
    cases.retain(|case| Case::work(case) <= most);
    let failures: Vec<String> = report::parity(backend, &cases)?
        .into_iter()
        .filter(|row| row.failed())
        .map(|row| format!("{}: {}", row.name, row.location))
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}
