//! Whole training steps: `cargo bench --bench steps`. Throughput is in images a second (divan calls them items).
//!
//! Other engines run the same: benches/peers.

#[allow(dead_code, reason = "blocks of a given time are another bench's")]
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

/// Two steps of a model on noise, after two to warm up; the losses must come out finite.
fn time(bencher: Bencher<'_, '_>, name: &str, backend: &Backend) {
    const STEPS: u32 = 2;
    let mut workload = Workload::new(name, backend).expect("the device has room");
    let losses = workload.run(STEPS).expect("the device answers").losses;
    assert!(losses.iter().all(|loss| loss.is_finite()), "not timed, because wrong: {losses:?}");
    let images = STEPS as usize * workload.images;
    bencher.counter(ItemsCount::new(images)).bench_local(|| workload.run(STEPS).expect("the device answers"));
}
