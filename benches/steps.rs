//! Whole training steps: `cargo bench --bench steps`. Throughput is in images a second (divan calls them items).

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::device;
use gpu_core::{Array, Backend, Home, Program, Sharing};
use models::{DataSpec, Gan, GanConfig, Model, Optimiser, Phase, Training, Vae, VaeConfig, VqVae, VqVaeConfig};

/// MNIST's sizes; as many images as a few steps take.
const SPEC: DataSpec = DataSpec { train: 1024, test: 128, image: [28, 28, 1], classes: 10, variance: 0.1 };

fn main() {
    divan::main();
}

/// The recipes' models, by name, with the images in a batch.
fn models() -> [(&'static str, Box<dyn Model>, usize); 4] {
    let conv = VaeConfig { channels: vec![32, 64], hidden: vec![256], latent: 32, ..VaeConfig::default() };
    let dcgan = GanConfig { width: 32, ..GanConfig::default() };
    let vqvae = VqVaeConfig { width: 64, latent: 16, codes: 128, ..VqVaeConfig::default() };
    [
        ("vae", Box::new(Vae::new(VaeConfig::default(), SPEC)), 128),
        ("conv-vae", Box::new(Vae::new(conv, SPEC)), 128),
        ("dcgan", Box::new(Gan::new(dcgan, SPEC)), 64),
        ("vqvae", Box::new(VqVae::new(vqvae, SPEC)), 64),
    ]
}

const NAMES: [&str; 4] = ["vae", "conv-vae", "dcgan", "vqvae"];

#[divan::bench(args = NAMES, sample_count = 5)]
fn on_an_adapter(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(args = NAMES, sample_count = 5)]
fn on_the_cpu(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Cpu);
}

/// Two steps of a model on noise, after two to warm up; the losses must come out finite.
fn time(bencher: Bencher<'_, '_>, name: &str, backend: &Backend) {
    const STEPS: u32 = 2;
    let (_, model, batch) = models().into_iter().find(|(known, ..)| *known == name).expect("one of the names");
    let training = Training::whole(1, true, Optimiser::default(), &SPEC);
    let mut executor = backend.executor(model.memory().clone(), Sharing::On);
    let pins = *model.pins();
    let noise = (0..pins.train.len() as u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
    executor.write(pins.train, &Array::U32(noise)).expect("the device answers");
    for network in model.networks() {
        let values = model.memory().whole(network.weights.place(Home::Values));
        executor.write(values, &Array::F32(network.weights.initial(1))).expect("the device answers");
        for state in &network.states {
            executor.write(state.buf, &Array::F32(state.initial(1))).expect("the device answers");
        }
    }
    let phases = model.train(batch, &training);
    let prepare = |phase: &Phase| {
        let program = executor.prepare(&phase.schedule).expect("the device has room");
        vec![program; phase.times]
    };
    let programs: Vec<Program> = phases.iter().flat_map(prepare).collect();
    let mut steps = || {
        let ticket = executor.submit(&programs, STEPS, &[pins.ring]).expect("the device answers");
        executor.wait(ticket).expect("the device answers")
    };
    let losses = steps().remove(0).to_f64();
    let seen = &losses[..STEPS as usize * model.columns().len()];
    assert!(seen.iter().all(|loss| loss.is_finite()), "not timed, because wrong: {seen:?}");
    bencher.counter(ItemsCount::new(STEPS as usize * batch * model.batches())).bench_local(steps);
}
