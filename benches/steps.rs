//! Whole training steps: `cargo bench --bench steps`. Throughput is in images a second (divan calls them items).

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::device;
use gpu_core::{Array, Backend, Home, Sharing};
use models::{DataSpec, Model, Optimiser, Training, Vae, VaeConfig};

const BATCH: usize = 128;
const SPEC: DataSpec = DataSpec { train: 1024, test: 128, width: 784 };

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 20)]
fn mlp_vae_gpu(bencher: Bencher<'_, '_>) {
    time_vae(bencher, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(sample_count = 20)]
fn mlp_vae_cpu(bencher: Bencher<'_, '_>) {
    time_vae(bencher, &Backend::Cpu);
}

/// Ten steps of the MLP VAE on noise, after ten to warm up; the losses must come out finite.
fn time_vae(bencher: Bencher<'_, '_>, backend: &Backend) {
    const STEPS: u32 = 10;
    let model = Vae::new(VaeConfig::default(), SPEC);
    let training = Training { seed: 1, shuffle: true, optimiser: Optimiser::default() };
    let mut executor = backend.executor(model.memory().clone(), Sharing::On);
    let pins = *model.pins();
    let noise = (0..pins.train.len() as u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
    executor.write(pins.train, &Array::U32(noise)).expect("the device answers");
    for weights in model.networks() {
        let values = model.memory().whole(weights.place(Home::Values));
        executor.write(values, &Array::F32(weights.initial(1))).expect("the device answers");
    }
    let program = executor.prepare(&model.train(BATCH, &training)).expect("the device has room");
    let mut steps = || {
        let ticket = executor.submit(&[program], STEPS, &[pins.ring]).expect("the device answers");
        executor.wait(ticket).expect("the device answers")
    };
    let losses = steps().remove(0).to_f64();
    let seen = &losses[..STEPS as usize * model.columns().len()];
    assert!(seen.iter().all(|loss| loss.is_finite() && *loss > 0.0), "not timed, because wrong: {seen:?}");
    bencher.counter(ItemsCount::new(STEPS as usize * BATCH)).bench_local(steps);
}
