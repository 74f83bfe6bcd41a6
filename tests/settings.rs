//! Every enumerated setting of every family: built, and trained for a step on the CPU executor.

use gpu_core::ops::gather::pack;
use gpu_core::{Arena, Array, BufferId, Error, Executor, Reference, Sharing};
use models::{
    Activation, AutoencoderConfig, Change, ClassifierConfig, Corrupt, Coupling, CycleGanConfig, DataSpec, Family,
    FlowConfig, FlowKind, GanConfig, GanLoss, Likelihood, LrSchedule, ModelConfig, Optimiser, OptimiserKind,
    PairedConfig, Penalty, PixelCnnConfig, PosteriorFlow, PriorConfig, QuantiserKind, RealNvpConfig, SetSpec, Solver,
    Training, VaeConfig, VqVaeConfig, WavenetConfig, in_order, initial_values,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const BATCH: usize = 4;

fn spec() -> DataSpec {
    SetSpec { train: BATCH, test: 2, image: [8, 8, 1], classes: 3, variance: 0.1, points: None }.into()
}

/// The sets that a model takes, in colour if it needs that.
fn spec_of(config: &ModelConfig) -> DataSpec {
    let colour = matches!(config, ModelConfig::CycleGan(_) | ModelConfig::Paired(_));
    let set = *spec().first();
    let image = match config {
        ModelConfig::Wavenet(_) => [1, 16, 1],
        _ if colour => [8, 8, 3],
        _ => set.image,
    };
    let set = SetSpec { image, ..set };
    DataSpec { sets: vec![set; config.sets()] }
}

/// No convolutions, convolutions, and convolutions with pooling.
const CONVOLUTIONS: [(&[usize], bool); 3] = [(&[], false), (&[2], false), (&[2], true)];

fn vaes() -> Vec<ModelConfig> {
    let mut all = Vec::new();
    for activation in Activation::names() {
        for likelihood in Likelihood::ALL {
            for (channels, pool) in CONVOLUTIONS {
                for class_conditional in [false, true] {
                    let (channels, activation) = (channels.to_vec(), activation.to_string());
                    let (hidden, latent) = (vec![5], 2);
                    let vae = VaeConfig {
                        channels,
                        pool,
                        hidden,
                        latent,
                        likelihood,
                        activation,
                        class_conditional,
                        ..VaeConfig::default()
                    };
                    all.push(ModelConfig::Vae(vae));
                }
            }
        }
    }
    let small = VaeConfig { hidden: vec![5], latent: 2, kl_warmup: 2, ..VaeConfig::default() };
    all.push(ModelConfig::Vae(VaeConfig { free_bits: 0.1, ..small.clone() }));
    all.push(ModelConfig::Vae(VaeConfig { capacity: 0.1, ..small.clone() }));
    for kind in FlowKind::ALL {
        let flow = PosteriorFlow { kind, length: 2, hidden: 3 };
        all.push(ModelConfig::Vae(VaeConfig { binarise: true, flow, ..small.clone() }));
    }
    all
}

fn autoencoders() -> Vec<ModelConfig> {
    let mut all = Vec::new();
    for activation in Activation::names() {
        for likelihood in Likelihood::ALL {
            for (channels, pool) in CONVOLUTIONS {
                let (channels, activation) = (channels.to_vec(), activation.to_string());
                let (hidden, latent) = (vec![5], 2);
                let default = AutoencoderConfig::default();
                let ae = AutoencoderConfig { channels, pool, hidden, latent, likelihood, activation, ..default };
                all.push(ModelConfig::Autoencoder(ae));
            }
        }
    }
    all
}

fn gans() -> Vec<ModelConfig> {
    let mut all = Vec::new();
    for &loss in GanLoss::ALL {
        for (width, class_conditional) in [(0, false), (0, true), (2, false)] {
            for (spectral, discriminator_norm) in [(false, false), (false, true), (true, false), (true, true)] {
                let gan = GanConfig {
                    latent: 3,
                    hidden: vec![5],
                    width,
                    class_conditional,
                    loss,
                    label_smoothing: if loss.has_labels() { 0.1 } else { 0.0 },
                    spectral,
                    discriminator_norm,
                    ..GanConfig::default()
                };
                for &penalty in Penalty::ALL {
                    let r1 = penalty == Penalty::R1;
                    let (augment, minibatch_std) = if r1 { (Change::ALL.into(), 3) } else { (Vec::new(), 0) };
                    all.push(ModelConfig::Gan(GanConfig { penalty, augment, minibatch_std, ..gan.clone() }));
                }
            }
        }
    }
    all
}

fn vqvaes() -> Vec<ModelConfig> {
    let vqvae = |(ema, restart): (f32, f32)| VqVaeConfig {
        halvings: 1,
        width: 4,
        residual: 2,
        latent: 2,
        codes: 5,
        ema,
        restart,
        ..VqVaeConfig::default()
    };
    let codebooks = [(0.0, 0.0), (0.9, 0.0), (0.9, 1.0)].map(vqvae);
    let of_levels = VqVaeConfig { quantiser: QuantiserKind::Fsq, levels: vec![3, 2], ..vqvae((0.0, 0.0)) };
    codebooks.into_iter().chain([of_levels]).map(ModelConfig::VqVae).collect()
}

fn flows() -> Vec<ModelConfig> {
    let mut all = Vec::new();
    for solver in Solver::ALL {
        for (width, heads, class_conditional) in [(0, 0, false), (0, 0, true), (4, 0, false), (4, 2, true)] {
            let (hidden, halvings, waves, steps, spacing) = (vec![5], 1, 2, 2, 1.5);
            for (class_dropout, guidance, x_waves) in [(0.0, 1.0, 0), (0.2, 2.0, 1)] {
                let flow = FlowConfig {
                    width,
                    halvings,
                    heads,
                    hidden: hidden.clone(),
                    waves,
                    steps,
                    solver,
                    class_conditional,
                    class_dropout,
                    guidance,
                    guidance_interval: [0.0, 0.75],
                    spacing,
                    x_waves,
                };
                all.push(ModelConfig::Flow(flow));
            }
        }
    }
    all
}

fn wavenets() -> Vec<ModelConfig> {
    let wavenet = |(kernel, blocks, class_conditional): (usize, usize, bool)| {
        let (length, width, skip, output, layers) = (12, 3, 4, 5, 2);
        ModelConfig::Wavenet(WavenetConfig { length, width, skip, output, kernel, layers, blocks, class_conditional })
    };
    [(2, 1, true), (3, 2, false), (2, 2, true)].map(wavenet).into()
}

/// The names of runs and checksums are the program's.
fn priors() -> Vec<ModelConfig> {
    let [learnt, of_levels] = [1, 3].map(|at| match vqvaes().remove(at) {
        ModelConfig::VqVae(vqvae) => vqvae,
        _ => unreachable!("they are VQ-VAEs"),
    });
    let prior = |(name, class_conditional, kernel, vqvae): (&str, bool, usize, &VqVaeConfig)| PriorConfig {
        codes: name.into(),
        checksum: name.into(),
        width: 3,
        layers: 2,
        kernel,
        output: 4,
        class_conditional,
        vqvae: vqvae.clone(),
    };
    let priors = [("", true, 3, &learnt), ("run", false, 1, &learnt), ("run", true, 3, &of_levels)];
    priors.map(|settings| ModelConfig::Prior(prior(settings))).into()
}

fn pixelcnns() -> Vec<ModelConfig> {
    let (width, layers, output) = (4, 1, 3);
    let all = [(2, true, 3, true), (7, false, 1, false)];
    let config = |(levels, dither, kernel, class_conditional)| PixelCnnConfig {
        levels,
        dither,
        width,
        layers,
        kernel,
        output,
        class_conditional,
    };
    all.map(|settings| ModelConfig::PixelCnn(config(settings))).into()
}

/// Of points and of latents; the names of runs and checksums are the program's.
fn normalising_flows() -> Vec<ModelConfig> {
    let ae = AutoencoderConfig { hidden: vec![5], latent: 3, ..AutoencoderConfig::default() };
    let vae = VaeConfig { hidden: vec![5], latent: 2, ..VaeConfig::default() };
    let mut all = Vec::new();
    for activation in Activation::names() {
        for coupling in Coupling::ALL {
            for (name, x_waves, normalise) in [("", 0, true), ("run", 2, false)] {
                let (ae, vae) = if name.is_empty() { (Some(ae.clone()), None) } else { (None, Some(vae.clone())) };
                let (hidden, activation) = (vec![5], activation.to_string());
                let (latents, checksum, layers, max_log_scale) = (name.into(), name.into(), 3, 1.5);
                all.push(ModelConfig::RealNvp(RealNvpConfig {
                    latents,
                    checksum,
                    coupling,
                    layers,
                    hidden,
                    activation,
                    x_waves,
                    max_log_scale,
                    bins: 4,
                    bound: 3.0,
                    normalise,
                    ae,
                    vae,
                }));
            }
        }
    }
    all
}

fn translations() -> Vec<ModelConfig> {
    let losses = [GanLoss::NonSaturating, GanLoss::LeastSquares, GanLoss::Hinge];
    let (width, halvings) = (2, 1);
    let (discriminator_width, discriminator_halvings) = (2, 1);
    let mut all = Vec::new();
    for loss in losses {
        for (blocks, skip, identity_weight, pool) in [(1, false, 5.0, 3), (2, true, 0.0, 0)] {
            all.push(ModelConfig::CycleGan(CycleGanConfig {
                width,
                halvings,
                blocks,
                skip,
                discriminator_width,
                discriminator_halvings,
                loss,
                cycle_weight: 10.0,
                identity_weight,
                pool,
            }));
        }
        for corrupt in ["none", "noise:0.2", "mask:3", "gray", "down:2", "blur:1", "jpeg:50"] {
            let corrupt = Corrupt::try_from(corrupt.to_string()).expect("a corruption");
            for (heads, gan_weight) in [(0, 1.0), (2, 0.0)] {
                all.push(ModelConfig::Paired(PairedConfig {
                    corrupt,
                    width,
                    halvings,
                    heads,
                    l1_weight: 100.0,
                    gan_weight,
                    loss,
                    discriminator_width,
                    discriminator_halvings,
                }));
            }
        }
    }
    all
}

fn optimisers() -> Vec<Optimiser> {
    let schedules = [LrSchedule::Constant, LrSchedule::Linear, LrSchedule::Cosine, LrSchedule::Step];
    let mut all = Vec::new();
    for &kind in OptimiserKind::ALL {
        for lr_schedule in schedules {
            let optimiser = Optimiser { kind, lr_schedule, lr_decay_steps: 3, lr_final: 0.5, ..Optimiser::default() };
            all.push(optimiser);
            all.push(Optimiser { clip: 0.5, average: 0.9, weight_decay: 0.1, lr_hold: 0.5, ..optimiser });
        }
    }
    let sgd = Optimiser { kind: OptimiserKind::Sgd, momentum: 0.9, ..Optimiser::default() };
    all.extend([sgd, Optimiser { nesterov: true, ..sgd }]);
    all
}

/// Trains for one step: the weights move, and they and the losses are finite.
fn step(config: &ModelConfig, optimiser: Optimiser) -> Result<(), Error> {
    let model = config.build(&spec_of(config));
    let mut cpu = Reference::new(model.memory().clone(), Sharing::On);
    let initial = initial_values(&*model, 1, true);
    for (buf, values) in &initial {
        cpu.write(*buf, &Array::F32(values.clone()))?;
    }
    let set = model.buffers().first();
    let bytes = |count: usize| (0..count).map(|i| (i * i % 251) as u8).collect::<Vec<_>>();
    for set in &model.buffers().sets {
        cpu.write(set.train, &Array::U32(pack(&bytes(4 * set.train.len()))))?;
    }
    if let Some(labels) = set.labels {
        let one_hot = |i: usize| 255 * u8::from(i % set.spec.classes == i / set.spec.classes % set.spec.classes);
        cpu.write(labels.train, &Array::U32(pack(&(0..4 * labels.train.len()).map(one_hot).collect::<Vec<_>>())))?;
    }
    let training = Training::whole(1, true, optimiser, BATCH);
    let mut programs = Vec::new();
    if let Some(schedule) = model.start(&training) {
        programs.push(cpu.prepare(&schedule)?);
    }
    let phases = model.train(BATCH / model.batches(), &training);
    let prepared = phases.iter().map(|phase| cpu.prepare(&phase.schedule)).collect::<Result<Vec<_>, _>>()?;
    programs.extend(in_order(&phases).into_iter().map(|phase| prepared[phase]));
    let ticket = cpu.submit(&programs, 1, &[])?;
    cpu.wait(ticket)?;
    let what = format!("{config:?} with {optimiser:?}");
    let frozen = model.frozen().map(|network| network.weights.arena(Arena::Values));
    let trained = |id: BufferId| id.arena == Arena::Values && Some(id) != frozen;
    for (buf, before) in initial.into_iter().filter(|(buf, _)| trained(buf.id)) {
        let after = cpu.read(buf)?.to_f64();
        assert!(after.iter().all(|x| x.is_finite()), "{what}: weights are not finite");
        assert!(before.iter().zip(after).any(|(&before, after)| f64::from(before) != after), "{what}: no weight moved");
    }
    assert!(cpu.read(model.buffers().ring)?.to_f64().iter().all(|x| x.is_finite()), "{what}: a loss is not finite");
    Ok(())
}

fn configurations() -> Vec<ModelConfig> {
    let classifier = ModelConfig::Classifier(ClassifierConfig { channels: vec![2], hidden: vec![5] });
    let coders = [vaes(), autoencoders(), vqvaes(), priors(), pixelcnns(), wavenets()].concat();
    [coders, gans(), flows(), normalising_flows(), translations(), vec![classifier]].concat()
}

/// The keys of these settings that are switches or names and have one value in all of them.
fn constant(settings: &[Value]) -> Vec<String> {
    let mut values: BTreeMap<&String, BTreeSet<String>> = BTreeMap::new();
    for (key, value) in settings.iter().flat_map(|settings| settings.as_object().expect("settings are a table")) {
        if value.is_boolean() || value.is_string() {
            values.entry(key).or_default().insert(value.to_string());
        }
    }
    values.into_iter().filter(|(_, values)| values.len() < 2).map(|(key, _)| key.clone()).collect()
}

/// A new switch or choice that no configuration of these tests sets is reported.
#[test]
fn every_switch_and_choice_is_tried() {
    for &family in Family::ALL {
        let of_family = configurations().into_iter().filter(|config| config.family() == family);
        let settings: Vec<Value> =
            of_family.map(|config| serde_json::to_value(config).expect("settings are JSON")).collect();
        assert_eq!(constant(&settings), Vec::<String>::new(), "{}: try other values of these", family.name());
    }
    let settings: Vec<Value> =
        optimisers().into_iter().map(|optimiser| serde_json::to_value(optimiser).expect("settings are JSON")).collect();
    assert_eq!(constant(&settings), Vec::<String>::new(), "optimiser: try other values of these");
}

#[test]
fn every_setting_of_every_family_trains() -> Result<(), Error> {
    let all = configurations();
    for &family in Family::ALL {
        let mut steps = 0;
        for config in all.iter().filter(|config| config.family() == family) {
            let checked = config.validate(&spec_of(config), BATCH, BATCH);
            let ModelConfig::Gan(gan) = config else {
                checked.expect("sound settings");
                step(config, Optimiser::default())?;
                steps += 1;
                continue;
            };
            // A penalty needs a score of one image, and the Wasserstein loss a bounded slope.
            let normalised = gan.width > 0 && gan.discriminator_norm;
            let penalised = gan.penalty != Penalty::None;
            let bounded = penalised || (gan.spectral && !normalised);
            let sound = !(penalised && normalised) && (gan.loss != GanLoss::Wasserstein || bounded);
            assert_eq!(checked.is_ok(), sound, "{gan:?}: {checked:?}");
            if sound {
                step(config, Optimiser::default())?;
                steps += 1;
            }
        }
        assert!(steps > 0, "no settings of {}", family.name());
    }
    Ok(())
}

#[test]
fn every_setting_of_the_optimiser_trains() -> Result<(), Error> {
    let ae = AutoencoderConfig { hidden: vec![5], latent: 2, ..AutoencoderConfig::default() };
    for optimiser in optimisers() {
        optimiser.validate().expect("sound settings");
        step(&ModelConfig::Autoencoder(ae.clone()), optimiser)?;
    }
    Ok(())
}

#[test]
fn label_smoothing_of_a_half_or_more_is_refused() {
    let gan = |label_smoothing| ModelConfig::Gan(GanConfig { label_smoothing, ..GanConfig::default() });
    let error = gan(0.9).validate(&spec(), BATCH, BATCH).unwrap_err().to_string();
    assert!(error.starts_with("gan.label_smoothing must be") && error.contains("0.1 makes"), "{error}");
    assert!(gan(0.5).validate(&spec(), BATCH, BATCH).is_err() && gan(0.1).validate(&spec(), BATCH, BATCH).is_ok());
}
