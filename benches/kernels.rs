//! Benchmarks of kernels: `cargo bench --bench kernels`. Throughput is in FLOPs (divan calls them items). `roof` is the
//! rate of multiply-adds alone on the same device, for comparison.
//!
//! Every result is compared with the reference before it is timed.

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::{compare, device};
use gpu_core::ops::conv2d::{self, Window};
use gpu_core::ops::matmul::{Form, PLAIN, product};
use gpu_core::ops::roof;
use gpu_core::{Array, Backend, Buf, Executor, Memory, Program, Schedule, Sharing, VariantPolicy, eligible};
use gpu_core::{Device, DeviceKind};
use std::sync::LazyLock;

fn main() {
    divan::main();
}

static DEVICE: LazyLock<Device> = LazyLock::new(|| device(false));
/// The best adapter; the other benchmarks use the CPU executor.
static GPU: LazyLock<Backend> = LazyLock::new(|| Backend::Gpu(Box::new(DEVICE.clone())));

#[divan::bench(sample_count = 10)]
fn roof_gpu(bencher: Bencher<'_, '_>) {
    time_roof(bencher, &GPU);
}

#[divan::bench(sample_count = 10)]
fn roof_cpu(bencher: Bencher<'_, '_>) {
    time_roof(bencher, &Backend::Cpu);
}

#[divan::bench(args = [(512, Form::NN), (512, Form::NT), (512, Form::TN), (1024, Form::NN)], sample_count = 10)]
fn square_gpu(bencher: Bencher<'_, '_>, (side, form): (usize, Form)) {
    time_product(bencher, &GPU, (side, side, side), form);
}

#[divan::bench(args = [512, 1024], sample_count = 10)]
fn square_cpu(bencher: Bencher<'_, '_>, side: usize) {
    time_product(bencher, &Backend::Cpu, (side, side, side), Form::NN);
}

/// Square products by each variant, by the suffix of its name. Variants that the adapter cannot run are skipped, and so
/// are the large products on a software adapter; on a GPU they show where large tiles are faster.
#[divan::bench(args = by_variant(), sample_count = 5)]
fn square_by_variant(bencher: Bencher<'_, '_>, (side, suffix): (usize, &'static str)) {
    let mut schedule = Schedule::new();
    let a = input(&mut schedule, [side, side]);
    let y = product(&mut schedule, "y", a, a, Form::NN, PLAIN);
    schedule.keep(y);
    let backend = GPU.clone().with_policy(VariantPolicy::Only(suffix));
    // Half-precision operands are rounded to eleven bits.
    time_schedule(bencher, &backend, &schedule, &[a], if suffix == "_half" { 0.05 } else { 1e-3 });
}

/// The sides and variants that the adapter runs.
fn by_variant() -> Vec<(usize, &'static str)> {
    let sides: &[usize] = if DEVICE.caps.kind == DeviceKind::Software { &[512] } else { &[512, 1024, 2048, 4096] };
    let mut schedule = Schedule::new();
    let a = input(&mut schedule, [512, 512]);
    product(&mut schedule, "y", a, a, Form::NN, PLAIN);
    let call = &schedule.calls()[0];
    let of_call = eligible(call, &DEVICE.caps);
    let suffixes: Vec<_> = of_call.iter().map(|variant| variant.suffix(call.kernel.name)).collect();
    sides.iter().flat_map(|&side| suffixes.iter().map(move |&suffix| (side, suffix)).collect::<Vec<_>>()).collect()
}

/// A convolution of 64 to 64 channels, 32×32 pixels, 3×3 taps, batch size 8: forward, and both gradients.
#[divan::bench(args = ["forward", "backward_input", "backward_weight"], sample_count = 10)]
fn convolution_gpu(bencher: Bencher<'_, '_>, which: &str) {
    let (window, mut schedule) = (Window::square(3, 1, 1), Schedule::new());
    let s = &mut schedule;
    let (x, dy, w) = (input(s, [8, 32, 32, 64]), input(s, [8, 32, 32, 64]), input(s, [64, 3, 3, 64]));
    match which {
        "forward" => drop(conv2d::forward(s, "y", x, w, window, PLAIN)),
        "backward_input" => drop(conv2d::backward_input(s, "dx", dy, w, window, [32, 32], PLAIN)),
        _ => conv2d::backward_weight(s, "dw", x, dy, window, w),
    }
    time_schedule(bencher, &GPU, &schedule, &[x, dy, w], 1e-3);
}

/// The products of a training step of the MLP VAE: forward, input gradient, weight gradient.
#[divan::bench(
    args = [(128, 400, 784, Form::NT), (128, 400, 784, Form::NN), (400, 784, 128, Form::TN)],
    sample_count = 10
)]
fn vae_gpu(bencher: Bencher<'_, '_>, (m, n, k, form): (usize, usize, usize, Form)) {
    time_product(bencher, &GPU, (m, n, k), form);
}

fn input<const D: usize>(schedule: &mut Schedule, shape: [usize; D]) -> Buf
where
    gpu_core::Shape: From<[usize; D]>,
{
    let buf = schedule.scratch(shape);
    schedule.feed(buf);
    buf
}

fn time_roof(bencher: Bencher<'_, '_>, backend: &Backend) {
    let mut schedule = Schedule::new();
    let x = input(&mut schedule, [1 << 14]);
    let y = roof::fma(&mut schedule, "roof", x, 2048, 0.5, 0.5);
    schedule.keep(y);
    time_schedule(bencher, backend, &schedule, &[x], 1e-3);
}

fn time_product(bencher: Bencher<'_, '_>, backend: &Backend, (m, n, k): (usize, usize, usize), form: Form) {
    let mut schedule = Schedule::new();
    let a = input(&mut schedule, if form == Form::TN { [k, m] } else { [m, k] });
    let b = input(&mut schedule, if form == Form::NT { [n, k] } else { [k, n] });
    let y = product(&mut schedule, "y", a, b, form, PLAIN);
    schedule.keep(y);
    time_schedule(bencher, backend, &schedule, &[a, b], 1e-3);
}

/// FLOPs per submit: enough that the overhead of submitting is negligible.
fn flops_of_submit(backend: &Backend) -> u64 {
    match backend {
        Backend::Gpu(device) if device.caps.kind != DeviceKind::Software => 1 << 37,
        _ => 1 << 31,
    }
}

/// Times several runs per submit.
fn time_schedule(bencher: Bencher<'_, '_>, backend: &Backend, schedule: &Schedule, inputs: &[Buf], tolerance: f64) {
    let flops: u64 = schedule.calls().iter().map(|call| call.flops).sum();
    let (mut executor, program) = checked(backend, schedule, inputs, tolerance);
    let times = (flops_of_submit(backend) / flops.max(1)).clamp(1, 1024) as u32;
    bencher.counter(ItemsCount::new(u64::from(times) * flops)).bench_local(|| {
        let ticket = executor.submit(&[program], times, &[]).expect("the device works");
        executor.wait(ticket).expect("the device works");
    });
}

/// An executor whose result agrees with the reference, within `most`.
fn checked(backend: &Backend, schedule: &Schedule, inputs: &[Buf], most: f64) -> (Box<dyn Executor>, Program) {
    let memory = Memory::default();
    let values = |buf: &Buf| Array::F32((0..buf.len()).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect());
    let inputs: Vec<(Buf, Array)> = inputs.iter().map(|buf| (*buf, values(buf))).collect();
    let mut executor = backend.executor(memory.clone(), Sharing::On);
    let comparisons = compare::call_by_call(executor.as_mut(), &memory, schedule, &inputs).expect("the device works");
    assert!(comparisons.iter().all(|comparison| comparison.error < most), "not timed, wrong result: {comparisons:?}");
    let program = executor.prepare(schedule).expect("the device works");
    (executor, program)
}
