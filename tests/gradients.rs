//! Backward = finite differences of the reference, for every claim of every case.

use frit_harness::{cases, differences};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let trials = cases::all().into_iter().map(|(op, _)| Trial::test(op, move || gradients(op))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn gradients(op: &str) -> Result<(), Failed> {
    let cases = cases::all().into_iter().find(|(name, _)| *name == op).expect("listed above").1;
    let mut strays = Vec::new();
    for case in cases {
        for slope in differences::check(&case)? {
            if slope.error() > differences::TOLERANCE {
                strays.push(format!("{}: {slope:?}", case.name));
            }
        }
    }
    if strays.is_empty() { Ok(()) } else { Err(strays.join("\n").into()) }
}
