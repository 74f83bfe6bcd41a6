//! Tests of projections: the gradient of the latents against finite differences, trajectories against PyTorch's, and
//! the latents of a model's own images.

#[path = "models/setup.rs"]
#[allow(dead_code)] // tests/models.rs uses the rest.
mod setup;
#[path = "golden/vectors.rs"]
mod vectors;

use frit_harness::compare::call_by_call;
use frit_harness::{case::tolerance, device};
use gpu_core::ops::gather::pack;
use gpu_core::{Arena, Array, Buf, Cpu, Dtype, Error, Executor, Gpu, Program, Reference, Sharing};
use models::capabilities::Decoding;
use models::{AutoencoderConfig, Descent, GanConfig, Model, PROJECTION_ROWS, Projection, SetSpec, Settings, VaeConfig};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use setup::{SEED, Setup, arena, setups, start, zeros};
use vectors::{Golden, distance};

const ROWS: usize = 2 * PROJECTION_ROWS;

/// The models that can project, at their initial weights.
fn projectors() -> impl Iterator<Item = Setup> {
    setups().into_iter().filter(|setup| setup.model.projector().is_some())
}

fn projection(model: &dyn Model, rows: usize, descent: Descent) -> Projection {
    model.projector().expect("it was filtered by this").project(rows, descent)
}

/// Uniform numbers between `low` and `high`.
fn numbers(count: usize, seed: u64, low: f64, high: f64) -> Array {
    let mut rng = StdRng::seed_from_u64(seed);
    Array::F64((0..count).map(|_| rng.random_range(low..high)).collect())
}

/// Writes the start of a projection.
fn begin(executor: &mut dyn Executor, projection: &Projection, z: &Array, x: &Array) -> Result<(), Error> {
    executor.write(projection.latents, z)?;
    executor.write(projection.targets, x)?;
    projection.zeros.iter().try_for_each(|&buf| executor.write(buf, &zeros(buf)))
}

/// The errors of a projection's first step and their gradient, on the reference.
struct Gradient<'a> {
    projection: &'a Projection,
    cpu: Reference,
    program: Program,
    x: Array,
    /// The call that takes the gradient.
    last: usize,
}

impl Gradient<'_> {
    /// Σ errors and the gradient at `z`; the call with index `skipped` is left out.
    fn at(&mut self, z: &[f64], skipped: Option<usize>) -> Result<(f64, Vec<f64>), Error> {
        begin(&mut self.cpu, self.projection, &Array::F64(z.to_vec()), &self.x)?;
        for call in (0..self.last).filter(|&call| Some(call) != skipped) {
            self.cpu.run_call(self.program, call)?;
        }
        let errors = self.cpu.read(self.projection.pass.outputs[0])?.to_f64();
        let dz = self.projection.pass.schedule.calls()[self.last].bufs[1];
        Ok((errors.iter().sum(), self.cpu.read(dz)?.to_f64()))
    }
}

/// The largest |gradient − difference|, relative to the largest difference.
fn worst(gradient: &[f64], differences: &[(usize, f64)]) -> f64 {
    let largest = differences.iter().fold(f64::MIN_POSITIVE, |largest, (_, d)| largest.max(d.abs()));
    differences.iter().map(|&(element, d)| (gradient[element] - d).abs() / largest).fold(0.0, f64::max)
}

/// Central differences err by 10⁻¹⁰ times a third derivative, and by the rounding of an error of some dozens over the
/// step, 10⁻⁹, against gradients of 10⁻⁴ and more.
const SLOPE: f64 = 1e-4;

#[test]
fn gradients_of_latents_are_derivatives_and_every_call_matters() -> Result<(), Error> {
    const STEP: f64 = 1e-5;
    let mut checked = 0;
    for setup in projectors() {
        let model = &*setup.model;
        let projection = projection(model, ROWS, Descent { steps: 10, lr: 0.1, masked: false });
        let calls = projection.pass.schedule.calls();
        let at = |label: &str| calls.iter().position(|call| call.label == label).expect("a call of a projection");
        let mut cpu = Reference::new(model.memory().clone(), Sharing::Off);
        start(&mut cpu, model, SEED)?;
        let program = cpu.prepare(&projection.pass.schedule)?;
        let range = model.range();
        let x = numbers(projection.targets.len(), 3, range.low.into(), range.high.into());
        let z = numbers(projection.latents.len(), 4, -1.5, 1.5).to_f64();
        let mut gradient = Gradient { projection: &projection, cpu, program, x, last: at("adam") };
        let mut rng = StdRng::seed_from_u64(7);
        let mut differences = Vec::new();
        for _ in 0..12 {
            let element = rng.random_range(0..z.len());
            let mut moved = |shift: f64| {
                let mut z = z.clone();
                z[element] += shift;
                Ok::<f64, Error>(gradient.at(&z, None)?.0)
            };
            differences.push((element, (moved(STEP)? - moved(-STEP)?) / (2.0 * STEP)));
        }
        let error = worst(&gradient.at(&z, None)?.1, &differences);
        assert!(error < SLOPE, "{}: {error:.1e}", setup.name);
        for (index, call) in calls.iter().enumerate().take(at("adam")).skip(at("error")) {
            // Clear the outputs, which would otherwise hold the results of an earlier run.
            for buf in call.writes().filter(|buf| buf.id.arena == Arena::Scratch) {
                gradient.cpu.write(buf, &zeros(buf))?;
            }
            let error = worst(&gradient.at(&z, Some(index))?.1, &differences);
            assert!(error > 100.0 * SLOPE, "{}: {} makes no difference: {error:.1e}", setup.name, call.label);
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} calls");
    Ok(())
}

/// Every call of a step on the device, from latents and images that are not zero.
#[test]
fn every_call_agrees() -> Result<(), Error> {
    let device = device(false);
    for setup in projectors() {
        let model = &*setup.model;
        let projection = projection(model, ROWS, Descent { steps: 10, lr: 0.1, masked: false });
        let mut cpu = Reference::new(model.memory().clone(), Sharing::Off);
        start(&mut cpu, model, SEED)?;
        let mut inputs = Vec::new();
        for buf in setup::lasting(model) {
            inputs.push((buf, cpu.read(buf)?));
        }
        inputs.push((projection.latents, numbers(projection.latents.len(), 4, -1.5, 1.5)));
        inputs.push((projection.targets, numbers(projection.targets.len(), 3, 0.0, 1.0)));
        let mut gpu = Gpu::new(device.clone(), model.memory().clone(), Sharing::On);
        for found in call_by_call(&mut gpu, model.memory(), &projection.pass.schedule, &inputs)? {
            // Sums of at most this many terms.
            let most = tolerance(1024);
            let worst = found.worst;
            assert!(found.error < most, "{}, {}: {worst:?}, error {:.1e}", setup.name, found.label, found.error);
        }
    }
    Ok(())
}

/// The images of latents, as a model's decoder makes them.
fn decoded(executor: &mut dyn Executor, model: &dyn Model, z: &Array, rows: usize) -> Result<Array, Error> {
    let Decoding { given, pass } = model.decoder().expect("a projector decodes").decode(rows);
    let program = executor.prepare(&pass.schedule)?;
    executor.write(given, z)?;
    let ticket = executor.submit(&[program], 1, &pass.outputs)?;
    Ok(executor.wait(ticket)?.remove(0))
}

/// From other starts, the latents of a model's own images are found, and its parameters stay.
#[test]
fn own_images_are_found() -> Result<(), Error> {
    const STEPS: usize = 300;
    for setup in projectors() {
        let model = &*setup.model;
        let projection = projection(model, ROWS, Descent { steps: STEPS, lr: 0.1, masked: false });
        let mut cpu = Cpu::new(model.memory().clone(), Sharing::On);
        start(&mut cpu, model, SEED)?;
        let values: Vec<Buf> =
            model.networks().into_iter().map(|network| arena(model, network, Arena::Values)).collect();
        let before = values.iter().map(|&buf| cpu.read(buf)).collect::<Result<Vec<_>, _>>()?;
        // One image of the model, from eight starts.
        let latent = projection.latents.shape.cols();
        let own = numbers(latent, 9, -1.0, 1.0).to_f64();
        let image = decoded(&mut cpu, model, &Array::F64(own.repeat(ROWS)), ROWS)?;
        let program = cpu.prepare(&projection.pass.schedule)?;
        let z = numbers(projection.latents.len(), 5, -1.5, 1.5);
        begin(&mut cpu, &projection, &z, &image)?;
        // Class-conditional models have another class in each row: only those of one class are the image's.
        let mut errors = |times: u32| -> Result<Vec<f64>, Error> {
            let ticket = cpu.submit(&[program], times, &projection.pass.outputs)?;
            Ok(cpu.wait(ticket)?.remove(0).to_f64())
        };
        let (first, last) = (errors(1)?, errors(STEPS as u32 - 1)?);
        let mean = first.iter().sum::<f64>() / first.len() as f64;
        let best = last.iter().fold(f64::INFINITY, |best, &error| best.min(error));
        assert!(best < 1e-3 * mean, "{}: {best:.1e} from {mean:.1e}", setup.name);
        let after = values.iter().map(|&buf| cpu.read(buf)).collect::<Result<Vec<_>, _>>()?;
        assert!(before == after, "{}: parameters changed", setup.name);
    }
    Ok(())
}

fn golden_models() -> [(&'static str, Box<dyn Model>); 3] {
    let spec = |image| SetSpec { train: 1, test: 1, image, classes: 1, variance: 1.0, points: None }.into();
    let dcgan = GanConfig { latent: 4, width: 3, ..GanConfig::default() };
    let conv_vae = VaeConfig { channels: vec![3, 5], hidden: vec![10], latent: 3, ..VaeConfig::default() };
    let ae = AutoencoderConfig { hidden: vec![16], latent: 3, ..AutoencoderConfig::default() };
    [
        ("dcgan", dcgan.build(&spec([9, 12, 3]))),
        ("conv_vae", conv_vae.build(&spec([14, 9, 1]))),
        ("ae", ae.build(&spec([1, 36, 1]))),
    ]
}

/// Writes PyTorch's weights and statistics into a model's decoder; those of the rest stay zero.
fn load(executor: &mut dyn Executor, model: &dyn Model, golden: &Golden, name: &str) -> Result<(), Error> {
    for network in model.networks() {
        let whole = arena(model, network, Arena::Values);
        let parameters = network.weights.parameters().iter();
        let parameters = parameters.map(|p| (&p.name, &p.layout, Buf { offset: p.offset, shape: p.shape, ..whole }));
        let states = network.states.iter().map(|state| (&state.name, &state.layout, state.buf));
        for (tensor, layout, buf) in parameters.chain(states) {
            if let Some(values) = golden.0.get(&format!("{name}/{tensor}")) {
                executor.write(buf, &Array::F64(layout.from_file(&values.values)))?;
            }
        }
    }
    Ok(())
}

#[test]
fn trajectories_are_those_of_pytorch() -> Result<(), Error> {
    let golden = Golden::open("projection");
    for (name, model) in golden_models() {
        let tensor = |part: &str| golden.tensor(&format!("{name}/{part}"));
        let steps = tensor("errors").dims[0];
        let projection = projection(&*model, PROJECTION_ROWS, Descent { steps, lr: 0.1, masked: false });
        let range = model.range();
        let [low, high] = [range.low, range.high].map(f64::from);
        let x = tensor("x").values.iter().map(|x| low + (high - low) * x).collect();
        let memory = model.memory();
        let executors: [(Box<dyn Executor>, f64); 2] = [
            (Box::new(Reference::new(memory.clone(), Sharing::On)), 1e-7),
            // Sums of dozens of terms in f32; a wrong constant in Adam gives errors of 10⁻² and more.
            (Box::new(Gpu::new(device(false), memory.clone(), Sharing::On)), 2e-4),
        ];
        let x = Array::F64(x);
        for (mut executor, bound) in executors {
            load(&mut *executor, &*model, &golden, name)?;
            let program = executor.prepare(&projection.pass.schedule)?;
            begin(&mut *executor, &projection, &Array::F64(tensor("start").values.clone()), &x)?;
            let [errors, path] = ["errors", "z"].map(|part| &tensor(part).values);
            for step in 0..steps {
                let outputs = [projection.pass.outputs[0], model.buffers().side_ring];
                let ticket = executor.submit(&[program], 1, &outputs)?;
                let found = executor.wait(ticket)?;
                let expected = &errors[step * PROJECTION_ROWS..][..PROJECTION_ROWS];
                let error = distance(&found[0].to_f64(), expected);
                assert!(error < bound, "{name}, errors of step {step}: {error:.1e}");
                let mean = expected.iter().sum::<f64>() / PROJECTION_ROWS as f64;
                let recorded = found[1].to_f64()[step * model.columns().len()];
                assert!((recorded / mean - 1.0).abs() < bound, "{name}, step {step}: {recorded} is not {mean}");
                let z = executor.read(projection.latents)?.to_f64();
                let error = distance(&z, &path[step * z.len()..][..z.len()]);
                assert!(error < bound, "{name}, latents of step {step}: {error:.1e}");
            }
        }
    }
    Ok(())
}

/// A class changes the image, and the gradient is that of the latent alone.
#[test]
fn a_projection_is_of_the_requested_class() -> Result<(), Error> {
    for setup in projectors().filter(|setup| ["cvae", "cgan"].contains(&setup.name)) {
        let model = &*setup.model;
        let projection = projection(model, PROJECTION_ROWS, Descent { steps: 1, lr: 0.1, masked: false });
        let set = model.buffers().first();
        let (labels, classes) = (set.labels.expect("it is class-conditional"), set.spec.classes);
        let mut cpu = Reference::new(model.memory().clone(), Sharing::On);
        start(&mut cpu, model, SEED)?;
        let program = cpu.prepare(&projection.pass.schedule)?;
        let (z, x) = (zeros(projection.latents), numbers(projection.targets.len(), 3, 0.0, 1.0));
        let mut errors = |class: usize| -> Result<Vec<f64>, Error> {
            let one_hot: Vec<u8> = (0..4 * labels.asked.len()).map(|i| 255 * u8::from(i % classes == class)).collect();
            assert_eq!(labels.asked.dtype, Dtype::U32);
            cpu.write(labels.asked, &Array::U32(pack(&one_hot)))?;
            begin(&mut cpu, &projection, &z, &x)?;
            let ticket = cpu.submit(&[program], 1, &projection.pass.outputs)?;
            Ok(cpu.wait(ticket)?.remove(0).to_f64())
        };
        let of_class = errors(0)?;
        assert_eq!(of_class, errors(0)?, "{}", setup.name);
        assert!(of_class.iter().zip(errors(1)?).all(|(one, other)| (one - other).abs() > 1e-6), "{}", setup.name);
    }
    Ok(())
}
