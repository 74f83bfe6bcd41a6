//! Penalties on the gradient of a score: their gradients against PyTorch's double backward, and the Dirac GAN against
//! its closed form. tests/golden/penalty.py writes the golden file.

#[path = "golden/vectors.rs"]
mod vectors;

use gpu_core::ops::activation::Activation::{self, Identity, LeakyRelu, Relu};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::gan_loss::{GanLoss, Loss, Role};
use gpu_core::ops::gradient_penalty::{Kind, with_gradient};
use gpu_core::ops::sgd::{Sgd, sgd};
use gpu_core::ops::{fill, gan_loss};
use gpu_core::{Arena, Array, Buf, Dtype, Error, Executor, Layout, Memory, Program, Reference, Schedule, Sharing};
use models::{Mode, Network, Sequence, Stack, Value, Wrt};
use vectors::{Golden, distance};

const LEAKY: Activation = LeakyRelu(0.2);

/// A network of penalty.py, by its case.
fn network(memory: &mut Memory, network: &mut Network, case: &str) -> Stack {
    let halving = Window { kernel: [4, 3], stride: [2; 2], pad: [1; 2], ..Window::square(1, 1, 0) };
    let whole = |kernel| Window { kernel, ..Window::square(1, 1, 0) };
    let image = match case {
        "linear" => [1, 1, 12],
        "pooled" | "averaged" => [6, 4, 2],
        "transposed" => [2, 3, 3],
        _ => [8, 7, 2],
    };
    let mut layers = match case {
        "linear" => Sequence::of_rows(memory, network, "layers", 12),
        _ => Sequence::of_images(memory, network, "layers", image),
    };
    layers.spectral = case == "spectral";
    match case {
        "linear" => {
            layers.linear(9, LEAKY);
            layers.linear(5, Relu);
            layers.linear(1, Identity);
        }
        "pooled" => {
            layers.conv(3, Window::square(3, 1, 1), LEAKY);
            layers.max_pool();
            layers.upsample();
            layers.conv(1, whole([6, 4]), Identity);
        }
        "averaged" => {
            layers.conv(3, Window::square(3, 1, 1), LEAKY);
            layers.average_pool();
            layers.conv(1, whole([3, 2]), Identity);
        }
        "deviation" => {
            layers.conv(3, halving, LEAKY);
            layers.conv(4, Window::square(3, 1, 1), LEAKY);
            layers.minibatch_std(4);
            layers.conv(1, whole([4, 4]), Identity);
        }
        "transposed" => {
            layers.transposed(2, Window::square(4, 2, 1), [4, 6], LEAKY);
            layers.conv(1, whole([4, 6]), Identity);
        }
        _ => {
            layers.conv(3, halving, LEAKY);
            layers.conv(1, whole([4, 4]), Identity);
        }
    }
    layers.finish()
}

/// Pushes the penalty of each row of x, and adds the gradient of their mean to the weights.
fn penalise(s: &mut Schedule, stack: &Stack, x: Buf, kind: Kind, gamma: f32) -> Buf {
    let rows = x.shape.dims()[0] as usize;
    let (scores, saved) = stack.forward(s, Value::plain(x), Mode::Through);
    let ones = s.scratch(scores.buf.shape);
    fill::fill(s, "ones", ones, 1.0);
    let (adjoints, g) = stack.adjoints(s, &saved, ones);
    let g = g.reshape([rows, g.len() / rows]);
    let (penalty, u) = with_gradient(s, "penalty", g, kind, gamma, 1.0 / rows as f32);
    stack.tangent_backward(s, &saved, &adjoints, u);
    penalty
}

#[test]
fn gradients_of_penalties_agree_with_pytorchs_double_backward() -> Result<(), Error> {
    let golden = Golden::open("penalty");
    let gamma = golden.tensor("gamma").values[0] as f32;
    for case in ["linear", "conv", "pooled", "averaged", "deviation", "transposed", "spectral"] {
        for (kind, name) in [(Kind::R1, "r1"), (Kind::UnitNorm, "gp")] {
            let mut memory = Memory::default();
            let mut weights = Network::new(&mut memory, "net");
            let stack = network(&mut memory, &mut weights, case);
            let mut s = Schedule::new();
            let given = golden.tensor(&format!("{case}/x"));
            let dims: Vec<usize> = given.dims.clone();
            let x = match *dims.as_slice() {
                [n, h, w, c] => s.scratch([n, h, w, c]),
                _ => s.scratch([dims[0], dims[1]]),
            };
            s.feed(x);
            let rows = penalise(&mut s, &stack, x, kind, gamma);
            let mut cpu = Reference::new(memory.clone(), Sharing::Off);
            let program = cpu.prepare(&s)?;
            cpu.write(x, &Array::F64(given.values.clone()))?;
            for (name, layout, buf) in tensors(&memory, &weights, Arena::Values) {
                cpu.write(buf, &Array::F64(layout.from_file(&golden.tensor(&format!("{case}/{name}")).values)))?;
            }
            let ticket = cpu.submit(&[program], 1, &[rows])?;
            let found = cpu.wait(ticket)?.remove(0).to_f64();
            let expected = &golden.tensor(&format!("{case}/{name}/rows")).values;
            // The weight of a row in the mean is exact, and γ is rounded in both.
            assert!(distance(&found, expected) < 1e-12, "{case}, {name}: {found:?} and {expected:?}");
            for parameter in weights.weights.parameters() {
                let whole = memory.whole(weights.weights.arena(Arena::Gradients));
                let buf = Buf { offset: parameter.offset, shape: parameter.shape, ..whole };
                let found = parameter.layout.to_file(&cpu.read(buf)?.to_f64());
                let expected = &golden.tensor(&format!("{case}/{name}/{}", parameter.name)).values;
                let error = distance(&found, expected);
                let bound = if expected.iter().all(|&x| x == 0.0) { 0.0 } else { 1e-9 };
                assert!(error <= bound, "{case}, {name}, {}: {error:e}", parameter.name);
            }
        }
    }
    Ok(())
}

/// The parameters and states of a network: names, layouts, buffers.
fn tensors(memory: &Memory, network: &Network, arena: Arena) -> Vec<(String, Layout, Buf)> {
    let whole = memory.whole(network.weights.arena(arena));
    let parameters = network.weights.parameters().iter();
    let parameters =
        parameters.map(|p| (p.name.clone(), p.layout.clone(), Buf { offset: p.offset, shape: p.shape, ..whole }));
    let states = network.states.iter().map(|state| (state.name.clone(), state.layout.clone(), state.buf));
    parameters.chain(states).collect()
}

/// The Dirac GAN (Mescheder et al., 2018, §2): real data is 0, the generator's is θ, and the score of x is ψ x. With
/// the Wasserstein loss, a rate h and alternating steps, ψ ← ψ − h (θ + γ ψ) and θ ← θ + h ψ.
struct Dirac {
    cpu: Reference,
    step: Vec<Program>,
    slope: Buf,
    generated: Buf,
}

const RATE: f64 = 0.125;

impl Dirac {
    fn new(gamma: f32, start: [f64; 2]) -> Result<Self, Error> {
        let mut memory = Memory::default();
        let rates = memory.add("rates", [4], Dtype::F32);
        let mut networks = ["generator", "discriminator"].map(|name| Network::new(&mut memory, name));
        let [of_g, of_d] = &mut networks;
        let [generator, discriminator] = [(of_g, "generator"), (of_d, "discriminator")].map(|(network, name)| {
            let mut layers = Sequence::of_rows(&mut memory, network, name, 1);
            layers.linear(1, Identity);
            layers.finish()
        });
        let [of_generator, of_discriminator] = &networks;
        let loss = Loss { kind: GanLoss::Wasserstein, label_smoothing: 0.0 };
        let zero = |s: &mut Schedule, label: &str| {
            let zero = s.scratch([1, 1]);
            fill::fill(s, label, zero, 0.0);
            zero
        };
        let update = |s: &mut Schedule, network: &Network| {
            let weights = memory.whole(network.weights.arena(Arena::Values));
            sgd(s, "sgd", weights, rates, None, &Sgd::default());
        };
        let mut of_d = Schedule::new();
        let s = &mut of_d;
        let (real, latent) = (zero(s, "real"), zero(s, "z"));
        let (fake, _) = generator.forward(s, Value::plain(latent), Mode::Batch);
        for (images, role) in [(real, Role::Real), (fake.buf, Role::Fake)] {
            let (scores, saved) = discriminator.forward(s, Value::plain(images), Mode::Train);
            let (_, dscores, _) = gan_loss::with_gradient(s, "loss", scores.buf, role, loss, 1.0);
            discriminator.backward(s, &saved, dscores, Wrt::Params);
        }
        if gamma > 0.0 {
            penalise(s, &discriminator, real, Kind::R1, gamma);
        }
        update(s, of_discriminator);
        let mut of_g = Schedule::new();
        let s = &mut of_g;
        let latent = zero(s, "z");
        let (fake, saved_g) = generator.forward(s, Value::plain(latent), Mode::Train);
        let (scores, saved_d) = discriminator.forward(s, fake, Mode::Through);
        let (_, dscores, _) = gan_loss::with_gradient(s, "loss", scores.buf, Role::Generator, loss, 1.0);
        let dfake = discriminator.backward(s, &saved_d, dscores, Wrt::Input).expect("the input's gradient");
        generator.backward(s, &saved_g, dfake, Wrt::Params);
        update(s, of_generator);

        let buf = |network: &Network, name: &str| {
            let found = tensors(&memory, network, Arena::Values).into_iter().find(|(of, ..)| of == name);
            found.expect("a parameter").2
        };
        let slope = buf(of_discriminator, "discriminator.0.weight");
        let generated = buf(of_generator, "generator.0.bias");
        let mut cpu = Reference::new(memory.clone(), Sharing::Off);
        let step = [cpu.prepare(&of_d)?, cpu.prepare(&of_g)?].into();
        cpu.write(rates, &Array::F64(vec![RATE, 1.0, 1.0, 1.0]))?;
        cpu.write(slope, &Array::F64(vec![start[0]]))?;
        cpu.write(generated, &Array::F64(vec![start[1]]))?;
        Ok(Self { cpu, step, slope, generated })
    }

    /// ψ and θ after `steps` further steps.
    fn run(&mut self, steps: u32) -> Result<[f64; 2], Error> {
        let ticket = self.cpu.submit(&self.step, steps, &[])?;
        self.cpu.wait(ticket)?;
        Ok([self.cpu.read(self.slope)?.to_f64()[0], self.cpu.read(self.generated)?.to_f64()[0]])
    }
}

/// ψ and θ after n steps from the start: two real sequences with x(n) = rⁿ (a cos nω + b sin nω), where r² = 1 − h γ is
/// the determinant and 2 r cos ω = 2 − h γ − h² the trace of a step's matrix.
fn closed_form(gamma: f64, [slope, generated]: [f64; 2], n: f64) -> [f64; 2] {
    let (h, r) = (RATE, (1.0 - RATE * gamma).sqrt());
    let omega = ((2.0 - h * gamma - h * h) / (2.0 * r)).acos();
    let next_slope = slope - h * (generated + gamma * slope);
    let next_generated = generated + h * next_slope;
    [(slope, next_slope), (generated, next_generated)].map(|(at_0, at_1)| {
        let b = (at_1 - r * at_0 * omega.cos()) / (r * omega.sin());
        r.powf(n) * (at_0 * (n * omega).cos() + b * (n * omega).sin())
    })
}

#[test]
fn the_dirac_gan_converges_under_r1_and_not_without() -> Result<(), Error> {
    let start = [0.75, 1.0];
    for gamma in [0.0, 0.5] {
        let mut gan = Dirac::new(gamma, start)?;
        for n in [1, 10, 100, 400] {
            let done = [0, 1, 10, 100].into_iter().rfind(|&done| done < n).expect("before it");
            let (found, expected) = (gan.run(n - done)?, closed_form(gamma.into(), start, n.into()));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-10, "γ {gamma}, {n} steps: {found} and {expected}");
            }
        }
        let radius = gan.run(0)?.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(if gamma > 0.0 { radius < 1e-4 } else { radius > 0.5 }, "γ {gamma}: {radius} from the solution");
    }
    Ok(())
}
