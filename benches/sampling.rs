//! Benchmarks of sampling: `cargo bench --bench sampling`. Throughput is in images per second (divan calls them items).
//!
//! VAEs decode samples of their prior, a DCGAN generates, and a VQ-VAE, which has no prior, reconstructs. A WaveNet
//! draws codes of sequences, by rings of past values and by a pass over all that a code depends on.

use divan::Bencher;
use divan::counter::ItemsCount;
use frit_harness::device;
use gpu_core::ops::categorical::Drawing;
use gpu_core::{Array, Backend, Sharing};
use models::capabilities::Sequencer;
use models::{
    Gan, GanConfig, Model, Pass, SetSpec, Vae, VaeConfig, VqVae, VqVaeConfig, Wavenet, WavenetConfig, initial_values,
};

const NAMES: [&str; 4] = ["mlp-vae", "conv-vae", "dcgan", "vqvae"];
const COUNT: usize = 256;

fn main() {
    divan::main();
}

#[divan::bench(args = NAMES, sample_count = 5)]
fn on_an_adapter(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(args = NAMES, sample_count = 5)]
fn on_the_cpu(bencher: Bencher<'_, '_>, name: &str) {
    time(bencher, name, &Backend::Cpu);
}

/// Codes of as many sequences at once, by rings.
#[divan::bench(args = [1, 16], sample_count = 5)]
fn by_rings_on_an_adapter(bencher: Bencher<'_, '_>, rows: usize) {
    by_rings(bencher, rows, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(args = [1, 16], sample_count = 5)]
fn by_rings_on_the_cpu(bencher: Bencher<'_, '_>, rows: usize) {
    by_rings(bencher, rows, &Backend::Cpu);
}

/// The same by the whole network.
#[divan::bench(args = [1, 16], sample_count = 5)]
fn by_passes_on_an_adapter(bencher: Bencher<'_, '_>, rows: usize) {
    by_passes(bencher, rows, &Backend::Gpu(Box::new(device(false))));
}

#[divan::bench(args = [1, 16], sample_count = 5)]
fn by_passes_on_the_cpu(bencher: Bencher<'_, '_>, rows: usize) {
    by_passes(bencher, rows, &Backend::Cpu);
}

/// Positions that are drawn in one sample.
const POSITIONS: u32 = 64;

fn by_rings(bencher: Bencher<'_, '_>, rows: usize, backend: &Backend) {
    let model = wavenet();
    let step = model.step_with_logits(rows, 1, Drawing::default());
    time_codes(bencher, rows, &model, &step, backend);
}

/// A pass over the codes that a code depends on, and its own position.
fn by_passes(bencher: Bencher<'_, '_>, rows: usize, backend: &Backend) {
    let model = wavenet();
    let pass = model.logits(rows, Sequencer::receptive(&model) + 1);
    time_codes(bencher, rows, &model, &pass, backend);
}

fn wavenet() -> Wavenet {
    let set = SetSpec { train: 16, test: 16, image: [1, 1024, 1], classes: 1, variance: 1.0, points: None };
    Wavenet::new(WavenetConfig::default(), &set.into())
}

/// Times a program that computes the next code of each row, after a first run with finite logits.
fn time_codes(bencher: Bencher<'_, '_>, rows: usize, model: &Wavenet, pass: &Pass, backend: &Backend) {
    let mut executor = backend.executor(model.memory().clone(), Sharing::On);
    for (buf, values) in initial_values(model, 1, false) {
        executor.write(buf, &Array::F32(values)).expect("the device works");
    }
    let program = executor.prepare(&pass.schedule).expect("the device has memory");
    let mut draw = |times: u32| {
        let ticket = executor.submit(&[program], times, &pass.outputs).expect("the device works");
        executor.wait(ticket).expect("the device works").remove(0)
    };
    assert!(draw(1).to_f64().iter().all(|logit| logit.is_finite()), "not timed, wrong result");
    bencher.counter(ItemsCount::new(rows * POSITIONS as usize)).bench_local(|| draw(POSITIONS));
}

fn model(name: &str) -> Box<dyn Model> {
    let spec =
        |image| SetSpec { train: COUNT, test: COUNT, image, classes: 10, variance: 1.0 / 12.0, points: None }.into();
    let conv = VaeConfig { channels: vec![32, 64], hidden: vec![256], latent: 32, ..VaeConfig::default() };
    match name {
        "mlp-vae" => Box::new(Vae::new(VaeConfig::default(), &spec([28, 28, 1]))),
        "conv-vae" => Box::new(Vae::new(conv, &spec([28, 28, 1]))),
        "dcgan" => Box::new(Gan::new(GanConfig { width: 64, ..GanConfig::default() }, &spec([32, 32, 1]))),
        _ => Box::new(VqVae::new(VqVaeConfig { ema: 0.0, ..VqVaeConfig::default() }, &spec([32, 32, 3]))),
    }
}

/// Times images from initial weights, copied to the host, after a first batch that must be finite.
fn time(bencher: Bencher<'_, '_>, name: &str, backend: &Backend) {
    let model = model(name);
    let sampled = model.sampler().map(|sampler| sampler.sample(COUNT, 1));
    let pass =
        sampled.or_else(|| Some(model.reconstructor()?.reconstruct(COUNT))).expect("every family outputs images");
    let mut executor = backend.executor(model.memory().clone(), Sharing::On);
    for (buf, values) in initial_values(&*model, 1, false) {
        executor.write(buf, &Array::F32(values)).expect("the device works");
    }
    let program = executor.prepare(&pass.schedule).expect("the device has memory");
    let pictures = [*pass.outputs.last().expect("a pass has outputs")];
    let mut draw = || {
        let ticket = executor.submit(&[program], 1, &pictures).expect("the device works");
        executor.wait(ticket).expect("the device works").remove(0)
    };
    assert!(draw().to_f64().iter().all(|pixel| pixel.is_finite()), "not timed, wrong result");
    bencher.counter(ItemsCount::new(COUNT)).bench_local(draw);
}
