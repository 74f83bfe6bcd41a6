//! Whole models: every step of every schedule on the device against the reference, the gradient of the loss against
//! finite differences, tangents, and runs that repeat.

use frit_harness::case::tolerance;
use frit_harness::compare::{Finding, stepwise};
use frit_harness::device;
use gpu_core::device::Device;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::gather::pack;
use gpu_core::{Array, Buf, Cpu, Error, Executor, Gpu, Home, Memory, Schedule, Sharing, Step, Weights};
use models::{
    Autoencoder, AutoencoderConfig, DataSpec, Likelihood, Mlp, Model, Optimiser, Training, Vae, VaeConfig, Value, Wrt,
    nonlinearity,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A model's settings, its data's size and its training.
struct Setup {
    width: usize,
    hidden: Vec<usize>,
    latent: usize,
    activation: &'static str,
    likelihood: Likelihood,
    batch: usize,
    optimiser: Optimiser,
}

const BETA: f32 = 0.7;
const SIGMA: f32 = 0.3;
const SEED: u64 = 0x1234_5678_9abc_def0;

impl Setup {
    fn new(width: usize, hidden: &[usize], latent: usize, activation: &'static str, batch: usize) -> Self {
        let (hidden, likelihood) = (hidden.to_vec(), Likelihood::Bernoulli);
        Self { width, hidden, latent, activation, likelihood, batch, optimiser: Optimiser::default() }
    }

    /// Three batches to an epoch.
    fn spec(&self) -> DataSpec {
        DataSpec { train: 3 * self.batch, test: 2 * self.batch + 1, width: self.width }
    }

    fn training(&self, seed: u64) -> Training {
        Training { seed, shuffle: true, optimiser: self.optimiser }
    }

    fn vae(&self) -> Vae {
        let (hidden, activation) = (self.hidden.clone(), self.activation.into());
        let Self { latent, likelihood, .. } = *self;
        Vae::new(
            VaeConfig { hidden, latent, activation, likelihood, beta: BETA, sigma: SIGMA, ..VaeConfig::default() },
            self.spec(),
        )
    }

    fn autoencoder(&self) -> Autoencoder {
        let (hidden, activation) = (self.hidden.clone(), self.activation.into());
        let Self { latent, likelihood, .. } = *self;
        Autoencoder::new(AutoencoderConfig { hidden, latent, activation, likelihood, sigma: SIGMA }, self.spec())
    }
}

/// Several kinds of sizes, activations that need their input and that do not, and each option of the optimiser.
fn setups() -> Vec<Setup> {
    let all = Optimiser { clip: 1.0, average: 0.9, weight_decay: 0.01, ..Optimiser::default() };
    let coupled = Optimiser { decoupled: false, ..all };
    vec![
        Setup::new(50, &[33, 17], 5, "silu", 13),
        Setup::new(784, &[40], 7, "relu", 32),
        Setup { likelihood: Likelihood::Gaussian, optimiser: all, ..Setup::new(65, &[64], 3, "tanh", 64) },
        // A batch long enough for the gradients of the weights to be split sums.
        Setup { optimiser: coupled, ..Setup::new(9, &[12, 7, 5], 1, "elu", 520) },
    ]
}

fn arena(model: &dyn Model, home: Home) -> Buf {
    model.memory().whole(model.networks()[0].place(home))
}

const ARENAS: [Home; 5] = [Home::Values, Home::Gradients, Home::FirstMoments, Home::SecondMoments, Home::Average];

/// Random images in both sets, and the weights that `seed` starts from.
fn beginning(model: &dyn Model, seed: u64) -> Vec<(Buf, Array)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bytes = |buf: Buf| Array::U32(pack(&(0..4 * buf.len()).map(|_| rng.random::<u8>()).collect::<Vec<_>>()));
    let pins = model.pins();
    let images = [(pins.train, bytes(pins.train)), (pins.test, bytes(pins.test))];
    let weights = Array::F32(model.networks()[0].initial(seed));
    images.into_iter().chain([(arena(model, Home::Values), weights)]).collect()
}

fn start(executor: &mut dyn Executor, model: &dyn Model, seed: u64) -> Result<(), Error> {
    beginning(model, seed).into_iter().try_for_each(|(buf, values)| executor.write(buf, &values))
}

/// The state after an epoch of training: moments and clock are not those of a first step, and the order is another.
fn under_way(model: &dyn Model, setup: &Setup) -> Result<Vec<(Buf, Array)>, Error> {
    let mut cpu = Cpu::new(model.memory().clone(), Sharing::Off);
    start(&mut cpu, model, SEED)?;
    let program = cpu.prepare(&model.train(setup.batch, &setup.training(SEED)))?;
    let pins = model.pins();
    let buffers = ARENAS.map(|home| arena(model, home)).into_iter();
    let buffers: Vec<Buf> = buffers.chain([pins.train, pins.test, pins.clock, pins.rates, pins.ring]).collect();
    let ticket = cpu.submit(&[program], 3, &buffers)?;
    Ok(buffers.iter().copied().zip(cpu.wait(ticket)?).collect())
}

/// The numbers that one element of a step's output adds up, at most.
fn terms(step: &Step) -> usize {
    let field = |name: &str| {
        let index = step.kernel.params.iter().position(|(field, _)| *field == name);
        index.map_or(1, |index| step.params[index] as usize)
    };
    match step.kernel.op {
        "matmul" => field("k").max(field("parts")),
        "reduce" => field("m").max(field("n")),
        "loss" | "record" | "softmax" => field("n"),
        "kl" | "log_weight" => 3 * field("latent"),
        // A few operations each; exp of some units.
        _ => 4,
    }
}

/// Every schedule of a model, by name.
fn schedules(model: &dyn Model, setup: &Setup) -> Vec<(&'static str, Schedule)> {
    let batch = setup.batch;
    let optional = [
        ("sample", model.sample(batch, 3).map(|pass| pass.schedule)),
        ("posterior", model.posterior(batch).map(|pass| pass.schedule)),
        ("importance", model.importance(batch, 3, 4)),
    ];
    let mut schedules = vec![
        ("train", model.train(batch, &setup.training(SEED))),
        ("evaluate", model.evaluate(batch, 2)),
        ("reconstruct", model.reconstruct(batch).schedule),
    ];
    schedules.extend(optional.into_iter().filter_map(|(name, schedule)| Some((name, schedule?))));
    schedules
}

/// The first step of a model that strays, if any.
fn first_stray(device: &Device, model: &dyn Model, setup: &Setup) -> Result<Option<String>, Error> {
    let inputs = under_way(model, setup)?;
    for (name, schedule) in schedules(model, setup) {
        let mut gpu = Gpu::new(device.clone(), model.memory().clone(), Sharing::On);
        let findings = stepwise(&mut gpu, model.memory(), &schedule, &inputs)?;
        let allowed = |finding: &Finding| {
            let step = schedule.steps().iter().find(|step| step.label == finding.label).expect("a step of this");
            tolerance(terms(step))
        };
        let strays = |finding: &&Finding| finding.error > allowed(finding) || finding.error.is_nan();
        if let Some(Finding { kernel, label, output, error, worst: (index, value, reference) }) =
            findings.iter().find(strays)
        {
            let what = format!("{output}[{index}] is {value}, not {reference}");
            return Ok(Some(format!("{name}, {label} ({kernel}): {what}, off by {error:.1e}")));
        }
    }
    Ok(None)
}

#[test]
fn every_step_of_the_vae_agrees() -> Result<(), Error> {
    let device = device(true);
    for setup in setups() {
        assert_eq!(first_stray(&device, &setup.vae(), &setup)?, None, "{} wide", setup.width);
    }
    Ok(())
}

#[test]
fn every_step_of_the_autoencoder_agrees() -> Result<(), Error> {
    let device = device(false);
    for setup in setups() {
        assert_eq!(first_stray(&device, &setup.autoencoder(), &setup)?, None, "{} wide", setup.width);
    }
    Ok(())
}

/// One training step of the reference from given weights, as far as the gradient.
struct Loss<'a> {
    model: &'a dyn Model,
    cpu: Cpu,
    schedule: Schedule,
    program: gpu_core::Program,
    /// What each column of the ring counts in the loss.
    weights: Vec<f64>,
}

impl<'a> Loss<'a> {
    fn new(model: &'a dyn Model, setup: &Setup) -> Result<Self, Error> {
        let mut cpu = Cpu::new(model.memory().clone(), Sharing::Off);
        start(&mut cpu, model, SEED)?;
        let schedule = model.train(setup.batch, &setup.training(SEED));
        let program = cpu.prepare(&schedule)?;
        let weights = vec![1.0, f64::from(BETA)][..model.columns().len()].to_vec();
        Ok(Self { model, cpu, schedule, program, weights })
    }

    fn is_optimiser(step: &Step) -> bool {
        step.kernel.op == "adam"
    }

    /// The loss of the first batch at `values`, and its gradient; `skipped` steps are left out.
    fn at(&mut self, values: &[f64], skipped: Option<usize>) -> Result<(f64, Vec<f64>), Error> {
        let pins = self.model.pins();
        let gradients = arena(self.model, Home::Gradients);
        self.cpu.write(arena(self.model, Home::Values), &Array::F64(values.to_vec()))?;
        self.cpu.write(gradients, &Array::F64(vec![0.0; values.len()]))?;
        self.cpu.write(pins.clock, &Array::U32(vec![0; 4]))?;
        self.cpu.write(pins.rates, &Array::F64(vec![0.0; 4]))?;
        for (index, step) in self.schedule.steps().iter().enumerate() {
            if Self::is_optimiser(step) {
                break;
            }
            if skipped != Some(index) {
                self.cpu.run_step(self.program, index)?;
            }
        }
        let row = self.cpu.read(pins.ring)?.to_f64();
        let loss = row.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum();
        Ok((loss, self.cpu.read(gradients)?.to_f64()))
    }

    /// Some elements of every parameter, with the derivative of the loss by central differences.
    fn differences(&mut self, values: &[f64]) -> Result<Vec<(usize, f64)>, Error> {
        const STEP: f64 = 1e-5;
        let mut rng = StdRng::seed_from_u64(7);
        let mut differences = Vec::new();
        for parameter in self.model.networks()[0].parameters() {
            for _ in 0..6 {
                let element = parameter.offset as usize + rng.random_range(0..parameter.shape.len());
                let mut moved = |shift: f64| {
                    let mut values = values.to_vec();
                    values[element] += shift;
                    Ok::<f64, Error>(self.at(&values, None)?.0)
                };
                differences.push((element, (moved(STEP)? - moved(-STEP)?) / (2.0 * STEP)));
            }
        }
        Ok(differences)
    }
}

/// Central differences err by 10⁻¹⁰ times a third derivative, and by the rounding of a loss of some hundred nats over
/// the step, 10⁻⁹; constants such as σ and 1 / batch are rounded to f32, on either side of the derivative once.
const SLOPE: f64 = 2e-7;

/// The worst |gradient − difference| / max(1, |difference|).
fn worst(gradient: &[f64], differences: &[(usize, f64)]) -> f64 {
    let errors = differences.iter().map(|&(element, d)| (gradient[element] - d).abs() / d.abs().max(1.0));
    errors.fold(0.0, f64::max)
}

#[test]
fn gradients_of_whole_models_are_right() -> Result<(), Error> {
    for (activation, likelihood) in
        [("silu", Likelihood::Bernoulli), ("tanh", Likelihood::Gaussian), ("softplus", Likelihood::Bernoulli)]
    {
        let setup = Setup { likelihood, ..Setup::new(50, &[33, 17], 5, activation, 13) };
        let models: [Box<dyn Model>; 2] = [Box::new(setup.vae()), Box::new(setup.autoencoder())];
        for model in models {
            let mut loss = Loss::new(&*model, &setup)?;
            let values = loss.cpu.read(arena(&*model, Home::Values))?.to_f64();
            let differences = loss.differences(&values)?;
            let error = worst(&loss.at(&values, None)?.1, &differences);
            assert!(error < SLOPE, "{activation}, {likelihood:?}, {}: {error:.1e}", model.columns().len());
        }
    }
    Ok(())
}

/// The check above can fail: without any one step between the loss and the optimiser, the gradient is another.
#[test]
fn every_backward_step_matters() -> Result<(), Error> {
    let setup = Setup::new(20, &[11, 7], 3, "silu", 6);
    let vae = setup.vae();
    let mut loss = Loss::new(&vae, &setup)?;
    let values = loss.cpu.read(arena(&vae, Home::Values))?.to_f64();
    let differences = loss.differences(&values)?;
    let steps = loss.schedule.steps().to_vec();
    let first = steps.iter().position(|step| step.label == "recon").expect("the loss has a label");
    let mut checked = 0;
    for (index, step) in steps.iter().enumerate().skip(first) {
        if Loss::is_optimiser(step) || step.kernel.op == "record" || step.label == "kl" {
            continue;
        }
        // What the step would write is not left from an earlier run.
        for buf in step.writes().filter(|buf| buf.place.home == Home::Scratch) {
            let updated = step.reads().any(|read| read.place == buf.place);
            if !updated {
                loss.cpu.write(buf, &Array::F64(vec![0.0; buf.len()]))?;
            }
        }
        let error = worst(&loss.at(&values, Some(index))?.1, &differences);
        assert!(error > 100.0 * SLOPE, "{} could be left out: {error:.1e}", step.label);
        checked += 1;
    }
    assert!(checked > 15, "only {checked} backward steps");
    Ok(())
}

/// The tangent of a stack of layers is the derivative of its output along a direction.
#[test]
fn tangents_are_derivatives() -> Result<(), Error> {
    const STEP: f64 = 1e-5;
    for name in ["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "elu"] {
        let act = nonlinearity(name).expect("an activation");
        for last in [Activation::Identity, act] {
            let mut memory = Memory::default();
            let mut weights = Weights::new(&mut memory, "net");
            let mlp = Mlp::new(&mut memory, &mut weights, "layers", &[6, 9, 5, 4], act, last);
            let mut s = Schedule::new();
            let (x, u) = (s.scratch([3, 6]), s.scratch([3, 6]));
            s.feed(x);
            s.feed(u);
            let (y, saved) = mlp.forward(&mut s, Value::plain(x));
            let along = mlp.tangent(&mut s, &saved, u);

            let mut rng = StdRng::seed_from_u64(3);
            let mut numbers = || (0..18).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
            let (at, direction) = (numbers(), numbers());
            let mut cpu = Cpu::new(memory.clone(), Sharing::Off);
            let program = cpu.prepare(&s)?;
            cpu.write(memory.whole(weights.place(Home::Values)), &Array::F32(weights.initial(1)))?;
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
                assert!((difference - tangent).abs() < 1e-9, "{name}: {tangent} is not {difference}");
            }
        }
    }
    Ok(())
}

/// The gradient of the input is the same whether or not the parameters' is wanted, and leaves theirs alone if not.
#[test]
fn the_gradient_of_the_input_needs_no_other() -> Result<(), Error> {
    for name in ["relu", "tanh", "silu"] {
        let act = nonlinearity(name).expect("an activation");
        let mut memory = Memory::default();
        let mut weights = Weights::new(&mut memory, "net");
        let mlp = Mlp::new(&mut memory, &mut weights, "layers", &[6, 9, 5, 4], act, Activation::Identity);
        let mut rng = StdRng::seed_from_u64(5);
        let mut numbers = |len: usize| Array::F64((0..len).map(|_| rng.random_range(-1.0..1.0)).collect());
        let gradients = memory.whole(weights.place(Home::Gradients));
        let (at, upstream, before) = (numbers(18), numbers(12), numbers(gradients.len()));
        // dx, what is in the arena of the gradients afterwards, and whether any step may have put it there.
        let run = |wrt: Wrt| {
            let mut s = Schedule::new();
            let (x, dy) = (s.scratch([3, 6]), s.scratch([3, 4]));
            s.feed(x);
            s.feed(dy);
            let (_, saved) = mlp.forward(&mut s, Value::plain(x));
            let dx = mlp.backward(&mut s, &saved, dy, wrt).expect("the input's is wanted");
            let writes = s.steps().iter().flat_map(Step::writes).any(|buf| buf.place.home == Home::Gradients);
            let mut cpu = Cpu::new(memory.clone(), Sharing::Off);
            let program = cpu.prepare(&s)?;
            cpu.write(memory.whole(weights.place(Home::Values)), &Array::F32(weights.initial(1)))?;
            for (buf, values) in [(gradients, &before), (x, &at), (dy, &upstream)] {
                cpu.write(buf, values)?;
            }
            let ticket = cpu.submit(&[program], 1, &[dx, gradients])?;
            let seen: Vec<Vec<f64>> = cpu.wait(ticket)?.iter().map(Array::to_f64).collect();
            Ok::<_, Error>((seen, writes))
        };
        let (both, wrote) = run(Wrt::Both)?;
        assert!(wrote && both[1] != before.to_f64(), "{name}: both are wanted");
        let (input, wrote) = run(Wrt::Input)?;
        assert!(!wrote && input[1] == before.to_f64(), "{name}: a step writes gradients that are not wanted");
        assert_eq!(input[0], both[0], "{name}");
        assert!(input[0].iter().all(|&dx| dx != 0.0), "{name}: {:?}", input[0]);
    }
    Ok(())
}

/// Weights after four steps on a device of their own, as bits.
fn run(initial: u64, seed: u64) -> Result<Vec<u32>, Error> {
    let setup = Setup::new(50, &[33, 17], 5, "relu", 13);
    let vae = setup.vae();
    let device = device(false);
    let mut gpu = Gpu::new(device, vae.memory().clone(), Sharing::On);
    start(&mut gpu, &vae, 1)?;
    let values = arena(&vae, Home::Values);
    gpu.write(values, &Array::F32(vae.networks()[0].initial(initial)))?;
    let program = gpu.prepare(&vae.train(setup.batch, &setup.training(seed)))?;
    let ticket = gpu.submit(&[program], 4, &[values])?;
    Ok(gpu.wait(ticket)?[0].to_f32().into_iter().map(f32::to_bits).collect())
}

#[test]
fn a_seed_fixes_a_run() -> Result<(), Error> {
    let once = run(1, 5)?;
    assert_eq!(once, run(1, 5)?, "the same seed, the same bytes");
    assert_ne!(once, run(1, 6)?, "another order and other noise");
    assert_ne!(once, run(2, 5)?, "other weights to start from");
    Ok(())
}
