//! Kernels on their own: `cargo bench --bench kernels`. Throughput is in FLOPs (divan calls them items).
//!
//! Nothing is timed before its result has been compared with the reference's.

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::{compare, device};
use gpu_core::ops::matmul::{Form, PLAIN, product};
use gpu_core::{Array, Backend, Buf, Executor, Memory, Program, Schedule, Sharing};
use std::sync::LazyLock;

fn main() {
    divan::main();
}

/// The best adapter, and beside it the CPU executor.
static GPU: LazyLock<Backend> = LazyLock::new(|| Backend::Gpu(Box::new(device(false))));

#[divan::bench(args = [(512, Form::NN), (512, Form::NT), (512, Form::TN), (1024, Form::NN)])]
fn square_gpu(bencher: Bencher<'_, '_>, (side, form): (usize, Form)) {
    time_product(bencher, &GPU, (side, side, side), form);
}

#[divan::bench(args = [512, 1024])]
fn square_cpu(bencher: Bencher<'_, '_>, side: usize) {
    time_product(bencher, &Backend::Cpu, (side, side, side), Form::NN);
}

/// The products of a training step of the MLP VAE: forward, input gradient, weight gradient.
#[divan::bench(args = [(128, 400, 784, Form::NT), (128, 400, 784, Form::NN), (400, 784, 128, Form::TN)])]
fn vae_gpu(bencher: Bencher<'_, '_>, (m, n, k, form): (usize, usize, usize, Form)) {
    time_product(bencher, &GPU, (m, n, k), form);
}

fn time_product(bencher: Bencher<'_, '_>, backend: &Backend, (m, n, k): (usize, usize, usize), form: Form) {
    let mut schedule = Schedule::new();
    let input = |schedule: &mut Schedule, rows, cols| {
        let buf = schedule.scratch([rows, cols]);
        schedule.feed(buf);
        buf
    };
    let a = if form == Form::TN { input(&mut schedule, k, m) } else { input(&mut schedule, m, k) };
    let b = if form == Form::NT { input(&mut schedule, n, k) } else { input(&mut schedule, k, n) };
    let y = product(&mut schedule, "y", a, b, form, PLAIN);
    schedule.keep(y);
    let (mut executor, program) = checked(backend, &schedule, &[a, b]);
    // Several products to a submit, so that submitting is not what is timed.
    let times = (1 << 31) / (2 * m * n * k).max(1);
    let times = times.clamp(1, 64) as u32;
    bencher.counter(ItemsCount::new(times as usize * 2 * m * n * k)).bench_local(|| {
        let ticket = executor.submit(&[program], times, &[]).expect("the device answers");
        executor.wait(ticket).expect("the device answers");
    });
}

/// An executor whose result has been held against the reference's.
fn checked(backend: &Backend, schedule: &Schedule, inputs: &[Buf]) -> (Box<dyn Executor>, Program) {
    let memory = Memory::default();
    let values = |buf: &Buf| Array::F32((0..buf.len()).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect());
    let inputs: Vec<(Buf, Array)> = inputs.iter().map(|buf| (*buf, values(buf))).collect();
    let mut executor = backend.executor(memory.clone(), Sharing::On);
    let findings = compare::stepwise(executor.as_mut(), &memory, schedule, &inputs).expect("the device answers");
    assert!(findings.iter().all(|finding| finding.error < 1e-3), "not timed, because wrong: {findings:?}");
    let program = executor.prepare(schedule).expect("prepared once already");
    (executor, program)
}
