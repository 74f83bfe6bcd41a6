//! The reference against PyTorch: every operator's golden vectors, and whole training runs from given weights.
//! tests/golden/README.md says what the files hold and make.py how they came to be.

#[path = "golden/bench.rs"]
mod bench;

use bench::{Bench, Golden, Tensor, distance};
use frit_harness::device;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::adam::{Adam, Arenas, adam_with};
use gpu_core::ops::gather::pack;
use gpu_core::ops::matmul::{Form, PLAIN, product};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{elementwise, kl, log_weight, loss, reduce, reparameterise, softmax};
use gpu_core::{Array, Buf, Cpu, Dtype, Error, Executor, Gpu, Home, Memory, Shape, Sharing, Weights};
use models::{
    Autoencoder, AutoencoderConfig, DataSpec, Linear, Model, Optimiser, RING_ROWS, Training, Vae, VaeConfig, Value,
    Wrt, nonlinearity,
};
use std::collections::BTreeMap;

/// Half a unit in the last place of f32: the error of one rounded constant.
const HALF_UNIT: f64 = f32::EPSILON as f64 / 2.0;

#[test]
fn operators_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("ops", |bench, op, kind| match op {
        "activation" => activation(bench, kind),
        "adam" => adam(bench, kind),
        "kl" => kl(bench),
        "linear" => linear(bench),
        "log_weight" => log_weight(bench),
        "loss" => loss(bench, kind),
        "matmul" => matmul(bench, kind),
        "reduce" => reduce(bench, kind),
        "reparameterise" => reparameterise(bench),
        "softmax" => softmax(bench, kind),
        _ => panic!("nothing here runs {op}"),
    })
}

fn activation(bench: &mut Bench<'_>, kind: &str) {
    let act = match nonlinearity(kind).expect("an activation") {
        Activation::LeakyRelu(_) => Activation::LeakyRelu(bench.scalar("alpha")),
        Activation::Elu(_) => Activation::Elu(bench.scalar("alpha")),
        act => act,
    };
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let y = activation::forward(&mut bench.s, "y", x, act);
    let dx = activation::backward(&mut bench.s, "dx", x, dy, act);
    bench.expect("y", y);
    bench.expect("dx", dx);
}

/// A layer takes dy before its activation, so that one is passed here by hand.
fn linear(bench: &mut Bench<'_>) {
    let Tensor { dims, .. } = bench.tensor("w");
    let mut weights = Weights::new(&mut bench.memory, "linear");
    let layer = Linear::new(&mut bench.memory, &mut weights, "layer", dims[1], dims[0], Activation::Tanh);
    let [w, b] = parameters(&bench.memory, &weights, Home::Values)[..] else { unreachable!("a weight and a bias") };
    bench.inputs.extend([("w", w), ("b", b)].map(|(name, buf)| (buf, Array::F64(bench.tensor(name).values))));
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let (y, saved) = layer.forward(&mut bench.s, Value::plain(x));
    // (1 − y²) dy, as dy − y² dy.
    let squared = elementwise::multiply(&mut bench.s, "y²", y.buf, y.buf);
    let lost = elementwise::multiply(&mut bench.s, "dy y²", dy, squared);
    let dsum = elementwise::combine(&mut bench.s, "dsum", dy, 1.0, lost, -1.0);
    let dx = layer.backward(&mut bench.s, &saved, dsum, Wrt::Both).expect("asked for");
    bench.expect("y", y.buf);
    bench.expect("dx", dx);
    bench.expect("dw", w.grad());
    bench.expect("db", b.grad());
}

fn matmul(bench: &mut Bench<'_>, kind: &str) {
    let form = match kind {
        "nn" => Form::NN,
        "nt" => Form::NT,
        _ => Form::TN,
    };
    let (a, b) = (bench.input("a"), bench.input("b"));
    let y = product(&mut bench.s, "y", a, b, form, PLAIN);
    bench.expect("y", y);
}

fn reduce(bench: &mut Bench<'_>, case: &str) {
    let (kind, over) = case.rsplit_once('_').expect("kind_over");
    let kind = match kind {
        "sum" => reduce::Kind::Sum,
        "mean" => reduce::Kind::Mean,
        "amax" => reduce::Kind::Max,
        _ => reduce::Kind::SumOfSquares,
    };
    if kind == reduce::Kind::Mean {
        bench.tolerance = HALF_UNIT; // 1 / 13 in the uniform
    }
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let s = &mut bench.s;
    let y = match over {
        "rows" => reduce::rows(s, "y", x, kind),
        "columns" => reduce::columns(s, "y", x, kind),
        _ => reduce::whole(s, "y", x, kind),
    };
    let dx = match over {
        "rows" => reduce::rows_backward(s, "dx", x, y, dy, kind),
        "columns" => reduce::columns_backward(s, "dx", x, y, dy, kind),
        _ => reduce::whole_backward(s, "dx", x, y, dy, kind),
    };
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn softmax(bench: &mut Bench<'_>, kind: &str) {
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let s = &mut bench.s;
    let (y, dx);
    if kind == "softmax" {
        y = softmax::softmax(s, "y", x);
        dx = softmax::softmax_backward(s, "dx", y, dy);
    } else {
        y = softmax::logsumexp(s, "y", x);
        dx = softmax::logsumexp_backward(s, "dx", x, y, dy);
    }
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn loss(bench: &mut Bench<'_>, kind: &str) {
    let kind = match kind {
        "bce_with_logits" => loss::Kind::Bernoulli,
        "squared" => loss::Kind::Squared,
        _ => loss::Kind::Absolute,
    };
    let weight = bench.scalar("dy");
    let (x, t) = (bench.input("x"), bench.input("t"));
    let loss = loss::Loss { kind, scale: 1.0, offset: 0.0 };
    let alone = loss::forward(&mut bench.s, "alone", x, t, loss);
    let (rows, dx) = loss::with_gradient(&mut bench.s, "rows", x, t, loss, weight);
    bench.expect("y", alone);
    bench.expect("y", rows);
    bench.expect("dx", dx);
}

fn kl(bench: &mut Bench<'_>) {
    let heads = bench.input("heads");
    // dy is the product of the weight of the step and that of the schedule.
    let weight = bench.tensor("dy").values[0];
    let rates = bench.feed(&[4], vec![9.0, 9.0, 9.0, 4.0 * weight]);
    let zeros = bench.feed(&[3, 10], vec![0.0; 30]);
    let y = kl::forward(&mut bench.s, "y", heads);
    kl::backward(&mut bench.s, "dheads", heads, rates, 0.25, zeros);
    bench.expect("y", y);
    bench.expect("dheads", zeros);
}

fn reparameterise(bench: &mut Bench<'_>) {
    let (heads, eps, dz) = (bench.input("heads"), bench.input("eps"), bench.input("dz"));
    let z = reparameterise::forward(&mut bench.s, "z", heads, eps);
    let dheads = reparameterise::backward(&mut bench.s, "dheads", heads, eps, dz);
    bench.expect("z", z);
    bench.expect("dheads", dheads);
}

fn log_weight(bench: &mut Bench<'_>) {
    let [recon, z, eps, heads] = ["recon", "z", "eps", "heads"].map(|name| bench.input(name));
    let y = log_weight::forward(&mut bench.s, "y", recon, z, eps, heads);
    bench.expect("y", y);
}

/// Five steps, with the rates that `tick` makes and the weights looked at after each.
fn adam(bench: &mut Bench<'_>, kind: &str) {
    let config = Adam {
        weight_decay: bench.scalar("weight_decay"),
        decoupled: kind == "adamw",
        clip: (kind == "clipped").then(|| bench.scalar("max_norm")),
        ..Adam::default()
    };
    let (lr, Adam { beta1, beta2, .. }) = (bench.scalar("lr"), config);
    let step = Tick { batch: 1, count: 100, lr, beta1, beta2, kl_weight: 0.0, warmup: 0 };
    let (clock, rates) = (bench.memory.pin("clock", [4], Dtype::U32), bench.memory.pin("rates", [4], Dtype::F32));
    let w = bench.input("w0");
    let zeros = || vec![0.0; w.len()];
    let [m, v, average] = [(); 3].map(|()| bench.feed(&[w.len()], zeros()));
    let (grads, after, norms) = (bench.tensor("grads"), bench.tensor("w"), bench.tensor("norm"));
    for (i, (grad, after)) in grads.values.chunks(w.len()).zip(after.values.chunks(w.len())).enumerate() {
        let g = bench.feed(&[w.len()], grad.to_vec());
        let s = &mut bench.s;
        tick(s, "tick", clock, rates, step);
        let norm = reduce::whole(s, "norm", g, reduce::Kind::SumOfSquares);
        let arenas = Arenas { w, g, m, v, average };
        adam_with(s, "adam", arenas, rates, config.clip.map(|_| norm), &config);
        let copy = elementwise::scale(s, "copy", w, 1.0);
        bench.expect_values(&format!("norm of step {i}, squared"), norm, vec![norms.values[i].powi(2)]);
        bench.expect_values(&format!("w after step {i}"), copy, after.to_vec());
    }
}

/// The batches of the runs: file order, the last one of each epoch shorter.
const BATCHES: [usize; 3] = [8, 8, 4];

/// How far a run may be from PyTorch's, each as a share of the tensor's largest number.
struct Tolerance {
    losses: f64,
    noise: f64,
    weights: f64,
    moments: f64,
}

/// The reference differs from PyTorch in one thing: pixels are byte · fl(1/255), PyTorch's byte / 255, which is
/// 6·10⁻⁸ relative. Gradients take that over; the losses, flat in it, do less, and Adam's steps more where a
/// gradient is the small difference of large ones. The bounds are about three times what is seen.
const REFERENCE: Tolerance = Tolerance { losses: 2e-8, noise: 1e-14, weights: 3e-7, moments: 1e-6 };
/// A device computes in f32, with an exp that may err by several units: sums of some dozens of terms, ten times over,
/// each step starting from the last one's error. A wrong constant in Adam shows as some 10⁻³.
const DEVICE: Tolerance = Tolerance { losses: 2e-6, noise: 1e-6, weights: 1e-5, moments: 1e-5 };

/// Runs a model over the golden file's data from its weights, and says where it strays.
fn strays(
    executor: &mut dyn Executor,
    model: &dyn Model,
    golden: &Golden,
    tolerance: &Tolerance,
) -> Result<Vec<String>, Error> {
    let pins = model.pins();
    let bytes: Vec<u8> = golden.tensor("data").values.iter().map(|&byte| byte as u8).collect();
    executor.write(pins.train, &Array::U32(pack(&bytes)))?;
    let network = model.networks()[0];
    for (parameter, buf) in network.parameters().iter().zip(parameters(model.memory(), network, Home::Values)) {
        executor.write(buf, &Array::F64(golden.tensor(&format!("initial/{}", parameter.name)).values.clone()))?;
    }
    let training = Training { seed: 42, shuffle: false, optimiser: Optimiser::default() };
    let schedules = [8, 4].map(|batch| model.train(batch, &training));
    let programs = [executor.prepare(&schedules[0])?, executor.prepare(&schedules[1])?];
    let mut faults = Vec::new();
    let mut hold = |name: &str, values: &[f64], expected: &[f64], tolerance: f64| {
        let error = distance(values, expected);
        if error > tolerance {
            faults.push(format!("{name}: off by {error:.1e}, {tolerance:.0e} allowed"));
        }
    };
    let columns = model.columns();
    let steps = golden.tensor(columns[0]).values.len();
    // Beside a one, so that losses below one nat, which are differences of larger terms, are held in nats.
    for (step, batch) in BATCHES.iter().cycle().take(steps).enumerate() {
        let ticket = executor.submit(&[programs[usize::from(*batch == 4)]], 1, &[pins.ring])?;
        let ring = executor.wait(ticket)?.remove(0).to_f64();
        for (column, name) in columns.iter().enumerate() {
            let value = ring[step % RING_ROWS * columns.len() + column];
            let expected = golden.tensor(name).values[step];
            hold(&format!("{name} of step {}", step + 1), &[1.0, value], &[1.0, expected], tolerance.losses);
        }
        let noise = schedules[0].steps().iter().find(|step| step.label == "noise");
        if let (0, Some(noise)) = (step, noise) {
            let drawn = executor.read(noise.bufs[1])?.to_f64();
            hold("noise of step 1", &drawn, &golden.tensor("noise1").values, tolerance.noise);
        }
    }
    let Tolerance { weights, moments, .. } = *tolerance;
    let parts =
        [("final", Home::Values, weights), ("m", Home::FirstMoments, moments), ("v", Home::SecondMoments, moments)];
    for (part, home, tolerance) in parts {
        for (parameter, buf) in network.parameters().iter().zip(parameters(model.memory(), network, home)) {
            let name = format!("{part}/{}", parameter.name);
            hold(&name, &executor.read(buf)?.to_f64(), &golden.tensor(&name).values, tolerance);
        }
    }
    Ok(faults)
}

/// A network's parameters in one of its arenas.
fn parameters(memory: &Memory, weights: &Weights, home: Home) -> Vec<Buf> {
    let arena = memory.whole(weights.place(home));
    weights.parameters().iter().map(|p| Buf { offset: p.offset, shape: p.shape, ..arena }).collect()
}

fn models() -> [(&'static str, Box<dyn Model>); 2] {
    let spec = DataSpec { train: 20, test: 20, width: 36 };
    let vae = VaeConfig { hidden: vec![16], latent: 3, ..VaeConfig::default() };
    let ae = AutoencoderConfig { hidden: vec![16], latent: 3, ..AutoencoderConfig::default() };
    [("vae", Box::new(Vae::new(vae, spec))), ("ae", Box::new(Autoencoder::new(ae, spec)))]
}

#[test]
fn the_golden_weights_are_the_models() {
    for (stem, model) in models() {
        let golden = Golden::open(stem);
        let dims = |shape: Shape| shape.dims().iter().map(|&d| d as usize).collect();
        let parameters = model.networks()[0].parameters();
        let ours: BTreeMap<String, Vec<usize>> = parameters.iter().map(|p| (p.name.clone(), dims(p.shape))).collect();
        let initial = golden.0.iter().filter_map(|(name, tensor)| Some((name.strip_prefix("initial/")?, tensor)));
        let theirs = initial.map(|(name, tensor)| (name.to_string(), tensor.dims.clone())).collect();
        assert_eq!(ours, theirs, "{stem}: names and shapes are PyTorch's");
    }
}

#[test]
fn training_agrees_with_pytorch() -> Result<(), Error> {
    for (stem, model) in models() {
        let mut cpu = Cpu::new(model.memory().clone(), Sharing::Off);
        let faults = strays(&mut cpu, &*model, &Golden::open(stem), &REFERENCE)?;
        assert!(faults.is_empty(), "{stem}:\n{}", faults.join("\n"));
    }
    Ok(())
}

#[test]
fn training_agrees_with_pytorch_on_the_adapter() -> Result<(), Error> {
    let device = device(false);
    for (stem, model) in models() {
        let mut gpu = Gpu::new(device.clone(), model.memory().clone(), Sharing::Off);
        let faults = strays(&mut gpu, &*model, &Golden::open(stem), &DEVICE)?;
        assert!(faults.is_empty(), "{stem}:\n{}", faults.join("\n"));
    }
    Ok(())
}
