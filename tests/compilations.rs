//! Compilations of each kernel on a software driver: one, not one for every dispatch. Mesa 22 compiles a shader anew if
//! a branch or the end of a loop depends on the uniform alone (shaders/common/lanes.wgsl). The small cases of every
//! kernel run several times, while the bytes of code in the memory of the process are counted.

use frit_harness::{Case, cases, device};
use gpu_core::{Backend, DeviceKind, Memory, Sharing};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = cases::OPERATORS.iter().map(|(op, _)| Trial::test(*op, move || compiled_once(op))).collect();
    // One at a time, since they share the memory of a process.
    libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit();
}

/// The work of a case ([`Case::work`]) above which it does not run. Shaders that are compiled anew have short sums.
const LARGE: u64 = 1 << 20;

/// Runs of a case after the first.
const RUNS: usize = 4;

fn compiled_once(op: &str) -> Result<(), Failed> {
    let device = device(false);
    if device.caps.kind != DeviceKind::Software || code_bytes().is_none() {
        println!("skipped: {op}; it needs a software driver and /proc");
        return Ok(());
    }
    let backend = Backend::Gpu(Box::new(device));
    let mut cases = cases::of(op);
    // A larger case that runs before can end the compilations.
    cases.sort_by_key(Case::work);
    cases.retain(|case| case.work() <= LARGE);
    assert!(!cases.is_empty(), "{op} has no small case");
    let failures: Vec<String> = cases
        .iter()
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
                code_bytes().expect("they were counted before")
            };
            run();
            let bytes: Vec<u64> = (0..RUNS).map(|_| run()).collect();
            // Another thread compiles too, but not once for each run.
            let grows = bytes.windows(2).all(|pair| pair[0] < pair[1]);
            grows.then(|| format!("{}: {bytes:?} bytes of code", case.name))
        })
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

/// Bytes of code in memory that are not from a file; `None` where the system does not say.
fn code_bytes() -> Option<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let bytes = |line: &str| {
        let [range, permissions, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        let is_code = permissions.contains('x') && line.split_whitespace().nth(5).is_none();
        let (start, end) = range.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        is_code.then_some(address(end)? - address(start)?)
    };
    Some(maps.lines().filter_map(bytes).sum())
}
