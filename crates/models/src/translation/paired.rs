//! Paired translation: images into those of the other set that belong to them (Isola et al., *Image-to-image
//! translation with conditional adversarial networks*, 2017), or corrupted images into clean ones.
//!
//! A U-Net makes an image of an image; its error against the true one is the loss, beside the score of a discriminator
//! that sees patches of both. Without a discriminator it is a regression.

use super::config::PairedConfig;
use super::networks::discriminator;
use super::{RANGE, above, error, error_with_gradient, published};
use crate::capabilities::Translator;
use crate::data::{DataSpec, Range};
use crate::layers::{Mode, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::unet::{UNet, UNetSpec};
use crate::validate::InvalidSetting;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::corrupt;
use gpu_core::ops::gan_loss::{self, Loss, Role};
use gpu_core::ops::{channels, elementwise, philox, record};
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};

/// A paired translation.
#[derive(Clone, Debug)]
pub struct Paired {
    config: PairedConfig,
    base: Base,
    generator_network: Network,
    generator: UNet,
    /// The discriminator, if its score is a part of the loss.
    discriminator: Option<(Network, Stack)>,
}

const COLUMNS: &[&str] = &["l1_error", "d_loss", "g_loss"];
const ERROR: usize = 0;
const D_LOSS: usize = 1;
const G_LOSS: usize = 2;

/// The random numbers of a corruption: those of a training step, or of a test batch.
#[derive(Clone, Copy)]
struct Draws {
    clock: Buf,
    seed: u64,
    first: usize,
}

impl Paired {
    /// The model for two sets of matched images, or for one set that is corrupted. PyTorch's names: `generator` is a
    /// U-Net with its attributes, `discriminator` an `nn.Sequential` of `torch.cat([x, y], 1)`.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: PairedConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let has_score = config.gan_weight > 0.0;
        let mut base = Base::new(spec, if has_score { COLUMNS } else { &COLUMNS[..D_LOSS] });
        let memory = &mut base.memory;
        let [input, target] = config.images(spec);
        let mut generator_network = Network::new(memory, "generator");
        let PairedConfig { width, halvings, heads, .. } = config;
        let (outputs, act) = (target[2], Activation::Tanh);
        let sizes = UNetSpec { width, halvings, heads, image: input, outputs, features: 0, act };
        let generator = UNet::new(memory, &mut generator_network, "generator.", sizes);
        let discriminator = has_score.then(|| {
            let mut network = Network::new(memory, "discriminator");
            let [h, w, _] = target;
            let both = [h, w, input[2] + target[2]];
            let sizes = [config.discriminator_width, config.discriminator_halvings];
            let stack = discriminator(memory, &mut network, "discriminator", sizes, both);
            (network, stack)
        });
        Self { config, base, generator_network, generator, discriminator }
    }

    pub(super) fn config(&self) -> &PairedConfig {
        &self.config
    }

    /// Height, width and channels of the images that the U-Net takes.
    pub(super) fn input(&self) -> [usize; 3] {
        let spec = DataSpec { sets: self.base.buffers.sets.iter().map(|set| set.spec).collect() };
        self.config.images(&spec)[0]
    }

    fn loss(&self) -> Loss {
        Loss { kind: self.config.loss, label_smoothing: 0.0 }
    }

    /// Inputs and targets, [n, h, w, c] each, of images of the first set, [n, width], and of the second one if there
    /// is one.
    fn pairs(&self, s: &mut Schedule, of: &[Buf], draws: Draws) -> [Buf; 2] {
        let images = |set: usize| of[set].reshape(self.base.buffers.sets[set].spec.images(of[set].shape.rows()));
        let Some(corruption) = self.config.corrupt.0 else { return [images(0), images(1)] };
        let clean = images(0);
        let rows = of[0].shape.rows();
        let Draws { clock, seed, first } = draws;
        let numbers = corruption.draws(self.base.buffers.first().spec.image);
        let draws = match numbers {
            corrupt::Draws::None => None,
            corrupt::Draws::Normal(count) => {
                let size = [rows, count];
                Some(philox::normal_from(s, "corruption", size, first * count, clock, seed, Stream::Corrupt))
            }
            corrupt::Draws::Uniform(count) => {
                let (size, interval) = ([rows, count], [0.0, 1.0]);
                let first = first * count;
                Some(philox::uniform_from(s, "corruption", size, first, clock, seed, Stream::Corrupt, interval))
            }
        };
        [corrupt::forward(s, "corrupt", clean, draws, corruption, [RANGE.low, RANGE.high]), clean]
    }

    /// The pairs of a micro-batch.
    fn train_pairs(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) -> [Buf; 2] {
        let buffers = &self.base.buffers;
        let (clock, seed) = (buffers.clock, training.seed);
        let order = buffers.train_order(s, micro_batch, training, clock);
        let of: Vec<Buf> = (0..buffers.sets.len())
            .map(|set| buffers.set_images(s, set, order, micro_batch, training, clock, RANGE))
            .collect();
        self.pairs(s, &of, Draws { clock, seed, first: micro_batch.first })
    }

    /// The pairs of the next `batch` test images.
    pub(super) fn test_pairs(&self, s: &mut Schedule, batch: usize, seed: u64) -> [Buf; 2] {
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let of: Vec<Buf> = (0..buffers.sets.len()).map(|set| buffers.set_test_images(s, set, order, RANGE)).collect();
        self.pairs(s, &of, Draws { clock: buffers.side_clock, seed, first: 0 })
    }

    /// Images [n, h, w, c] made of inputs.
    pub(super) fn translated(&self, s: &mut Schedule, input: Buf) -> Buf {
        s.scope("generator", |s| self.generator.forward(s, input, None, Mode::Use).0.buf)
    }

    /// The discriminator's micro-batch, forward and backward: true pairs, and as many generated ones.
    fn discriminator_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training, network: &Stack) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        self.base.buffers.tick(s, micro_batch, training, 0.0, 0);
        let [input, target] = self.train_pairs(s, micro_batch, training);
        // Detached: no gradient goes through the generator.
        let fake = self.translated(s, input);
        let real = channels::concat(s, "real", input, target);
        let fake = channels::concat(s, "fake", input, fake);
        let both = above(s, "both", real, fake);
        let (scores, saved) = network.forward(s, Value::plain(both), Mode::Train);
        let patches = scores.buf.len() / (2 * micro_batch.rows);
        let role = Role::RealThenFake(micro_batch.rows * patches);
        // Half of the loss, so that the discriminator learns slowly in comparison (Isola et al., §3.3).
        let weight = 0.5 * published(self.config.loss) * micro_batch.share() / patches as f32;
        let (loss, dscores, _) = gan_loss::with_gradient(s, "d_loss", scores.buf, role, self.loss(), weight);
        network.backward(s, &saved, dscores, Wrt::Params);
        micro_batch.record_parts(s, "d_loss", loss, 2 * patches, clock, ring, D_LOSS);
    }

    /// The generator's micro-batch, forward and backward.
    fn generator_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        if self.discriminator.is_none() {
            self.base.buffers.tick(s, micro_batch, training, 0.0, 0);
        }
        let [input, target] = self.train_pairs(s, micro_batch, training);
        let (y, saved) = s.scope("generator", |s| self.generator.forward(s, input, None, Mode::Train));
        let (rows, share) = (micro_batch.rows, micro_batch.share());
        let weight = share * self.config.l1_weight;
        let (errors, mut dy) = error_with_gradient(s, "l1_error", y, target, weight);
        micro_batch.record(s, "l1_error", errors, clock, ring, ERROR);
        if let Some((_, network)) = &self.discriminator {
            let both = channels::concat(s, "both", input, y.buf);
            let (scores, saved) = network.forward(s, Value::plain(both), Mode::Through);
            let patches = scores.buf.len() / rows;
            let weight = self.config.gan_weight * published(self.config.loss) * share / patches as f32;
            let (loss, dscores, _) =
                gan_loss::with_gradient(s, "g_loss", scores.buf, Role::Generator, self.loss(), weight);
            let dboth = network.backward(s, &saved, dscores, Wrt::Input).expect("the image needs a gradient");
            let (first, channels) = (input.shape.cols(), both.shape.cols());
            let dscored = channels::slice(s, "dscored", dboth.reshape(both.shape), first..channels);
            let dscored = y.before(s, "dscored_before", dscored);
            dy = elementwise::add(s, "dy", dy, dscored);
            micro_batch.record_parts(s, "g_loss", loss, patches, clock, ring, G_LOSS);
        }
        s.scope("generator", |s| self.generator.backward(s, &saved, dy));
    }
}

impl Settings for PairedConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec, batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Paired::new(self.clone(), spec))
    }

    fn sets(&self) -> usize {
        if self.corrupt.0.is_some() { 1 } else { 2 }
    }

    fn noise_per_image(&self, spec: &DataSpec) -> usize {
        match self.corrupt.0.map(|corruption| corruption.draws(spec.first().image)) {
            Some(corrupt::Draws::Normal(count) | corrupt::Draws::Uniform(count)) => count,
            Some(corrupt::Draws::None) | None => 0,
        }
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for Paired {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        let discriminator = self.discriminator.as_ref().map(|(network, _)| network);
        [&self.generator_network].into_iter().chain(discriminator).collect()
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn range(&self) -> Range {
        RANGE
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let memory = &self.base.memory;
        let round = |name, network| Round { name, times: 1, network, clock, rates };
        let mut phases = Vec::new();
        if let Some((network, layers)) = &self.discriminator {
            phases = round("discriminator", network).phases(memory, batch, training, |s, micro_batch| {
                self.discriminator_backward(s, micro_batch, training, layers);
            });
        }
        let generator = round("generator", &self.generator_network);
        phases.extend(generator.phases(memory, batch, training, |s, micro_batch| {
            self.generator_backward(s, micro_batch, training);
        }));
        phases
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let [input, target] = self.test_pairs(s, batch, seed);
        let output = self.translated(s, input);
        let errors = error(s, "l1_error", output, target);
        record::record(s, "record.l1_error", errors, side_clock, side_ring, ERROR, 1.0);
        let Some((_, network)) = &self.discriminator else { return schedule };
        let [real, fake] = [("real", target), ("fake", output)].map(|(name, image)| {
            let both = channels::concat(s, name, input, image);
            s.scope(name, |s| network.forward(s, Value::plain(both), Mode::Use).0.buf)
        });
        let mut loss = |label: &str, scores, role| gan_loss::forward(s, label, scores, role, self.loss());
        let of_real = loss("real.loss", real, Role::Real);
        let of_fake = loss("fake.loss", fake, Role::Fake);
        let g_loss = loss("g_loss", fake, Role::Generator);
        let d_loss = elementwise::combine(s, "d_loss", of_real, 0.5, of_fake, 0.5);
        for (name, loss, column) in [("d_loss", d_loss, D_LOSS), ("g_loss", g_loss, G_LOSS)] {
            let weight = batch as f32 / loss.len() as f32;
            record::record(s, &format!("record.{name}"), loss, side_clock, side_ring, column, weight);
        }
        schedule
    }

    fn translator(&self) -> Option<&dyn Translator> {
        Some(self)
    }
}
