//! Tests of layers: tangents, and gradients with respect to inputs or parameters only.

use gpu_core::ops::activation::Activation;
use gpu_core::{Arena, Array, Call, Error, Executor, Memory, Reference, Schedule, Sharing};
use models::{Mode, Network, Sequence, Stack, Value, Wrt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Linear layers from six numbers to four.
fn stack(memory: &mut Memory, network: &mut Network, act: Activation, last: Activation) -> Stack {
    let mut layers = Sequence::of_rows(memory, network, "layers", 6);
    layers.linear(9, act);
    layers.linear(5, act);
    layers.linear(4, last);
    layers.finish()
}

/// The tangent of a stack of layers is the derivative of its output along a direction.
#[test]
fn tangents_are_derivatives() -> Result<(), Error> {
    const STEP: f64 = 1e-5;
    for name in ["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "elu"] {
        let act = Activation::named(name).expect("a known activation");
        for last in [Activation::Identity, act] {
            let mut memory = Memory::default();
            let mut network = Network::new(&mut memory, "net");
            let mlp = stack(&mut memory, &mut network, act, last);
            let mut s = Schedule::new();
            let (x, u) = (s.scratch([3, 6]), s.scratch([3, 6]));
            s.feed(x);
            s.feed(u);
            let (y, saved) = mlp.forward(&mut s, Value::plain(x), Mode::Train);
            let along = mlp.tangent(&mut s, &saved, u);

            let mut rng = StdRng::seed_from_u64(3);
            let mut numbers = || (0..18).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
            let (at, direction) = (numbers(), numbers());
            let mut cpu = Reference::new(memory.clone(), Sharing::Off);
            let program = cpu.prepare(&s)?;
            cpu.write(memory.whole(network.weights.arena(Arena::Values)), &Array::F32(network.weights.initial(1)))?;
            cpu.write(u, &Array::F64(direction.clone()))?;
            let mut run = |shift: f64| {
                let moved = at.iter().zip(&direction).map(|(x, u)| x + shift * u).collect();
                cpu.write(x, &Array::F64(moved))?;
                let ticket = cpu.submit(&[program], 1, &[y.buf, along])?;
                Ok::<_, Error>(cpu.wait(ticket)?.iter().map(Array::to_f64).collect::<Vec<_>>())
            };
            let [before, tangent, after] = [run(-STEP)?[0].clone(), run(0.0)?[1].clone(), run(STEP)?[0].clone()];
            for ((before, after), tangent) in before.iter().zip(&after).zip(&tangent) {
                let difference = (after - before) / (2.0 * STEP);
                assert!((difference - tangent).abs() < 1e-9, "{name}: tangent {tangent}, difference {difference}");
            }
        }
    }
    Ok(())
}

/// The gradient of the input does not depend on whether parameter gradients are computed, and leaves them unchanged.
#[test]
fn the_input_gradient_does_not_need_parameter_gradients() -> Result<(), Error> {
    for name in ["relu", "tanh", "silu"] {
        let act = Activation::named(name).expect("a known activation");
        let mut memory = Memory::default();
        let mut network = Network::new(&mut memory, "net");
        let mlp = stack(&mut memory, &mut network, act, Activation::Identity);
        let mut rng = StdRng::seed_from_u64(5);
        let mut numbers = |len: usize| Array::F64((0..len).map(|_| rng.random_range(-1.0..1.0)).collect());
        let gradients = memory.whole(network.weights.arena(Arena::Gradients));
        let (at, upstream, before) = (numbers(18), numbers(12), numbers(gradients.len()));
        // dx, the gradient arena afterwards, and whether any call may have written to it.
        let run = |wrt: Wrt| {
            let mut s = Schedule::new();
            let (x, dy) = (s.scratch([3, 6]), s.scratch([3, 4]));
            s.feed(x);
            s.feed(dy);
            let (_, saved) = mlp.forward(&mut s, Value::plain(x), Mode::Train);
            let dx = mlp.backward(&mut s, &saved, dy, wrt).expect("wrt includes the input");
            let writes = s.calls().iter().flat_map(Call::writes).any(|buf| buf.id.arena == Arena::Gradients);
            let mut cpu = Reference::new(memory.clone(), Sharing::Off);
            let program = cpu.prepare(&s)?;
            cpu.write(memory.whole(network.weights.arena(Arena::Values)), &Array::F32(network.weights.initial(1)))?;
            for (buf, values) in [(gradients, &before), (x, &at), (dy, &upstream)] {
                cpu.write(buf, values)?;
            }
            let ticket = cpu.submit(&[program], 1, &[dx, gradients])?;
            let seen: Vec<Vec<f64>> = cpu.wait(ticket)?.iter().map(Array::to_f64).collect();
            Ok::<_, Error>((seen, writes))
        };
        let (both, wrote) = run(Wrt::Both)?;
        assert!(wrote && both[1] != before.to_f64(), "{name}: parameter gradients are missing");
        let (input, wrote) = run(Wrt::Input)?;
        assert!(!wrote && input[1] == before.to_f64(), "{name}: a call writes unwanted parameter gradients");
        assert_eq!(input[0], both[0], "{name}");
        assert!(input[0].iter().all(|&dx| dx != 0.0), "{name}: {:?}", input[0]);
    }
    Ok(())
}
