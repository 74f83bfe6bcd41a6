//! Mesa 22 compiles a shader anew for every dispatch if a branch or the end of a loop depends on the uniform alone and
//! few other instructions are left when it is known (shaders/common/lanes.wgsl). Dispatches every kernel several times
//! and counts the code in the memory of the process.

use frit_harness::{Case, cases, device};
use gpu_core::{Backend, DeviceKind, Memory, Sharing};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = cases::OPERATORS.iter().map(|(op, _)| Trial::test(*op, move || compiled_once(op))).collect();
    // One at a time, since they share the memory of a process.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

/// The work of a case ([`Case::work`]) above which it does not run: a shader is compiled anew where little work is left.
const LARGE: u64 = 1 << 20;

/// Runs of a case after the first.
const RUNS: usize = 4;

fn compiled_once(op: &str) -> Result<(), Failed> {
    let device = device(false);
    if device.caps.kind != DeviceKind::Software || mappings().is_none() {
        println!("skipped: {op}; it needs a software driver and /proc");
        return Ok(());
    }
    let backend = Backend::Gpu(Box::new(device));
    let mut cases = cases::of(op);
    // A larger case that runs before can end the compilations.
    cases.sort_by_key(Case::work);
    let failures: Vec<String> = cases
        .iter()
        .take_while(|case| case.work() <= LARGE)
        .filter_map(|case| {
            let memory = Memory::default();
            let mut executor = backend.executor(memory, Sharing::Off);
            let program = executor.prepare(&case.schedule).expect("the device works");
            for (buf, values) in case.values() {
                executor.write(buf, &values).expect("the device works");
            }
            let mut run = || {
                let ticket = executor.submit(&[program], 1, &[]).expect("the device works");
                executor.wait(ticket).expect("the device works");
                mappings().expect("they were counted before")
            };
            run();
            let counts: Vec<usize> = (0..RUNS).map(|_| run()).collect();
            // Another thread compiles too, but not once for each run.
            let grows = counts.windows(2).all(|pair| pair[0] < pair[1]);
            grows.then(|| format!("{}: {counts:?} mappings of code", case.name))
        })
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// The number of mappings of code that are not from a file; `None` where the system does not say.
fn mappings() -> Option<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let is_code = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|permissions| permissions.contains('x')) && fields.nth(3).is_none()
    };
    Some(maps.lines().filter(is_code).count())
}
