//! Compares backward kernels with finite differences of the reference, for every claim of every case.

use frit_harness::{cases, report};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let trials = cases::OPERATORS.iter().map(|(op, _)| Trial::test(*op, move || gradients(op))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn gradients(op: &str) -> Result<(), Failed> {
    match report::gradients(op, &cases::of(op))? {
        Some(row) if row.failed() => Err(format!("{}: {}", row.name, row.location).into()),
        _ => Ok(()),
    }
}
