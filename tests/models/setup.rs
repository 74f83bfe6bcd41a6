//! The models of tests/models.rs: small ones of every family, with odd sizes.

use gpu_core::ops::density::{Density, drawn_on_host};
use gpu_core::ops::gather::{Move, pack};
use gpu_core::{Arena, Array, Buf, Dtype, Error, Executor, Program, Reference, Sharing};
use models::{
    AutoencoderConfig, Change, ClassifierConfig, Corrupt, Coupling, CycleGanConfig, DataSpec, FlowConfig, FlowKind,
    GanConfig, GanLoss, Likelihood, LrSchedule, Model, Optimiser, OptimiserKind, PairedConfig, Penalty, Phase,
    PhaseKind, PixelCnnConfig, PosteriorFlow, PriorConfig, QuantiserKind, RealNvpConfig, SetSpec, Settings, Solver,
    Training, VaeConfig, VqVaeConfig, WavenetConfig, in_order, initial_values,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) const SEED: u64 = 0x1234_5678_9abc_def0;
pub(crate) const BETA: f32 = 0.7;
const SIGMA: f32 = 0.3;

/// A model and its training, with three batches per epoch.
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) model: Box<dyn Model>,
    pub(crate) batch: usize,
    optimiser: Optimiser,
    moves: Move,
}

/// The data of a setup.
pub(crate) fn spec(image: [usize; 3], batch: usize) -> DataSpec {
    SetSpec { train: 3 * batch, test: 2 * batch + 1, image, classes: 5, variance: 0.09, points: None }.into()
}

fn points(density: Density, batch: usize) -> DataSpec {
    let set = SetSpec { classes: 1, points: Some(density), ..*spec([1, 1, 2], batch).first() };
    set.into()
}

impl Setup {
    pub(crate) fn new(name: &'static str, settings: impl Settings, spec: DataSpec, batch: usize) -> Self {
        let (model, optimiser, moves) = (settings.build(&spec), Optimiser::default(), Move::default());
        Self { name, model, batch, optimiser, moves }
    }

    /// The same with training images mirrored and moved.
    fn moved(self) -> Self {
        Self { moves: Move { mirror: true, crop: 2 }, ..self }
    }

    fn with(self, optimiser: Optimiser) -> Self {
        Self { optimiser, ..self }
    }

    pub(crate) fn training(&self, seed: u64) -> Training {
        let train = self.model.buffers().first().spec.train;
        let taken = train / (self.batch * self.model.batches()) * self.batch * self.model.batches();
        Training {
            seed,
            shuffle: true,
            moves: self.moves,
            optimiser: self.optimiser,
            rate: 1.0,
            resident: train,
            taken,
            micro_batch: 0,
            periodic: true,
        }
    }
}

/// A VAE of linear layers on rows of `width` numbers, or with `channels` on images.
pub(crate) fn vae(
    image: [usize; 3],
    channels: &[usize],
    pool: bool,
    activation: &str,
    likelihood: Likelihood,
) -> VaeConfig {
    let hidden = if channels.is_empty() { vec![33, 17] } else { vec![13] };
    let (channels, activation) = (channels.to_vec(), activation.into());
    let config = VaeConfig {
        channels,
        pool,
        hidden,
        latent: 5,
        activation,
        likelihood,
        beta: BETA,
        sigma: SIGMA,
        ..VaeConfig::default()
    };
    assert_eq!(config.validate(&spec(image, 1), 1), Ok(()));
    config
}

fn gan(width: usize, discriminator_norm: bool, spectral: bool, loss: GanLoss, discriminator_steps: usize) -> GanConfig {
    let hidden = vec![13, 11];
    GanConfig {
        latent: 6,
        width,
        hidden,
        loss,
        discriminator_norm,
        spectral,
        discriminator_steps,
        ..GanConfig::default()
    }
}

pub(crate) fn vqvae(ema: f32, restart: f32) -> VqVaeConfig {
    VqVaeConfig { width: 6, residual: 5, blocks: 2, latent: 3, codes: 7, ema, restart, ..VqVaeConfig::default() }
}

/// Flow matching with linear layers, or with a U-Net of `width` channels.
fn flow(width: usize, solver: Solver) -> FlowConfig {
    let hidden = vec![13, 11];
    let class_conditional = false;
    FlowConfig { width, halvings: 1, hidden, waves: 3, steps: 2, solver, class_conditional, ..FlowConfig::default() }
}

fn prior(kernel: usize, class_conditional: bool) -> PriorConfig {
    let vqvae = VqVaeConfig { halvings: 1, ..vqvae(0.9, 0.0) };
    PriorConfig { width: 5, layers: 2, kernel, output: 6, class_conditional, vqvae, ..PriorConfig::default() }
}

fn pixelcnn(dither: bool) -> PixelCnnConfig {
    let (levels, kernel) = if dither { (2, 3) } else { (5, 1) };
    PixelCnnConfig { levels, dither, width: 5, layers: 2, kernel, output: 6, class_conditional: dither }
}

fn wavenet(kernel: usize, blocks: usize, class_conditional: bool) -> WavenetConfig {
    let (length, width, skip, output, layers) = (13, 3, 5, 4, 2);
    WavenetConfig { length, width, skip, output, kernel, layers, blocks, class_conditional }
}

/// A normalising flow, of points or of the latents of an autoencoder.
fn realnvp(coupling: Coupling, x_waves: usize) -> RealNvpConfig {
    let (hidden, bins, bound) = (vec![9, 7], 4, 3.0);
    RealNvpConfig { coupling, layers: 3, hidden, x_waves, bins, bound, ..RealNvpConfig::default() }
}

/// Models of which every call of the backward pass is left out once.
pub(crate) const EVERY_CALL: &[&str] = &[
    "vae, silu",
    "conv vae",
    "vae, planar flow",
    "cvae, autoregressive flow",
    "pooled ae",
    "dcgan",
    "cgan, gradient penalty",
    "augmented dcgan",
    "flow, u-net with attention",
    "prior",
    "pixelcnn",
    "wavenet",
    "realnvp of points",
    "spline flow of drawn latents",
    "cyclegan",
    "paired",
];

/// Two sets of images; of an unpaired model, the second has other counts.
fn sides([a, b]: [[usize; 3]; 2], batch: usize, paired: bool) -> DataSpec {
    let [a, mut b] = [a, b].map(|image| *spec(image, batch).first());
    if !paired {
        (b.train, b.test) = (b.train + 1, b.test - 2);
    }
    DataSpec { sets: vec![a, b] }
}

fn cyclegan(identity_weight: f32) -> CycleGanConfig {
    CycleGanConfig {
        width: 3,
        halvings: 1,
        blocks: 2,
        discriminator_width: 3,
        discriminator_halvings: 2,
        identity_weight,
        pool: 3,
        ..CycleGanConfig::default()
    }
}

fn paired(corrupt: &str, gan_weight: f32) -> PairedConfig {
    let corrupt = Corrupt::try_from(corrupt.to_string()).expect("a corruption");
    let (width, halvings) = (3, 1);
    PairedConfig {
        corrupt,
        width,
        halvings,
        gan_weight,
        discriminator_width: 2,
        discriminator_halvings: 1,
        ..PairedConfig::default()
    }
}

/// Models of image-to-image translation.
fn translations(all: Optimiser) -> Vec<Setup> {
    let (grey, colour) = ([7, 9, 1], [10, 7, 3]);
    vec![
        Setup::new("cyclegan", cyclegan(5.0), sides([colour, colour], 4, false), 2).moved(),
        Setup::new("cyclegan of grey and colour", cyclegan(0.0), sides([grey, [7, 9, 3]], 4, true), 2).with(all),
        Setup::new(
            "cyclegan, skip",
            CycleGanConfig { skip: true, ..cyclegan(0.0) },
            sides([grey, [7, 9, 3]], 4, false),
            2,
        ),
        Setup::new("paired", paired("none", 1.0), sides([grey, [7, 9, 3]], 5, true), 5).moved(),
        Setup::new("restoration of noise", paired("noise:0.2", 0.0), spec(colour, 5), 5).with(all),
        Setup::new("restoration of a mask", paired("mask:3", 0.5), spec(grey, 4), 4),
        Setup::new(
            "restoration of a size",
            PairedConfig { heads: 2, width: 4, ..paired("down:3", 0.0) },
            spec(grey, 4),
            4,
        ),
    ]
}

/// VAEs with a flow after the posterior.
fn posterior_flows(all: Optimiser) -> Vec<Setup> {
    let row = [1, 1, 50];
    let plain = |activation| vae(row, &[], false, activation, Likelihood::Bernoulli);
    let flow = |kind, length| PosteriorFlow { kind, length, hidden: 7 };
    let planar = VaeConfig { flow: flow(FlowKind::Planar, 3), ..plain("tanh") };
    let iaf = VaeConfig { flow: flow(FlowKind::Iaf, 2), class_conditional: true, ..plain("silu") };
    let binarised = VaeConfig { binarise: true, flow: flow(FlowKind::Iaf, 1), ..plain("relu") };
    vec![
        Setup::new("vae, planar flow", planar, spec(row, 6), 6).with(all),
        Setup::new("cvae, autoregressive flow", iaf, spec(row, 5), 5),
        Setup::new("vae of black and white, autoregressive flow", binarised, spec(row, 7), 7),
    ]
}

/// Priors over codes, and normalising flows of points and of latents, with both kinds of couplings.
fn priors_and_flows(all: Optimiser, sgd: Optimiser) -> Vec<Setup> {
    let [row, grey, colour] = [[1, 1, 50], [7, 9, 1], [10, 7, 3]];
    let ae = AutoencoderConfig { hidden: vec![12, 7], latent: 3, ..AutoencoderConfig::default() };
    let vae = vae(row, &[], false, "relu", Likelihood::Bernoulli);
    let splines = RealNvpConfig { normalise: false, ..realnvp(Coupling::Spline, 2) };
    let of_ae = RealNvpConfig { ae: Some(ae), activation: "relu".into(), ..realnvp(Coupling::Affine, 0) };
    let of_vae = RealNvpConfig { vae: Some(vae), ..realnvp(Coupling::Spline, 0) };
    vec![
        Setup::new("prior", prior(3, true), spec(colour, 6), 6).with(all),
        Setup::new("prior without classes", prior(5, false), spec(grey, 5), 5),
        Setup::new("pixelcnn", pixelcnn(true), spec(grey, 6), 6).with(all).moved(),
        Setup::new("pixelcnn of nearest levels", pixelcnn(false), spec(grey, 4), 4),
        Setup::new("realnvp of points", realnvp(Coupling::Affine, 1), points(Density::Moons, 7), 7),
        Setup::new("spline flow of points", splines, points(Density::Checkerboard, 6), 6).with(all),
        Setup::new("realnvp of codes", of_ae, spec(row, 6), 6).with(sgd),
        Setup::new("spline flow of drawn latents", of_vae, spec(row, 5), 5),
    ]
}

/// Models of every family.
pub(crate) fn setups() -> Vec<Setup> {
    let mut all = of_images();
    all.push(Setup::new("wavenet", wavenet(2, 2, true), spec([1, 17, 1], 6), 6));
    all.push(Setup::new("wavenet without classes", wavenet(3, 1, false), spec([1, 13, 1], 5), 5));
    all
}

/// Models of various sizes, with activations that need their input and that do not, and all options of the optimiser.
fn of_images() -> Vec<Setup> {
    use Likelihood::{Bernoulli, Gaussian};
    let falling = Optimiser {
        lr_warmup: 2,
        lr_schedule: LrSchedule::Cosine,
        lr_decay_steps: 9,
        lr_hold: 0.3,
        lr_final: 0.1,
        ..Optimiser::default()
    };
    let coupled = Optimiser { clip: 1.0, average: 0.9, weight_decay: 0.01, lr_schedule: LrSchedule::Step, ..falling };
    let all = Optimiser { kind: OptimiserKind::AdamW, lr_schedule: LrSchedule::Cosine, ..coupled };
    let sgd = Optimiser { kind: OptimiserKind::Sgd, lr: 1e-2, ..Optimiser::default() };
    let nesterov = Optimiser { kind: OptimiserKind::Sgd, momentum: 0.9, nesterov: true, ..all };
    let lion = Optimiser { kind: OptimiserKind::Lion, lr: 3e-4, ..all };
    let [row, grey, colour, small] = [[1, 1, 50], [7, 9, 1], [10, 7, 3], [18, 16, 2]];
    let ae = |activation: &str| AutoencoderConfig {
        hidden: vec![12, 7],
        latent: 3,
        activation: activation.into(),
        ..AutoencoderConfig::default()
    };
    let plain = || vae(row, &[], false, "relu", Bernoulli);
    let silu = || vae(row, &[], false, "silu", Bernoulli);
    let conditional = GanConfig { class_conditional: true, ..gan(0, false, false, GanLoss::NonSaturating, 2) };
    let r1 = GanConfig { penalty: Penalty::R1, penalty_every: 3, ..gan(0, false, false, GanLoss::NonSaturating, 1) };
    let of_points = GanConfig { penalty_every: 1, ..r1.clone() };
    let wasserstein = gan(2, false, false, GanLoss::Wasserstein, 2);
    let of_conditional = GanConfig { penalty: Penalty::Gp, ..conditional.clone() };
    let of_classes = GanConfig { penalty: Penalty::R1, discriminator_steps: 1, ..conditional.clone() };
    let changed = |config: GanConfig| GanConfig { augment: Change::ALL.into(), ..config };
    let gradient = GanConfig { penalty: Penalty::Gp, penalty_weight: 4.0, ..wasserstein };
    let deviation =
        GanConfig { minibatch_std: 3, penalty: Penalty::R1, ..gan(0, false, false, GanLoss::NonSaturating, 1) };
    let of_points_flow = FlowConfig { spacing: 1.5, x_waves: 2, ..flow(0, Solver::Rk4) };
    let of_labels =
        |config: FlowConfig| FlowConfig { class_conditional: true, class_dropout: 0.4, guidance: 1.5, ..config };
    let attentive = FlowConfig { heads: 2, ..flow(3, Solver::Euler) };
    let levels = VqVaeConfig { quantiser: QuantiserKind::Fsq, levels: vec![4, 3, 5], ..vqvae(0.0, 0.0) };
    let pooled = AutoencoderConfig { channels: vec![3, 4], pool: true, ..ae("tanh") };
    let mut setups = vec![
        Setup::new("vae, silu", vae(row, &[], false, "silu", Bernoulli), spec(row, 13), 13),
        Setup::new("vae, tanh", vae(row, &[], false, "tanh", Gaussian), spec(row, 64), 64).with(all),
        // Bounds so low that every unit is above them, where the gradient is that of the recorded loss.
        Setup::new("vae, free bits", VaeConfig { free_bits: 1e-4, ..plain() }, spec(row, 5), 5).with(sgd),
        Setup::new("vae, capacity", VaeConfig { capacity: 1e-4, kl_warmup: 4, ..plain() }, spec(row, 5), 5),
        Setup::new("cvae", VaeConfig { class_conditional: true, ..plain() }, spec(row, 6), 6),
        Setup::new("cvae, silu", VaeConfig { class_conditional: true, ..silu() }, spec(row, 6), 6),
        Setup::new("conv vae", vae(grey, &[3, 5], false, "relu", Bernoulli), spec(grey, 6), 6).with(nesterov),
        Setup::new("conv vae, silu", vae(colour, &[4], false, "silu", Gaussian), spec(colour, 5), 5),
        // A batch so large that the gradients of the weights are split sums.
        Setup::new("ae", ae("elu"), spec([1, 1, 9], 520), 520).with(coupled),
        Setup::new("pooled ae", pooled, spec([8, 12, 3], 5), 5).with(lion),
        Setup::new("gan", gan(0, false, false, GanLoss::LeastSquares, 1), spec(row, 9), 9),
        Setup::new("cgan", conditional, spec(row, 8), 4),
        Setup::new("dcgan", gan(3, true, false, GanLoss::NonSaturating, 1), spec(small, 5), 5).with(all),
        Setup::new("spectral gan", gan(2, false, true, GanLoss::Hinge, 2), spec(small, 4), 2),
        Setup::new("gan, R1 penalty", r1, spec(row, 6), 6),
        Setup::new("gan of points, R1 penalty", of_points, points(Density::Moons, 7), 7).with(all),
        Setup::new("vae of points", vae(row, &[], false, "silu", Gaussian), points(Density::SwissRoll, 6), 6),
        Setup::new("cgan, gradient penalty", of_conditional, spec(row, 8), 4),
        Setup::new("dcgan, gradient penalty", gradient, spec(small, 4), 2),
        Setup::new("gan, minibatch deviation, R1 penalty", deviation, spec(row, 8), 8).moved(),
        Setup::new("augmented dcgan", changed(gan(2, true, false, GanLoss::LeastSquares, 1)), spec(small, 5), 5),
        Setup::new("augmented cgan, R1 penalty", changed(of_classes), spec(grey, 6), 6),
        Setup::new("flow", flow(0, Solver::Heun), spec(row, 6), 6),
        Setup::new("flow of classes", of_labels(flow(0, Solver::Euler)), spec(row, 5), 5),
        Setup::new("flow of points", of_points_flow, points(Density::Checkerboard, 7), 7).with(all),
        Setup::new("flow of classes, u-net", of_labels(flow(4, Solver::Heun)), spec(grey, 4), 4),
        Setup::new("flow, u-net", flow(4, Solver::Euler), spec(colour, 5), 5).moved(),
        Setup::new("flow, u-net with attention", attentive, spec(grey, 4), 4),
        Setup::new("vqvae", vqvae(0.9, 2.0), spec(colour, 6), 6),
        Setup::new("vqvae by gradient", vqvae(0.0, 0.0), spec(grey, 4), 4),
        Setup::new("vqvae of levels", levels, spec(colour, 5), 5),
        Setup::new("classifier", ClassifierConfig { channels: vec![3], hidden: vec![9] }, spec(colour, 7), 7),
    ];
    setups.extend(translations(all));
    setups.extend(posterior_flows(all));
    setups.extend(priors_and_flows(all, sgd));
    setups
}

/// The persistent state of a model: its networks' arenas and states, and its buffers.
pub(crate) fn lasting(model: &dyn Model) -> Vec<Buf> {
    const ARENAS: [Arena; 5] =
        [Arena::Values, Arena::Gradients, Arena::OptimSlot(0), Arena::OptimSlot(1), Arena::Average];
    let (networks, frozen) = (model.networks(), model.frozen());
    let arenas = networks.iter().flat_map(|network| ARENAS.map(|kind| arena(model, network, kind)));
    let arenas = arenas.chain(frozen.map(|network| arena(model, network, Arena::Values)));
    let all = networks.iter().copied().chain(frozen);
    let states = all.flat_map(|network| network.states.iter().map(|state| state.buf));
    let sets = &model.buffers().sets;
    let labels = sets[0].labels.into_iter().flat_map(|labels| [labels.train, labels.test, labels.asked]);
    let buffers = sets.iter().flat_map(|set| [set.train, set.test]).chain([model.buffers().ring]);
    let of_model = model.states().into_iter().map(|(_, buf)| buf).chain(codes(model));
    arenas.chain(states).chain(labels).chain(buffers).chain(of_model).collect()
}

/// The codes of the training images and those drawn, of a prior; those given and drawn, of a WaveNet.
fn codes(model: &dyn Model) -> impl Iterator<Item = Buf> {
    ["train_codes", "drawn_codes", "given_codes"].into_iter().filter_map(|name| model.memory().get(name))
}

pub(crate) fn arena(model: &dyn Model, network: &models::Network, arena: Arena) -> Buf {
    model.memory().whole(network.weights.arena(arena))
}

/// Writes random images or points into all sets, and initial weights and states drawn from `seed`.
pub(crate) fn start(executor: &mut dyn Executor, model: &dyn Model, seed: u64) -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut bytes = |buf: Buf| Array::U32(pack(&(0..4 * buf.len()).map(|_| rng.random::<u8>()).collect::<Vec<_>>()));
    let set = model.buffers().first();
    for buf in model.buffers().sets.iter().flat_map(|set| [set.train, set.test]) {
        match set.spec.points.filter(|_| buf == set.test) {
            Some(density) => executor.write(buf, &Array::F32(drawn_on_host(density, set.spec.test, 1, SEED)))?,
            None => executor.write(buf, &bytes(buf))?,
        }
    }
    for labels in set.labels.iter().flat_map(|labels| [labels.train, labels.test, labels.asked]) {
        let classes = set.spec.classes;
        let one_hot: Vec<u8> =
            (0..4 * labels.len()).map(|i| 255 * u8::from(i % classes == i / classes % classes)).collect();
        executor.write(labels, &Array::U32(pack(&one_hot)))?;
    }
    for (buf, values) in initial_values(model, seed, false) {
        executor.write(buf, &Array::F32(values))?;
    }
    for codes in codes(model) {
        let words = (0..codes.len()).map(|_| rng.random_range(0..7)).collect();
        executor.write(codes, &Array::U32(words))?;
    }
    Ok(())
}

/// The persistent buffers after an epoch of training: optimiser state and clock are not those of a first step, and the
/// order is another.
pub(crate) fn under_way(setup: &Setup) -> Result<Vec<(Buf, Array)>, Error> {
    trained(setup, |_| false)
}

/// The same with gradients in the arenas, as they are before an update.
pub(crate) fn before_updates(setup: &Setup) -> Result<Vec<(Buf, Array)>, Error> {
    trained(setup, |phase| matches!(phase.kind, PhaseKind::Backward(_)))
}

/// The persistent buffers after an epoch of training, and after those phases of one more step that `last` selects.
fn trained(setup: &Setup, last: impl Fn(&Phase) -> bool) -> Result<Vec<(Buf, Array)>, Error> {
    let model = &*setup.model;
    let mut cpu = Reference::new(model.memory().clone(), Sharing::Off);
    start(&mut cpu, model, SEED)?;
    let training = setup.training(SEED);
    if let Some(schedule) = model.start(&training) {
        let program = cpu.prepare(&schedule)?;
        let ticket = cpu.submit(&[program], 1, &[])?;
        cpu.wait(ticket)?;
    }
    let phases = model.train(setup.batch, &training);
    let programs = prepared(&mut cpu, &phases)?;
    let ticket = cpu.submit(&programs, 3, &[])?;
    cpu.wait(ticket)?;
    for phase in phases.iter().filter(|phase| last(phase)) {
        let program = cpu.prepare(&phase.schedule)?;
        let ticket = cpu.submit(&[program], 1, &[])?;
        cpu.wait(ticket)?;
    }
    let buffers = lasting(model);
    let ticket = cpu.submit(&[], 1, &buffers)?;
    Ok(buffers.iter().copied().zip(cpu.wait(ticket)?).collect())
}

/// The programs of a step, in order and repeated as often as they run.
pub(crate) fn prepared(executor: &mut dyn Executor, phases: &[Phase]) -> Result<Vec<Program>, Error> {
    let programs = phases.iter().map(|phase| executor.prepare(&phase.schedule)).collect::<Result<Vec<_>, _>>()?;
    Ok(in_order(phases).into_iter().map(|phase| programs[phase]).collect())
}

/// Zeros of a buffer's type.
pub(crate) fn zeros(buf: Buf) -> Array {
    match buf.dtype {
        Dtype::F32 => Array::F64(vec![0.0; buf.len()]),
        Dtype::U32 => Array::U32(vec![0; buf.len()]),
    }
}
