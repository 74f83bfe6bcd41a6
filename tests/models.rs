//! Tests of whole models: every call of every schedule on the device against the reference, gradients of losses against
//! finite differences, and repeatability.

#[path = "models/losses.rs"]
mod losses;
#[path = "models/setup.rs"]
mod setup;

use frit_harness::case::tolerance;
use frit_harness::compare::{Comparison, call_by_call};
use frit_harness::device;
use gpu_core::Device;
use gpu_core::ops::categorical::Drawing;
use gpu_core::{Arena, Array, Call, Error, Executor, Gpu, Program, Reference, Schedule, Sharing};
use losses::{is_derivative, losses};
use models::capabilities::Sampler;
use models::{Likelihood, Model, PhaseKind, Side, Training, Vae};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setup::{
    EVERY_CALL, SEED, Setup, arena, before_updates, lasting, prepared, setups, spec, start, under_way, vae, vqvae,
    zeros,
};

/// The most numbers summed in one element of a call's output.
fn terms(call: &Call) -> usize {
    let field = |name: &str| {
        let index = call.kernel.params.iter().position(|(field, _)| *field == name);
        index.map_or(1, |index| call.params[index] as usize)
    };
    match call.kernel.op {
        "matmul" => field("k").max(field("parts")),
        "conv2d" => (field("kh") * field("kw") * field("x_c").max(field("y_c"))).max(field("chunk")),
        "attention" => field("m").max(field("d")),
        // Means and variances over all rows, and values computed from them.
        "batch_norm" => 4 * call.bufs[0].shape.rows(),
        "spectral_norm" => 4 * field("m").max(field("n")),
        "reduce" => field("m").max(field("n")),
        "loss" | "record" | "softmax" => field("n"),
        "cross_entropy" => field("k"),
        "codebook" | "vq" => call.bufs.iter().map(|buf| buf.shape.rows()).max().unwrap_or(1),
        "group_norm" => 4 * field("hw") * field("c"),
        "shift" => field("hw"),
        "upsample" => 16,
        "kl" | "log_weight" => 3 * field("latent"),
        // The cases of the operator say why.
        "spline" => 60_000,
        "affine_coupling" => 30 * field("rows"),
        // A few operations each; exp has an error of several units.
        _ => 4,
    }
}

/// Every schedule of a model, by name.
fn schedules(setup: &Setup) -> Vec<(String, Schedule)> {
    let Setup { model, batch, .. } = setup;
    let batch = *batch;
    let training = setup.training(SEED);
    let optional = [
        ("start", model.start(&training)),
        ("evaluate", Some(model.evaluate(batch, 2))),
        ("reconstruct", model.reconstructor().map(|of| of.reconstruct(batch).schedule)),
        ("sample", model.sampler().map(|of| of.sample(batch, 3).schedule)),
        ("latents", model.encoder().map(|of| of.latents(batch).schedule)),
        ("decode_latents", model.decoder().map(|of| of.decode_latents(batch).pass.schedule)),
        ("posterior", model.posterior().map(|of| of.posterior(batch).schedule)),
        ("importance", model.posterior().map(|of| of.importance(batch, 3, 4))),
        ("density", model.log_density().map(|of| of.neg_log_density(batch).schedule)),
        ("scores", model.discriminator().map(|of| of.scores(batch, 3).schedule)),
        ("encode train", model.encode_train(batch)),
        (
            "complete",
            model.code_prior().map(|of| {
                let [rows, columns] = of.grid();
                let kept: Vec<bool> = (0..rows * columns).map(|position| position % 3 > 0).collect();
                of.complete(batch, 3, Drawing::default(), &kept).schedule
            }),
        ),
        ("begin", model.sequencer().map(|of| of.begin(batch))),
        ("step", model.sequencer().map(|of| of.step(batch, 3, Drawing { temperature: 0.8, top: 40 }))),
        ("translate to b", model.translator().map(|of| of.translate(batch, Side::B, 3).schedule)),
        (
            "translate given",
            model.translator().map(|of| {
                let [h, w, _] = of.source(Side::B);
                of.translate_given(2, [h + of.multiple(), w], Side::B).pass.schedule
            }),
        ),
        ("usage", model.quantiser().map(|of| models::perplexity(of.usage().train).schedule)),
    ];
    let phases = model.train(batch, &training).into_iter();
    let phases = phases.map(|phase| (format!("{}, {:?}", phase.name, phase.kind), phase.schedule));
    phases.chain(optional.into_iter().filter_map(|(name, schedule)| Some((name.to_string(), schedule?)))).collect()
}

/// The first call of a model that differs from the reference, if any.
fn first_failure(device: &Device, setup: &Setup) -> Result<Option<String>, Error> {
    let inputs = before_updates(setup)?;
    for (name, schedule) in schedules(setup) {
        let mut gpu = Gpu::new(device.clone(), setup.model.memory().clone(), Sharing::On);
        let comparisons = call_by_call(&mut gpu, setup.model.memory(), &schedule, &inputs)?;
        // A call may have several outputs.
        let outputs = schedule.calls().iter().flat_map(|call| call.writes().map(move |_| call));
        let failed = |(comparison, call): &(&Comparison, &Call)| {
            assert_eq!(comparison.label, call.label);
            comparison.error > tolerance(terms(call)) || comparison.error.is_nan()
        };
        if let Some((Comparison { kernel, label, output, error, worst: (index, value, reference), .. }, _)) =
            comparisons.iter().zip(outputs).find(failed)
        {
            let what = format!("{output}[{index}] is {value}, not {reference}");
            return Ok(Some(format!("{name}, {label} ({kernel}): {what}, error {error:.1e}")));
        }
    }
    Ok(None)
}

#[test]
fn every_call_of_every_model_agrees() -> Result<(), Error> {
    let device = device(false);
    for setup in setups() {
        assert_eq!(first_failure(&device, &setup)?, None, "{}", setup.name);
    }
    Ok(())
}

#[test]
fn every_call_agrees_with_bounds_checks() -> Result<(), Error> {
    let device = device(true);
    for setup in
        setups().into_iter().filter(|setup| ["vae, silu", "dcgan", "vqvae", "prior", "wavenet"].contains(&setup.name))
    {
        assert_eq!(first_failure(&device, &setup)?, None, "{}", setup.name);
    }
    Ok(())
}

/// The gradient computation of one training phase, on the reference.
struct Loss<'a> {
    setup: &'a Setup,
    cpu: Reference,
    schedule: Schedule,
    program: Program,
    /// The network that the phase trains.
    network: usize,
    /// The weight of each column of the ring in the loss.
    weights: Vec<f64>,
}

impl<'a> Loss<'a> {
    fn new(setup: &'a Setup, phase: usize, network: usize, weights: &[f64]) -> Result<Self, Error> {
        let mut cpu = Reference::new(setup.model.memory().clone(), Sharing::Off);
        start(&mut cpu, &*setup.model, SEED)?;
        let schedule = setup.model.train(setup.batch, &setup.training(SEED)).remove(phase).schedule;
        let program = cpu.prepare(&schedule)?;
        Ok(Self { setup, cpu, schedule, program, network, weights: weights.to_vec() })
    }

    fn arena(&self, kind: Arena) -> gpu_core::Buf {
        let model = &*self.setup.model;
        arena(model, model.networks()[self.network], kind)
    }

    fn values(&mut self) -> Result<Vec<f64>, Error> {
        let values = self.arena(Arena::Values);
        Ok(self.cpu.read(values)?.to_f64())
    }

    /// The loss of the first batch at `values`, and its gradient; the call with index `skipped` is left out.
    fn at(&mut self, values: &[f64], skipped: Option<usize>) -> Result<(f64, Vec<f64>), Error> {
        let model = &*self.setup.model;
        let gradients = self.arena(Arena::Gradients);
        self.cpu.write(self.arena(Arena::Values), &Array::F64(values.to_vec()))?;
        self.cpu.write(gradients, &Array::F64(vec![0.0; values.len()]))?;
        let ticks = self.schedule.calls().iter().any(|call| call.label == "tick");
        for (_, buf) in model.states() {
            self.cpu.write(buf, &zeros(buf))?;
        }
        // Codebooks by running averages change with every pass.
        for state in model.networks().iter().flat_map(|network| &network.states) {
            self.cpu.write(state.buf, &Array::F32(state.initial(SEED)))?;
        }
        // A phase that does not advance the clock follows one that does.
        self.cpu.write(model.buffers().clock, &Array::U32(vec![u32::from(!ticks), 0, 0, 0]))?;
        for index in 0..self.schedule.calls().len() {
            if skipped != Some(index) {
                self.cpu.run_call(self.program, index)?;
            }
        }
        let row = self.cpu.read(model.buffers().ring)?.to_f64();
        let loss = row.iter().zip(&self.weights).map(|(value, weight)| value * weight).sum();
        Ok((loss, self.cpu.read(gradients)?.to_f64()))
    }

    /// Some elements of every parameter, with the derivative of the loss by central differences.
    fn differences(&mut self, values: &[f64]) -> Result<Vec<(usize, f64)>, Error> {
        // The weights of a CycleGAN begin so small that longer steps pass the kinks of ReLU and of absolute errors.
        let step = if self.setup.name.contains("cyclegan") { 1e-7 } else { 1e-5 };
        let mut rng = StdRng::seed_from_u64(7);
        let mut differences = Vec::new();
        let setup = self.setup;
        let networks = setup.model.networks();
        let parameters = networks[self.network].weights.parameters().iter();
        for parameter in parameters.filter(|parameter| is_derivative(setup, &parameter.name)) {
            for _ in 0..6 {
                let element = parameter.offset as usize + rng.random_range(0..parameter.shape.len());
                let mut moved = |shift: f64| {
                    let mut values = values.to_vec();
                    values[element] += shift;
                    Ok::<f64, Error>(self.at(&values, None)?.0)
                };
                differences.push((element, (moved(step)? - moved(-step)?) / (2.0 * step)));
            }
        }
        Ok(differences)
    }
}

/// The tolerance. Central differences err by 10⁻¹⁰ times a third derivative, and by the rounding of a loss of some
/// hundred nats divided by the step, 10⁻⁹. Constants such as σ and 1 / batch are rounded to f32 in only one of the two.
const SLOPE: f64 = 2e-7;

/// The worst |gradient − difference| / max(1, |difference|).
fn worst(gradient: &[f64], differences: &[(usize, f64)]) -> f64 {
    let errors = differences.iter().map(|&(element, d)| (gradient[element] - d).abs() / d.abs().max(1.0));
    errors.fold(0.0, f64::max)
}

#[test]
fn gradients_of_whole_models_are_derivatives() -> Result<(), Error> {
    // The vectors of spectral normalisation change with each pass, while its gradient takes them as constants.
    for setup in setups().iter().filter(|setup| setup.name != "spectral gan") {
        for (phase, network, weights) in losses(setup) {
            let mut loss = Loss::new(setup, phase, network, &weights)?;
            let values = loss.values()?;
            let differences = loss.differences(&values)?;
            let error = worst(&loss.at(&values, None)?.1, &differences);
            assert!(error < SLOPE, "{}, phase {phase}: {error:.1e}", setup.name);
        }
    }
    Ok(())
}

/// Shows that the check above can fail: leaving out any call between the loss and the optimiser changes the gradient.
#[test]
fn every_backward_call_matters() -> Result<(), Error> {
    let mut checked = 0;
    for setup in setups().iter().filter(|setup| EVERY_CALL.contains(&setup.name)) {
        for (phase, network, weights) in losses(setup) {
            let mut loss = Loss::new(setup, phase, network, &weights)?;
            let values = loss.values()?;
            let differences = loss.differences(&values)?;
            let calls = loss.schedule.calls().to_vec();
            let losses = ["loss", "gan_loss", "cross_entropy"];
            let first = calls.iter().position(|call| losses.contains(&call.kernel.op)).expect("it has a loss");
            for (index, call) in calls.iter().enumerate().skip(first) {
                let means = ["g_loss", "cycle_error", "identity_error"].contains(&call.label.as_str());
                let reported = ["kl", "kl_flow", "kl_all", "d_loss", "d_real", "d_fake", "log_slope", "nll"]
                    .contains(&call.label.as_str())
                    || (means && call.kernel.op == "elementwise");
                // A penalty needs the gradient of the score and not the score; a cleared buffer is the fill with zeros.
                let unneeded = ["penalty.discriminator.4.forward", "penalty.of_class", "zero_theta"]
                    .contains(&call.label.as_str());
                // Only later steps need the images that a pool keeps.
                let of_pool = call.label.starts_with("replay_");
                let only_reported = reported || unneeded || of_pool || call.kernel.op == "record";
                if only_reported {
                    continue;
                }
                // Clear the outputs, which would otherwise hold the results of an earlier run.
                for buf in call.writes().filter(|buf| buf.id.arena == Arena::Scratch) {
                    if !call.reads().any(|read| read.id == buf.id) {
                        loss.cpu.write(buf, &zeros(buf))?;
                    }
                }
                let error = worst(&loss.at(&values, Some(index))?.1, &differences);
                let what = format!("{}, phase {phase}: {}", setup.name, call.label);
                assert!(error > 100.0 * SLOPE, "{what} makes no difference: {error:.1e}");
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} backward calls");
    Ok(())
}

/// The state of a model after four steps on a new device, as words.
fn run(setup: &Setup, initial: u64, seed: u64) -> Result<Vec<Vec<u32>>, Error> {
    let model = &*setup.model;
    let mut gpu = Gpu::new(device(false), model.memory().clone(), Sharing::On);
    start(&mut gpu, model, initial)?;
    let training = setup.training(seed);
    let begin = model.start(&training).map(|schedule| gpu.prepare(&schedule)).transpose()?;
    if let Some(program) = begin {
        let ticket = gpu.submit(&[program], 1, &[])?;
        gpu.wait(ticket)?;
    }
    let phases = model.train(setup.batch, &training);
    let programs = prepared(&mut gpu, &phases)?;
    let ticket = gpu.submit(&programs, 4, &lasting(model))?;
    let words = |array: Array| match array {
        Array::U32(words) => words,
        numbers => numbers.to_f32().into_iter().map(f32::to_bits).collect(),
    };
    Ok(gpu.wait(ticket)?.into_iter().map(words).collect())
}

#[test]
fn runs_repeat_with_the_same_seeds() -> Result<(), Error> {
    for setup in setups() {
        let once = run(&setup, 1, 5)?;
        assert!(once == run(&setup, 1, 5)?, "{}: the same seeds give other bytes", setup.name);
        assert!(once != run(&setup, 1, 6)?, "{}: another seed gives the same bytes", setup.name);
        assert!(once != run(&setup, 2, 5)?, "{}: other initial weights give the same bytes", setup.name);
    }
    Ok(())
}

/// A schedule that reads the weights from another arena computes the same.
#[test]
fn a_pass_with_averaged_weights_uses_their_arena() -> Result<(), Error> {
    let image = [7, 9, 1];
    let model = Vae::new(vae(image, &[3], false, "relu", Likelihood::Bernoulli), &spec(image, 4));
    let values = arena(&model, model.networks()[0], Arena::Values);
    let mut cpu = Reference::new(model.memory().clone(), Sharing::Off);
    let pass = model.sample(4, 3);
    let moved = pass.schedule.clone().moved(values.id, values.sibling(Arena::Average).id);
    let programs = [cpu.prepare(&pass.schedule)?, cpu.prepare(&moved)?];
    let weights = Array::F32(model.networks()[0].weights.initial(3));
    let mut drawn = Vec::new();
    for (buf, program) in [values, values.sibling(Arena::Average)].into_iter().zip(programs) {
        for arena in [Arena::Values, Arena::Average] {
            cpu.write(values.sibling(arena), &zeros(values))?;
        }
        cpu.write(buf, &weights)?;
        let ticket = cpu.submit(&[program], 1, &pass.outputs)?;
        drawn.push(cpu.wait(ticket)?);
    }
    assert!(drawn[0] == drawn[1] && drawn[0][0].to_f64().iter().any(|&x| (x - 0.5).abs() > 1e-3));
    Ok(())
}

/// The state of a model after three steps on the reference, with batches divided into micro-batches.
fn in_micro_batches(setup: &Setup, micro_batch: usize) -> Result<Vec<Vec<f64>>, Error> {
    let (model, inputs) = (&*setup.model, under_way(setup)?);
    let mut cpu = Reference::new(model.memory().clone(), Sharing::On);
    for (buf, values) in &inputs {
        cpu.write(*buf, values)?;
    }
    let phases = model.train(setup.batch, &Training { micro_batch, ..setup.training(SEED) });
    let programs = prepared(&mut cpu, &phases)?;
    let ticket = cpu.submit(&programs, 3, &lasting(model))?;
    Ok(cpu.wait(ticket)?.iter().map(Array::to_f64).collect())
}

/// Gradients summed over micro-batches equal those of the batch, except for models that use statistics of a whole
/// batch.
#[test]
fn micro_batches_add_up_to_the_batch() -> Result<(), Error> {
    let image = [10, 7, 3];
    let dying = Setup::new("dying vqvae", vqvae(0.1, 1e4), spec(image, 6), 6);
    for setup in setups().into_iter().chain([dying]) {
        let whole = in_micro_batches(&setup, 0)?;
        assert!(in_micro_batches(&setup, setup.batch)? == whole, "{}: one micro-batch differs", setup.name);
        for micro_batch in [1, setup.batch.div_ceil(2)] {
            let parts = in_micro_batches(&setup, micro_batch)?;
            let far = whole.iter().flatten().zip(parts.iter().flatten());
            let far = far.map(|(whole, parts)| (whole - parts).abs() / whole.abs().max(1.0)).fold(0.0, f64::max);
            // Each micro-batch is normalised by its own statistics and has its own groups, and dead codes become rows
            // of the first micro-batch.
            let differing = ["spectral gan", "dying vqvae", "gan, minibatch deviation, R1 penalty"];
            let expected = setup.name.contains("dcgan") || differing.contains(&setup.name);
            assert!(
                far.is_finite() && expected == (far > 1e-9),
                "{} in micro-batches of {micro_batch}: error {far:.1e}",
                setup.name
            );
        }
    }
    Ok(())
}

/// The gradient of each round of a step: the arena after all micro-batches, or, with `apart`, the arenas of the
/// micro-batches one by one.
fn gradients(executor: &mut dyn Executor, setup: &Setup, apart: bool) -> Result<Vec<Vec<Array>>, Error> {
    let model = &*setup.model;
    for (buf, values) in under_way(setup)? {
        executor.write(buf, &values)?;
    }
    let micro_batch = setup.batch.div_ceil(3);
    let phases = model.train(setup.batch, &Training { micro_batch, ..setup.training(SEED) });
    let mut rounds = Vec::new();
    for round in phases.chunk_by(|one, next| one.name == next.name).filter(|round| round.len() > 1) {
        let network = model.networks().into_iter().find(|network| network.weights.name() == round[0].name);
        let arena = arena(model, network.expect("a round has its network's name"), Arena::Gradients);
        let mut found = Vec::new();
        for phase in round.iter().filter(|phase| phase.kind != PhaseKind::Update) {
            if apart {
                executor.write(arena, &zeros(arena))?;
            }
            let program = executor.prepare(&phase.schedule)?;
            let ticket = executor.submit(&[program], 1, &[arena])?;
            found.extend(executor.wait(ticket)?);
        }
        rounds.push(if apart { found } else { found.split_off(found.len() - 1) });
    }
    Ok(rounds)
}

/// Terms added one after another, in the precision that they have.
fn added(terms: &[Array]) -> Array {
    let add = |sum: Array, term: &Array| match (sum, term) {
        (Array::F32(sum), Array::F32(term)) => Array::F32(sum.iter().zip(term).map(|(a, b)| a + b).collect()),
        (Array::F64(sum), Array::F64(term)) => Array::F64(sum.iter().zip(term).map(|(a, b)| a + b).collect()),
        _ => panic!("gradients of several types"),
    };
    terms[1..].iter().fold(terms[0].clone(), add)
}

/// Micro-batches on one device add up to the same bytes as micro-batches computed apart and added in order.
#[test]
fn gradients_of_micro_batches_are_finished_sums_added_in_order() -> Result<(), Error> {
    let device = device(false);
    for setup in setups() {
        let memory = setup.model.memory();
        let cpu = || Box::new(Reference::new(memory.clone(), Sharing::On)) as Box<dyn Executor>;
        let gpu = || Box::new(Gpu::new(device.clone(), memory.clone(), Sharing::On)) as Box<dyn Executor>;
        let executors: [&dyn Fn() -> Box<dyn Executor>; 2] = [&cpu, &gpu];
        for executor in executors {
            let (sums, terms) =
                (gradients(&mut *executor(), &setup, false)?, gradients(&mut *executor(), &setup, true)?);
            assert!(!sums.is_empty() && sums.len() == terms.len(), "{}", setup.name);
            for (sum, terms) in sums.iter().zip(&terms) {
                assert!(terms.len() > 1 && sum[0].to_f64().iter().any(|&x| x != 0.0), "{}", setup.name);
                assert!(sum[0] == added(terms), "{}: another sum than {} terms in order", setup.name, terms.len());
            }
        }
    }
    Ok(())
}
