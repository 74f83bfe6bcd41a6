//! Compares the reference with PyTorch, operator by operator. tests/golden/README.md describes ops.safetensors and
//! make.py, which creates it.

#[path = "golden/bench.rs"]
mod bench;
#[path = "golden/vectors.rs"]
mod vectors;

use bench::Bench;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::adam::{self, Adam, adam_with};
use gpu_core::ops::flow_path::flow_path;
use gpu_core::ops::fsq::{self, Levels};
use gpu_core::ops::lion::{self, Lion, lion_with};
use gpu_core::ops::matmul::{Form, PLAIN, product};
use gpu_core::ops::running_average::running_average;
use gpu_core::ops::sgd::{self, Sgd, sgd_with};
use gpu_core::ops::softmax;
use gpu_core::ops::tick::{Decay, Tick, tick};
use gpu_core::ops::time_features::time_features;
use gpu_core::ops::{
    attention, blurred_waves, elementwise, gated, kl, log_weight, loss, reduce, reparameterise, shift,
};
use gpu_core::{Arena, Array, Buf, Dtype, Error, Executor, Memory, Reference, Schedule, Sharing};
use models::{Linear, LinearSpec, Mode, Network, Value, Wrt};
use vectors::Tensor;

/// Half a unit in the last place of f32: the error of one rounded constant.
const HALF_UNIT: f64 = f32::EPSILON as f64 / 2.0;

#[test]
fn operators_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("ops", |bench, op, kind| match op {
        "activation" => activation(bench, kind),
        "adam" => adam(bench, kind),
        "kl" => kl(bench),
        "linear" => linear(bench),
        "lion" => lion(bench),
        "log_weight" => log_weight(bench),
        "loss" => loss(bench, kind),
        "matmul" => matmul(bench, kind),
        "reduce" => reduce(bench, kind),
        "reparameterise" => reparameterise(bench),
        "sgd" => sgd(bench, kind),
        "softmax" => softmax(bench, kind),
        _ => panic!("no test for {op}"),
    })
}

#[test]
fn operators_of_flow_matching_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("flow_ops", |bench, op, kind| match op {
        "flow_path" => {
            let [z, x, u] = ["z", "x", "u"].map(|name| bench.input(name));
            let spacing = if kind == "spaced" { 2.5 } else { 1.0 };
            let (y, velocity) = flow_path(&mut bench.s, "path", z, x, u, spacing);
            bench.expect("y", y);
            bench.expect("velocity", velocity);
        }
        "time_features" => {
            let t = bench.input("t");
            let y = time_features(&mut bench.s, "y", t, 6);
            bench.expect("y", y);
        }
        "blurred_waves" => {
            let [x, u, v] = ["x", "u", "v"].map(|name| bench.input(name));
            let y = blurred_waves::forward(&mut bench.s, "y", x, u, 3, 2.0);
            let dy = blurred_waves::tangent(&mut bench.s, "dy", x, u, v, 3, 2.0);
            bench.expect("y", y);
            bench.expect("dy", dy);
        }
        "shift" => {
            let [x, e, dy] = ["x", "e", "dy"].map(|name| bench.input(name));
            let y = shift::forward(&mut bench.s, "y", x, e);
            let de = shift::backward(&mut bench.s, "de", dy);
            bench.expect("y", y);
            bench.expect("de", de);
        }
        "attention" => {
            let (qkv, dy) = (bench.input("qkv"), bench.input("dy"));
            let heads = bench.scalar("heads") as usize;
            let (y, saved) = attention::forward(&mut bench.s, "y", qkv, heads);
            let dqkv = attention::backward(&mut bench.s, "dqkv", &saved, dy);
            bench.expect("y", y);
            bench.expect("dqkv", dqkv);
        }
        _ => panic!("no test for {op}"),
    })
}

#[test]
fn gates_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("gated", |bench, _, kind| {
        let (x, dy) = (bench.input("x"), bench.input("dy"));
        let bias = (kind == "biased").then(|| bench.input("bias"));
        let y = gated::forward(&mut bench.s, "y", x, bias);
        let dx = gated::backward(&mut bench.s, "dx", x, bias, dy);
        bench.expect("y", y);
        bench.expect("dx", dx);
        if let Some(bias) = bias {
            let dbias = gated::backward_bias(&mut bench.s, "dbias", dx, bias.shape.rows());
            bench.expect("dbias", dbias);
        }
    })
}

fn activation(bench: &mut Bench<'_>, kind: &str) {
    let act = match Activation::named(kind).expect("a known activation") {
        Activation::LeakyRelu(_) => Activation::LeakyRelu(bench.scalar("alpha")),
        Activation::Elu(_) => Activation::Elu(bench.scalar("alpha")),
        act => act,
    };
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let y = activation::forward(&mut bench.s, "y", x, act);
    let dx = activation::backward(&mut bench.s, "dx", x, dy, act);
    bench.expect("y", y);
    bench.expect("dx", dx);
    if act.slope_from_output() {
        let gated = activation::gate(&mut bench.s, "gated", y, dy, act);
        bench.expect("dx", gated);
    }
}

#[test]
fn finite_scalar_quantisation_agrees_with_pytorch() -> Result<(), Error> {
    bench::agree("fsq", |bench, _, _| {
        let levels: Vec<usize> = bench.tensor("levels").values.iter().map(|&levels| levels as usize).collect();
        let levels = Levels::new(&levels).expect("levels that exist");
        let (z, dq) = (bench.input("z"), bench.input("dq"));
        let s = &mut bench.s;
        let y = fsq::bound(s, "y", z, &levels);
        let (q, index) = fsq::quantise(s, "q", y, &levels);
        let found = fsq::lookup(s, "found", index, &levels, q.shape);
        let dz = fsq::bound_backward(s, "dz", z, dq, &levels);
        for (name, buf) in [("y", y), ("q", q), ("q", found), ("index", index), ("dz", dz)] {
            bench.expect(name, buf);
        }
    })
}

/// A layer takes the gradient before its activation.
fn linear(bench: &mut Bench<'_>) {
    let Tensor { dims, .. } = bench.tensor("w");
    let mut network = Network::new(&mut bench.memory, "linear");
    let spec = LinearSpec::new(dims[1], dims[0], Activation::Tanh);
    let layer = Linear::new(&mut bench.memory, &mut network, "layer", spec);
    let arena = bench.memory.whole(network.weights.arena(Arena::Values));
    let [w, b] = network.weights.parameters() else { unreachable!("a linear layer has a weight and a bias") };
    let [w, b] = [w, b].map(|parameter| Buf { offset: parameter.offset, shape: parameter.shape, ..arena });
    bench.inputs.extend([("w", w), ("b", b)].map(|(name, buf)| (buf, Array::F64(bench.tensor(name).values))));
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let (y, saved) = layer.forward(&mut bench.s, Value::plain(x), Mode::Train);
    let dsum = activation::gate(&mut bench.s, "dsum", y.buf, dy, Activation::Tanh);
    let dx = layer.backward(&mut bench.s, &saved, dsum, Wrt::Both).expect("wrt includes the input");
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
        bench.tolerance = HALF_UNIT; // the constant 1 / 13
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
    // dy is the product of the step's weight and the schedule's.
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

/// Five steps of an optimiser, with the rates of `tick` and the weights compared after each. `push` adds a step on
/// weights w and gradients g, with two buffers of state, the rates, and the squared norm of the gradients.
fn trajectory(bench: &mut Bench<'_>, betas: [f32; 2], push: impl Fn(&mut Schedule, [Buf; 2], [Buf; 2], Buf, Buf)) {
    let (lr, [beta1, beta2]) = (bench.scalar("lr"), betas);
    let step = Tick { batch: 1, count: 100, lr, beta1, beta2, ..Tick::default() };
    let (clock, rates) = (bench.memory.add("clock", [4], Dtype::U32), bench.memory.add("rates", [4], Dtype::F32));
    // Optimisers step four weights at once; absent ones are zero, and so are their gradients.
    let padded = |values: &[f64]| -> Vec<f64> {
        let absent = values.len().next_multiple_of(4) - values.len();
        values.iter().copied().chain(std::iter::repeat_n(0.0, absent)).collect()
    };
    let w0 = bench.tensor("w0").values;
    let count = w0.len();
    let w = bench.feed(&[count.next_multiple_of(4)], padded(&w0));
    let state = [(); 2].map(|()| bench.feed(&[w.len()], vec![0.0; w.len()]));
    let (grads, after, norms) = (bench.tensor("grads"), bench.tensor("w"), bench.tensor("norm"));
    for (i, (grad, after)) in grads.values.chunks(count).zip(after.values.chunks(count)).enumerate() {
        let g = bench.feed(&[w.len()], padded(grad));
        let s = &mut bench.s;
        tick(s, "tick", clock, rates, step);
        let norm = reduce::whole(s, "norm", g, reduce::Kind::SumOfSquares);
        push(s, [w, g], state, rates, norm);
        let copy = elementwise::scale(s, "copy", w, 1.0);
        bench.expect_values(&format!("norm of step {i}, squared"), norm, vec![norms.values[i].powi(2)]);
        bench.expect_values(&format!("w after step {i}"), copy, padded(after));
        bench.expect_values(&format!("g after step {i}"), g, vec![0.0; w.len()]);
    }
    if has(bench, "state") {
        let expected = padded(&bench.tensor("state").values);
        bench.expect_values("state", state[0], expected);
    }
}

/// True if the case holds a tensor of that name.
fn has(bench: &Bench<'_>, name: &str) -> bool {
    bench.golden.0.contains_key(&format!("{}/{name}", bench.case))
}

/// Weight decay, and the norm to clip to, if the case has one.
fn decay_and_clip(bench: &Bench<'_>) -> (f32, Option<f32>) {
    (bench.scalar("weight_decay"), has(bench, "max_norm").then(|| bench.scalar("max_norm")))
}

fn adam(bench: &mut Bench<'_>, kind: &str) {
    let (weight_decay, clip) = decay_and_clip(bench);
    let config = Adam { weight_decay, decoupled: kind == "adamw", clip, ..Adam::default() };
    trajectory(bench, [config.beta1, config.beta2], |s, [w, g], [m, v], rates, norm| {
        let arenas = adam::Arenas { w, g, m, v };
        adam_with(s, "adam", arenas, rates, clip.map(|_| norm), &config);
    });
}

fn sgd(bench: &mut Bench<'_>, kind: &str) {
    let (weight_decay, clip) = decay_and_clip(bench);
    let momentum = if ["plain", "decayed"].contains(&kind) { 0.0 } else { 0.9 };
    let nesterov = kind.starts_with("nesterov");
    let config = Sgd { momentum, nesterov, weight_decay, clip };
    trajectory(bench, [0.0; 2], |s, [w, g], [momentum, _], rates, norm| {
        let arenas = sgd::Arenas { w, g, momentum };
        sgd_with(s, "sgd", arenas, rates, clip.map(|_| norm), &config);
    });
}

fn lion(bench: &mut Bench<'_>) {
    let (weight_decay, clip) = decay_and_clip(bench);
    let config = Lion { weight_decay, clip, ..Lion::default() };
    trajectory(bench, [0.0; 2], |s, [w, g], [m, _], rates, norm| {
        let arenas = lion::Arenas { w, g, m };
        lion_with(s, "lion", arenas, rates, clip.map(|_| norm), &config);
    });
}

/// Learning rates of torch.optim.lr_scheduler from 2.0 on, one `scheduler.step()` after each `optimizer.step()`.
#[test]
fn learning_rates_agree_with_pytorch() -> Result<(), Error> {
    // CosineAnnealingLR(optimizer, T_max=7, eta_min=0.2)
    let cosine = [2.0, 1.910871981112177, 1.66114082167286, 1.3002688405606828, 0.8997311594393171, 0.5388591783271399];
    // LinearLR(optimizer, start_factor=1.0, end_factor=0.25, total_iters=5)
    let line = [2.0, 1.7, 1.4, 1.1, 0.8, 0.5, 0.5];
    // StepLR(optimizer, step_size=3, gamma=0.5)
    let steps = [2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.5];
    // SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.25, end_factor=1.0, total_iters=3),
    //     CosineAnnealingLR(optimizer, T_max=4, eta_min=0.2)], milestones=[3])
    let both = [0.5, 1.0, 1.5, 2.0, 1.7363961030678927, 1.1, 0.46360389693210735, 0.2];
    // SequentialLR(optimizer, [ConstantLR(optimizer, factor=1.0, total_iters=3),
    //     LinearLR(optimizer, start_factor=1.0, end_factor=0.25, total_iters=4)], milestones=[3])
    let held = [2.0, 2.0, 2.0, 2.0, 1.625, 1.25, 0.875, 0.5, 0.5];
    // SequentialLR(optimizer, [LinearLR(optimizer, start_factor=0.25, end_factor=1.0, total_iters=3),
    //     ConstantLR(optimizer, factor=1.0, total_iters=2), CosineAnnealingLR(optimizer, T_max=4, eta_min=0.2)],
    //     milestones=[3, 5])
    let all = [0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 1.7363961030678927, 1.1, 0.46360389693210735, 0.2];
    let cases: [(usize, usize, Decay, &[f64]); 6] = [
        (0, 0, Decay::Cosine(7, 0.1), &cosine),
        (0, 0, Decay::Linear(5, 0.25), &line),
        (0, 0, Decay::Steps(3, 0.5), &steps),
        (4, 0, Decay::Cosine(4, 0.1), &both),
        (0, 3, Decay::Linear(4, 0.25), &held),
        (4, 2, Decay::Cosine(4, 0.1), &all),
    ];
    for (lr_warmup, lr_hold, decay, expected) in cases {
        let mut memory = Memory::default();
        let (clock, rates) = (memory.add("clock", [4], Dtype::U32), memory.add("rates", [4], Dtype::F32));
        let mut s = Schedule::new();
        let step = Tick { batch: 1, count: 100, lr: 2.0, lr_warmup, lr_hold, decay, ..Tick::default() };
        tick(&mut s, "tick", clock, rates, step);
        let mut cpu = Reference::new(memory, Sharing::Off);
        let program = cpu.prepare(&s)?;
        for (step, &expected) in expected.iter().enumerate() {
            let ticket = cpu.submit(&[program], 1, &[rates])?;
            let found = cpu.wait(ticket)?[0].to_f64()[0];
            // The factors are f32.
            assert!((found - expected).abs() < 1e-7, "{decay:?} at step {step}: {found}, expected {expected}");
        }
    }
    Ok(())
}

/// The average of ones from zero on, while its decay rises: 1 − Π (1 + t) / (10 + t) = 1 − (T + 1)! 10! / (T + 10)!,
/// and with the set decay as soon as that is smaller.
#[test]
fn running_averages_follow_their_closed_form() -> Result<(), Error> {
    let steps = 12;
    let risen = |to: u32| 1.0 - (1..=to).map(|t| f64::from(1 + t) / f64::from(10 + t)).product::<f64>();
    // (T + 1)! 10! / (T + 10)! of T = 12, whose factors are those from 14 to 22.
    let factorials = (1..=10).map(f64::from).product::<f64>() / (14..=22).map(f64::from).product::<f64>();
    assert!((risen(steps) - (1.0 - factorials)).abs() < 1e-12);
    // 0.5 is passed at step 8: 9 / 18.
    let constant = 1.0 - (1.0 - risen(8)) * 0.5f64.powi(4);
    for (decay, expected) in [(0.999, risen(steps)), (0.5, constant)] {
        let mut memory = Memory::default();
        let (clock, rates) = (memory.add("clock", [4], Dtype::U32), memory.add("rates", [4], Dtype::F32));
        let [average, x] = ["average", "x"].map(|name| memory.add(name, [3], Dtype::F32));
        let mut s = Schedule::new();
        tick(&mut s, "tick", clock, rates, Tick { batch: 1, count: 100, lr: 1.0, ..Tick::default() });
        running_average(&mut s, "average", average, x, clock, decay);
        let mut cpu = Reference::new(memory, Sharing::Off);
        cpu.write(x, &Array::F32(vec![1.0; 3]))?;
        let program = cpu.prepare(&s)?;
        let ticket = cpu.submit(&[program], steps, &[average])?;
        let found = cpu.wait(ticket)?[0].to_f64();
        assert!(found.iter().all(|x| (x - expected).abs() < 1e-12), "decay {decay}: {found:?}, expected {expected}");
    }
    Ok(())
}
