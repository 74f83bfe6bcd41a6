//! Benchmarks of training steps: `cargo bench --bench steps`. Throughput is in images per second (divan calls them
//! items).
//!
//! benches/peers runs the same steps on other engines.

#[allow(dead_code, reason = "only benches/peer.rs runs blocks of a given time")]
mod workloads;

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::device;
use gpu_core::Backend;
use workloads::{TRAINING, Workload};

fn main() {
    divan::main();
}

#[divan::bench(args = TRAINING, sample_count = 5)]
fn on_an_adapter(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(args = TRAINING, sample_count = 5)]
fn on_the_cpu(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Cpu);
}

/// Times two training steps on noise, after two to warm up; the losses must be finite.
fn time(bencher: Bencher<'_, '_>, name: &str, backend: &Backend) {
    const STEPS: u32 = 2;
    let mut workload = Workload::new(name, backend).expect("the device has memory");
    let losses = workload.run(STEPS).expect("the device works").losses;
    assert!(losses.iter().all(|loss| loss.is_finite()), "not timed, wrong result: {losses:?}");
    let images = STEPS as usize * workload.images;
    bencher.counter(ItemsCount::new(images)).bench_local(|| workload.run(STEPS).expect("the device works"));
}
