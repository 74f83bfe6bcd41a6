//! Compares training runs with PyTorch's from equal weights: every family, on the reference and on the adapter.
//! tests/golden/README.md describes the files, and models.py and translation.py, which create them.

#[path = "golden/vectors.rs"]
mod vectors;

use frit_harness::device;
use gpu_core::ops::gather::pack;
use gpu_core::{Arena, Array, Buf, Error, Executor, Gpu, Layout, Program, Reference, Sharing};
use models::{
    AutoencoderConfig, Corrupt, Coupling, CycleGanConfig, DataSpec, FlowConfig, FlowKind, GanConfig, GanLoss,
    Likelihood, Model, Network, Optimiser, PairedConfig, Penalty, Phase, PixelCnnConfig, PosteriorFlow, PriorConfig,
    QuantiserKind, RING_ROWS, RealNvpConfig, SetSpec, Settings, Training, VaeConfig, VqVaeConfig, WavenetConfig,
    in_order,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use vectors::{Golden, distance};

/// Images of a run, and of a full batch. The last batch of an epoch is shorter.
const IMAGES: usize = 20;
const BATCH: usize = 8;
/// Classes of labelled images.
const CLASSES: usize = 3;

/// A golden file, with the model and optimiser that it records.
struct Run {
    stem: &'static str,
    model: Box<dyn Model>,
    optimiser: Optimiser,
}

fn spec(image: [usize; 3]) -> DataSpec {
    SetSpec { train: IMAGES, test: IMAGES, image, classes: 1, variance: 0.11, points: None }.into()
}

fn coders() -> Vec<(&'static str, Box<dyn Model>)> {
    let linear = VaeConfig { hidden: vec![16], latent: 3, ..VaeConfig::default() };
    let conv = VaeConfig { channels: vec![3, 5], hidden: vec![10], beta: 2.0, kl_warmup: 3, ..linear.clone() };
    let (activation, likelihood) = ("silu".into(), Likelihood::Gaussian);
    let hidden = vec![10];
    let pool = VaeConfig { channels: vec![4, 5], pool: true, hidden, activation, likelihood, ..linear.clone() };
    let plain = AutoencoderConfig { hidden: vec![16], latent: 3, ..AutoencoderConfig::default() };
    let averaged =
        VqVaeConfig { halvings: 2, width: 6, residual: 2, latent: 3, codes: 7, ema: 0.9, ..VqVaeConfig::default() };
    let followed = VqVaeConfig { ema: 0.0, ..averaged.clone() };
    let sizes = PriorConfig { width: 5, layers: 3, kernel: 3, output: 6, ..PriorConfig::default() };
    let prior = PriorConfig { vqvae: averaged.clone(), ..sizes };
    let classes = SetSpec { classes: CLASSES, ..*spec([12, 9, 1]).first() };
    let pieces = SetSpec { image: [1, 29, 1], ..classes };
    let (length, width, skip, output, layers, blocks) = (23, 5, 7, 6, 3, 2);
    let wavenet = WavenetConfig { length, width, skip, output, layers, blocks, ..WavenetConfig::default() };
    let levels = VqVaeConfig { quantiser: QuantiserKind::Fsq, levels: vec![4, 3, 5], ..averaged.clone() };
    let pixelcnn =
        PixelCnnConfig { levels: 3, dither: true, width: 5, layers: 3, kernel: 3, output: 6, class_conditional: true };
    vec![
        ("vae", linear.build(&spec([1, 36, 1]))),
        ("conv_vae", conv.build(&spec([14, 9, 1]))),
        ("pool_vae", pool.build(&spec([12, 8, 3]))),
        ("ae", plain.build(&spec([1, 36, 1]))),
        ("vqvae", averaged.build(&spec([12, 9, 1]))),
        ("vqvae_gradient", followed.build(&spec([12, 9, 1]))),
        ("prior", prior.build(&classes.into())),
        ("pixelcnn", pixelcnn.build(&SetSpec { image: [4, 5, 1], ..classes }.into())),
        ("wavenet", wavenet.build(&pieces.into())),
        ("fsq_vae", levels.build(&spec([12, 9, 1]))),
    ]
}

fn flows() -> Vec<(&'static str, Box<dyn Model>)> {
    let plain = FlowConfig { hidden: vec![16, 12], waves: 3, class_conditional: false, ..FlowConfig::default() };
    let unet = FlowConfig { width: 4, halvings: 1, ..plain.clone() };
    let attentive = FlowConfig { heads: 2, ..unet.clone() };
    let linear = FlowConfig { spacing: 1.5, x_waves: 1, ..plain };
    vec![
        ("flow", linear.build(&spec([1, 36, 1]))),
        ("flow_unet", unet.build(&spec([10, 7, 2]))),
        ("flow_attention", attentive.build(&spec([10, 7, 2]))),
    ]
}

/// VAEs with a flow after the posterior.
fn posterior_flows() -> Vec<(&'static str, Box<dyn Model>)> {
    let flow = |kind| PosteriorFlow { kind, length: 3, hidden: 5 };
    let planar = VaeConfig { hidden: vec![16], latent: 3, flow: flow(FlowKind::Planar), ..VaeConfig::default() };
    let iaf = VaeConfig { flow: flow(FlowKind::Iaf), beta: 2.0, kl_warmup: 3, ..planar.clone() };
    let planar = VaeConfig { binarise: true, ..planar };
    vec![("vae_planar", planar.build(&spec([1, 36, 1]))), ("vae_iaf", iaf.build(&spec([1, 36, 1])))]
}

fn normalising_flows() -> Vec<(&'static str, Box<dyn Model>)> {
    let ae = AutoencoderConfig { hidden: vec![16], latent: 3, ..AutoencoderConfig::default() };
    let vae = VaeConfig { hidden: vec![16], latent: 3, ..VaeConfig::default() };
    let of_ae = RealNvpConfig { layers: 3, hidden: vec![7, 6], x_waves: 1, ae: Some(ae), ..RealNvpConfig::default() };
    let of_vae = RealNvpConfig {
        coupling: Coupling::Spline,
        activation: "tanh".into(),
        x_waves: 0,
        bins: 4,
        bound: 3.0,
        ae: None,
        vae: Some(vae),
        ..of_ae.clone()
    };
    vec![("realnvp", of_ae.build(&spec([1, 36, 1]))), ("realnvp_spline", of_vae.build(&spec([1, 36, 1])))]
}

fn gans() -> Vec<(&'static str, Box<dyn Model>)> {
    let linear = GanConfig { latent: 4, hidden: vec![12, 10], label_smoothing: 0.1, ..GanConfig::default() };
    let normalised = GanConfig { latent: 4, width: 3, ..GanConfig::default() };
    let spectral = GanConfig {
        loss: GanLoss::LeastSquares,
        discriminator_norm: false,
        spectral: true,
        discriminator_steps: 2,
        discriminator_lr: 4e-4,
        ..normalised.clone()
    };
    let r1 = GanConfig { penalty: Penalty::R1, penalty_weight: 3.0, ..linear.clone() };
    let wgan_gp = GanConfig { loss: GanLoss::Wasserstein, penalty: Penalty::Gp, ..spectral.clone() };
    let minibatch_std = 3;
    let deviation = GanConfig { discriminator_norm: false, minibatch_std, penalty_weight: 3.0, ..normalised.clone() };
    let deviation = GanConfig { penalty: Penalty::R1, ..deviation };
    vec![
        ("minibatch_std_gan", deviation.build(&spec([8, 7, 2]))),
        ("r1_gan", r1.build(&spec([7, 5, 1]))),
        ("wgan_gp", wgan_gp.build(&spec([8, 7, 2]))),
        ("gan", linear.build(&spec([7, 5, 1]))),
        ("dcgan", normalised.build(&spec([9, 12, 3]))),
        ("spectral_gan", spectral.build(&spec([8, 7, 2]))),
    ]
}

fn translations() -> Vec<(&'static str, Box<dyn Model>)> {
    let sets = |a: [usize; 3], b: [usize; 3]| DataSpec { sets: vec![*spec(a).first(), *spec(b).first()] };
    let cyclegan = CycleGanConfig {
        width: 3,
        halvings: 1,
        blocks: 1,
        discriminator_width: 3,
        discriminator_halvings: 1,
        pool: 5,
        ..CycleGanConfig::default()
    };
    let mut unpaired = sets([12, 8, 2], [12, 8, 2]);
    // Its epochs end apart from those of A.
    unpaired.sets[1].train = IMAGES - 2;
    let paired = PairedConfig {
        width: 4,
        halvings: 1,
        discriminator_width: 3,
        discriminator_halvings: 1,
        ..PairedConfig::default()
    };
    let noise = Corrupt::try_from("noise:0.2".to_string()).unwrap();
    let restoration = PairedConfig { corrupt: noise, gan_weight: 0.0, ..paired.clone() };
    vec![
        ("cyclegan", cyclegan.build(&unpaired)),
        ("cyclegan_skip", CycleGanConfig { skip: true, ..cyclegan }.build(&unpaired)),
        ("paired", paired.build(&sets([10, 7, 2], [10, 7, 3]))),
        ("restoration", restoration.build(&spec([10, 7, 2]))),
    ]
}

fn runs() -> Vec<Run> {
    let of = |optimiser: Optimiser| move |(stem, model)| Run { stem, model, optimiser };
    let of_gans = Optimiser { lr: 2e-4, beta1: 0.5, ..Optimiser::default() };
    let of_flows = Optimiser { lr: 2e-4, ..Optimiser::default() };
    // The keys' bias moves no output: its gradient is a rounding error, which ε must exceed.
    let of_attention = Optimiser { epsilon: 1e-6, ..of_flows };
    let coders = coders().into_iter().chain(posterior_flows()).chain(normalising_flows()).map(of(Optimiser::default()));
    let flows = flows().into_iter().map(|run| of(if run.0 == "flow_attention" { of_attention } else { of_flows })(run));
    coders.chain(flows).chain(gans().into_iter().chain(translations()).map(of(of_gans))).collect()
}

/// A tensor of a network, and its layout in PyTorch.
struct Named {
    name: String,
    layout: Layout,
    buf: Buf,
}

impl Named {
    /// PyTorch's values, in the layout of the model.
    fn of(&self, golden: &Golden, part: &str) -> Vec<f64> {
        self.layout.from_file(&golden.tensor(&format!("{part}/{}", self.name)).values)
    }
}

/// The parameters of a network in one of its arenas.
fn of_network(model: &dyn Model, network: &Network, arena: Arena) -> Vec<Named> {
    let whole = model.memory().whole(network.weights.arena(arena));
    let parameters = network.weights.parameters().iter();
    let named = parameters.map(|p| Named {
        name: p.name.clone(),
        layout: p.layout.clone(),
        buf: Buf { offset: p.offset, shape: p.shape, ..whole },
    });
    named.collect()
}

/// The parameters of a model's networks in one of their arenas.
fn parameters(model: &dyn Model, arena: Arena) -> Vec<Named> {
    model.networks().into_iter().flat_map(|network| of_network(model, network, arena)).collect()
}

/// The states of a model's networks.
fn states(model: &dyn Model) -> Vec<Named> {
    let states = model.networks().into_iter().flat_map(|network| network.states.clone());
    states.map(|state| Named { name: state.name, layout: state.layout, buf: state.buf }).collect()
}

/// The allowed differences from PyTorch, relative to the largest number of a tensor.
struct Tolerance {
    losses: f64,
    noise: f64,
    weights: f64,
    moments: f64,
    states: f64,
}

/// The reference differs from PyTorch in constants rounded to f32: pixels are byte · fl(1/255), PyTorch's byte / 255,
/// and the scales of losses are rounded too, each by 6·10⁻⁸ relative. Losses with such a scale, or steep in the pixels,
/// have the same error; moments have a larger one where a gradient is a small difference of large numbers; Adam's
/// steps, whose length does not depend on the gradient's, have a smaller one. The bounds are about three times the
/// errors measured: losses 1.1·10⁻⁷, weights 8·10⁻⁸, moments 1.6·10⁻⁶, states 3·10⁻⁸.
const REFERENCE: Tolerance = Tolerance { losses: 3e-7, noise: 1e-14, weights: 3e-7, moments: 5e-6, states: 1e-7 };
/// A device computes in f32, with an error of several units in exp: sums of dozens of terms, over up to ten steps that
/// accumulate errors. A wrong constant in Adam causes errors of about 10⁻³. Software Vulkan was measured at a third of
/// these bounds at most; other drivers have another exp.
const DEVICE: Tolerance = Tolerance { losses: 2e-6, noise: 1e-6, weights: 1e-5, moments: 1e-5, states: 1e-5 };
/// The same for `minibatch_std_gan`, whose running means are below 2.2·10⁻⁴: their error was measured at 1.1·10⁻⁵.
const DEVICE_NEAR_ZERO: Tolerance = Tolerance { states: 3e-5, ..DEVICE };

/// The differences from PyTorch, as sentences.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn compare(&mut self, name: &str, values: &[f64], expected: &[f64], tolerance: f64) {
        let error = distance(values, expected);
        if error > tolerance {
            self.0.push(format!("{name}: error {error:.1e} exceeds {tolerance:.0e}"));
        }
    }
}

/// Writes the golden file's data, weights and states.
fn load(executor: &mut dyn Executor, model: &dyn Model, golden: &Golden) -> Result<(), Error> {
    for (set, name) in model.buffers().sets.iter().zip(["data", "data_b"]) {
        let bytes: Vec<u8> = golden.tensor(name).values.iter().map(|&byte| byte as u8).collect();
        executor.write(set.train, &Array::U32(pack(&bytes)))?;
    }
    let words = |name: &str| golden.tensor(name).values.iter().map(|&word| word as u32).collect::<Vec<_>>();
    if let Some(labels) = model.buffers().first().labels {
        let one_hot = |label: u32| (0..CLASSES as u32).map(move |class| 255 * u8::from(class == label));
        let bytes: Vec<u8> = words("labels").into_iter().flat_map(one_hot).collect();
        executor.write(labels.train, &Array::U32(pack(&bytes)))?;
    }
    if let Some(codes) = model.memory().get("train_codes") {
        executor.write(codes, &Array::U32(words("codes")))?;
    }
    // A prior's codes are given, so its VQ-VAE is not used.
    let frozen = model.frozen().filter(|_| model.memory().get("train_codes").is_none());
    for tensor in frozen.into_iter().flat_map(|network| of_network(model, network, Arena::Values)) {
        executor.write(tensor.buf, &Array::F64(tensor.of(golden, "frozen")))?;
    }
    for tensor in parameters(model, Arena::Values).iter().chain(&states(model)) {
        executor.write(tensor.buf, &Array::F64(tensor.of(golden, "initial")))?;
    }
    Ok(())
}

/// The batch size of each step: the remainder of an epoch is divided among the batches of its last step.
fn batches(model: &dyn Model, steps: usize) -> Vec<usize> {
    let starts = (0..IMAGES).step_by(BATCH * model.batches());
    let epoch: Vec<usize> = starts.map(|start| BATCH.min((IMAGES - start) / model.batches())).collect();
    epoch.into_iter().cycle().take(steps).collect()
}

/// Trains a model on the golden file's data from its weights, and lists the differences.
fn differences(
    executor: &mut dyn Executor,
    run: &Run,
    golden: &Golden,
    tolerance: &Tolerance,
) -> Result<Vec<String>, Error> {
    let model = &*run.model;
    load(executor, model, golden)?;
    let (mut faults, columns, ring) = (Faults::default(), model.columns(), model.buffers().ring);
    let training = Training::whole(42, false, run.optimiser, IMAGES);
    let mut phases: BTreeMap<usize, (Vec<Phase>, Vec<Program>)> = BTreeMap::new();
    for (step, batch) in batches(model, golden.tensor(columns[0]).values.len()).into_iter().enumerate() {
        if let Entry::Vacant(entry) = phases.entry(batch) {
            let written = model.train(batch, &training);
            let prepared = written.iter().map(|phase| executor.prepare(&phase.schedule));
            let prepared = prepared.collect::<Result<Vec<_>, _>>()?;
            let programs = in_order(&written).into_iter().map(|phase| prepared[phase]).collect();
            entry.insert((written, programs));
        }
        let (written, programs) = &phases[&batch];
        let ticket = executor.submit(programs, 1, &[ring])?;
        let rows = executor.wait(ticket)?.remove(0).to_f64();
        for (column, name) in columns.iter().enumerate() {
            let value = rows[step % RING_ROWS * columns.len() + column];
            // The one makes errors of losses below one nat absolute: such losses are differences of larger terms.
            let expected = [1.0, golden.tensor(name).values[step]];
            faults.compare(&format!("{name} of step {}", step + 1), &[1.0, value], &expected, tolerance.losses);
        }
        let noise = written[0].schedule.calls().iter().find(|call| call.label == "noise");
        if let (0, Some(noise), Some(expected)) = (step, noise, golden.0.get("noise1")) {
            let drawn = executor.read(noise.bufs[1])?.to_f64();
            faults.compare("noise of step 1", &drawn, &expected.values, tolerance.noise);
        }
    }
    let Tolerance { weights, moments, states: of_states, .. } = *tolerance;
    let parts = [
        ("final", parameters(model, Arena::Values), weights),
        ("m", parameters(model, Arena::OptimSlot(0)), moments),
        ("v", parameters(model, Arena::OptimSlot(1)), moments),
        ("final", states(model), of_states),
    ];
    for (part, tensors, tolerance) in parts {
        for tensor in tensors {
            let values = executor.read(tensor.buf)?.to_f64();
            faults.compare(&format!("{part}/{}", tensor.name), &values, &tensor.of(golden, part), tolerance);
        }
    }
    if let Some(usage) = model.quantiser().map(|quantiser| quantiser.usage()) {
        faults.compare("usage", &executor.read(usage.train)?.to_f64(), &golden.tensor("usage").values, 0.0);
    }
    Ok(faults.0)
}

#[test]
fn golden_weights_have_the_names_and_shapes_of_the_models() {
    for Run { stem, model, .. } in runs() {
        let golden = Golden::open(stem);
        let ours = |tensors: Vec<Named>| -> BTreeMap<String, Vec<usize>> {
            let shape = |tensor: Named| (tensor.name, tensor.layout.file_shape(tensor.buf.shape));
            tensors.into_iter().map(shape).collect()
        };
        let theirs = |part: &str| -> BTreeMap<String, Vec<usize>> {
            let of_part = golden.0.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(part)?, tensor)));
            of_part.map(|(name, tensor)| (name.to_string(), tensor.dims.clone())).collect()
        };
        let (learnt, mut all) = (parameters(&*model, Arena::Values), parameters(&*model, Arena::Values));
        all.extend(states(&*model));
        let (learnt, all) = (ours(learnt), ours(all));
        for (part, ours) in [("initial/", &all), ("final/", &all), ("m/", &learnt), ("v/", &learnt)] {
            assert_eq!(*ours, theirs(part), "{stem}: names and shapes of {part} differ from PyTorch's");
        }
    }
}

#[test]
fn training_agrees_with_pytorch() -> Result<(), Error> {
    let mut faults = Vec::new();
    for run in runs() {
        let mut cpu = Reference::new(run.model.memory().clone(), Sharing::Off);
        let found = differences(&mut cpu, &run, &Golden::open(run.stem), &REFERENCE)?;
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", run.stem)));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

#[test]
fn training_agrees_with_pytorch_on_the_adapter() -> Result<(), Error> {
    let (device, mut faults) = (device(false), Vec::new());
    for run in runs() {
        let mut gpu = Gpu::new(device.clone(), run.model.memory().clone(), Sharing::Off);
        let tolerance = if run.stem == "minibatch_std_gan" { &DEVICE_NEAR_ZERO } else { &DEVICE };
        let found = differences(&mut gpu, &run, &Golden::open(run.stem), tolerance)?;
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", run.stem)));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}
