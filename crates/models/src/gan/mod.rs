//! Generative adversarial networks, of linear layers (Goodfellow et al., 2014) or of convolutions (DCGAN: Radford,
//! Metz and Chintala, 2016).
//!
//! A discriminator D scores images as real or generated; a generator G makes images that D scores as real. Each step
//! has two rounds: D's, which does not differentiate by G, and G's, whose gradient passes through D and leaves D's
//! parameters alone.

mod augment;
mod config;
mod draw;
mod networks;
mod penalty;
mod score;

pub use augment::Change;
pub use config::GanConfig;
pub use penalty::Penalty;

use crate::capabilities::{Decoder, Discriminator, Projector, Sampler};
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::{SharedBuffers, tick_of};
use crate::training::Training;
use crate::validate::InvalidSetting;
use augment::{Draws, Images, see, see_backward};
use gpu_core::ops::gan_loss::{self, GanLoss, Role};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{channels, elementwise, fill, philox, record};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};
use penalty::{At, SlopePenalty};

/// A generative adversarial network.
#[derive(Clone, Debug)]
pub struct Gan {
    config: GanConfig,
    base: Base,
    /// The discriminator's clock and rates: it may take several steps per step of the generator.
    discriminator_clock: Buf,
    discriminator_rates: Buf,
    generator_network: Network,
    discriminator_network: Network,
    generator: Stack,
    discriminator: Stack,
}

const COLUMNS: &[&str] = &["d_loss", "g_loss", "d_real", "d_fake"];
const COLUMNS_WITH_PENALTY: &[&str] = &["d_loss", "g_loss", "d_real", "d_fake", "penalty"];
const D_LOSS: usize = 0;
const G_LOSS: usize = 1;
const D_REAL: usize = 2;
const D_FAKE: usize = 3;
const PENALTY: usize = 4;

impl Gan {
    /// The model for the first set of such data. PyTorch's names: `generator` and `discriminator` are each an
    /// `nn.Sequential`. Class-conditional ones take `torch.cat([z, y], 1)` and `torch.cat([x, y], 1)`, where y is 5 at
    /// the class and 0 elsewhere and x is [n, h · w · c].
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: GanConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let columns = if config.penalty == Penalty::None { COLUMNS } else { COLUMNS_WITH_PENALTY };
        let mut base = Base::new(spec, columns);
        if config.class_conditional {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let spec = spec.first();
        let label_width = if config.class_conditional { spec.classes } else { 0 };
        let memory = &mut base.memory;
        let discriminator_clock = memory.add("discriminator_clock", [4], Dtype::U32);
        let discriminator_rates = memory.add("discriminator_rates", [4], Dtype::F32);
        let mut generator_network = Network::new(memory, "generator");
        let mut discriminator_network = Network::new(memory, "discriminator");
        let generator = networks::generator(memory, &mut generator_network, &config, spec, label_width);
        let discriminator =
            networks::discriminator(memory, &mut discriminator_network, &config, spec.image, label_width);
        Self {
            config,
            base,
            discriminator_clock,
            discriminator_rates,
            generator_network,
            discriminator_network,
            generator,
            discriminator,
        }
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }

    /// Standard normals: [count, 1, 1, latent].
    fn latents(&self, s: &mut Schedule, count: usize, clock: Buf, seed: u64, stream: Stream) -> Buf {
        philox::normal(s, "z", [count, 1, 1, self.config.latent], clock, seed, stream)
    }

    /// The latents of a micro-batch.
    fn micro_batch_latents(
        &self,
        s: &mut Schedule,
        micro_batch: MicroBatch,
        clock: Buf,
        seed: u64,
        stream: Stream,
    ) -> Buf {
        let latent = self.config.latent;
        philox::normal_from(s, "z", [micro_batch.rows, 1, 1, latent], micro_batch.first * latent, clock, seed, stream)
    }

    /// G(z), or G(z, y), as images [count, h, w, c]: pixels in [−1, 1], or coordinates of points.
    fn generate(&self, s: &mut Schedule, z: Buf, y: Option<Buf>, mode: Mode) -> (Value, Vec<Saved>) {
        let input = y.map_or(Value::plain(z), |y| Value::plain(z).beside(s, "z_y", y));
        let (fake, saved) = self.generator.forward(s, input, mode);
        (fake.reshape(self.spec().images(z.shape.dims()[0] as usize)), saved)
    }

    /// D(x), or D(x, y): a score for each image.
    fn score(&self, s: &mut Schedule, images: Value, y: Option<Buf>, mode: Mode) -> (Buf, Vec<Saved>) {
        score::score(&self.discriminator, s, images, y, mode)
    }

    /// The penalty, with `times` its weight.
    fn slope(&self, times: f32) -> SlopePenalty<'_> {
        let GanConfig { penalty, penalty_weight, .. } = self.config;
        SlopePenalty {
            penalty,
            weight: times * penalty_weight,
            discriminator: &self.discriminator,
            width: self.spec().width(),
        }
    }

    /// The classes of training images by their numbers, for a class-conditional model.
    fn train_classes(&self, s: &mut Schedule, order: Buf) -> Option<Buf> {
        let buffers = &self.base.buffers;
        buffers.first().labels.map(|labels| buffers.one_hot_classes(s, labels.train, order))
    }

    /// Advances the step's clock.
    fn clock_phase(&self, batch: usize, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        let images = MicroBatch::whole(batch * self.config.discriminator_steps);
        self.base.buffers.tick(&mut schedule, images, training, 0.0, 0);
        Phase::clock("clock", schedule)
    }

    /// The discriminator's clock ticks at each of its steps, and its learning rate decays over the same time.
    fn discriminator_tick(&self, batch: usize, training: &Training) -> Tick {
        let mut optimiser = training.optimiser.ticking(self.config.discriminator_steps);
        if self.config.discriminator_lr > 0.0 {
            optimiser.lr = self.config.discriminator_lr;
        }
        tick_of(batch, &Training { optimiser, ..*training })
    }

    /// D's micro-batch, real images and as many generated ones, forward and backward. Of several steps per step of the
    /// generator, the losses of the last one remain in the ring.
    fn discriminator_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let (clock, rates) = (self.discriminator_clock, self.discriminator_rates);
        if micro_batch.is_first() {
            tick(s, "discriminator_tick", clock, rates, self.discriminator_tick(micro_batch.batch, training));
        }
        let order = self.base.buffers.train_order(s, micro_batch, training, clock);
        let real = self.base.buffers.moved_images(s, order, micro_batch, training, clock, self.range());
        let real = real.reshape(self.spec().images(micro_batch.rows));
        // Generated images have the classes of the real ones.
        let y = self.train_classes(s, order);
        let z = self.micro_batch_latents(s, micro_batch, clock, training.seed, Stream::Train);
        // Detached: no gradient goes through the generator.
        let (fake, _) = self.generate(s, z, y, Mode::Batch);
        let (list, seed) = (&self.config.augment, training.seed);
        let draws = Draws { rows: micro_batch, clock, seed };
        let real = see(s, list, Value::plain(real), Images::Real, draws).images.buf;
        let fake = see(s, list, fake, Images::Fake, draws).images.buf;

        let [rows, d_real, d_fake] = match self.config.has_batch_statistics() {
            true => self.discriminator_apart(s, real, fake, y, micro_batch),
            false => self.discriminator_joint(s, real, fake, y, micro_batch),
        };
        let at = At { real, fake, y, clock, seed };
        let penalty = self.penalty_of_step(s, micro_batch, at, training);
        let losses = [("d_loss", rows, D_LOSS), ("d_real", d_real, D_REAL), ("d_fake", d_fake, D_FAKE)];
        for (label, rows, column) in losses.into_iter().chain(penalty.map(|rows| ("penalty", rows, PENALTY))) {
            micro_batch.record(s, label, rows, self.base.buffers.clock, self.base.buffers.ring, column);
        }
    }

    /// The penalty of each image, whose gradient is added to D's; zeros in a step that does not apply it. `None`
    /// without a penalty.
    fn penalty_of_step(&self, s: &mut Schedule, micro_batch: MicroBatch, at: At, training: &Training) -> Option<Buf> {
        if training.periodic {
            return self.slope(self.config.penalty_every as f32).penalise(s, micro_batch, at);
        }
        (self.config.penalty != Penalty::None).then(|| {
            let zeros = s.scratch([micro_batch.rows]);
            fill::fill(s, "no_penalty", zeros, 0.0);
            zeros
        })
    }

    /// Losses, and D's scores of real and of generated images, each with separate statistics.
    fn discriminator_apart(
        &self,
        s: &mut Schedule,
        real: Buf,
        fake: Buf,
        y: Option<Buf>,
        micro_batch: MicroBatch,
    ) -> [Buf; 3] {
        let (mode, weight) = (Mode::training(micro_batch), micro_batch.share());
        let [(real_rows, d_real), (fake_rows, d_fake)] =
            [("real", real, Role::Real), ("fake", fake, Role::Fake)].map(|(name, images, role)| {
                s.scope(name, |s| {
                    let (scores, saved) = self.score(s, Value::plain(images), y, mode);
                    let (rows, dscores, reported) =
                        gan_loss::with_gradient(s, "loss", scores, role, self.config.score_loss(), weight);
                    self.discriminator.backward(s, &saved, dscores, Wrt::Params);
                    (rows, reported)
                })
            });
        [elementwise::add(s, "d_loss", real_rows, fake_rows), d_real, d_fake]
    }

    /// The same in one pass over both, for a score that depends on its image alone.
    fn discriminator_joint(
        &self,
        s: &mut Schedule,
        real: Buf,
        fake: Buf,
        y: Option<Buf>,
        micro_batch: MicroBatch,
    ) -> [Buf; 3] {
        let (mode, weight) = (Mode::training(micro_batch), micro_batch.share());
        let batch = real.shape.dims()[0] as usize;
        let row = |images: Buf| images.reshape([1, images.len()]);
        let both = channels::concat(s, "both", row(real), row(fake)).reshape(self.spec().images(2 * batch));
        let y = y.map(|y| channels::concat(s, "both_y", row(y), row(y)).reshape([2 * batch, y.shape.cols()]));
        let (scores, saved) = self.score(s, Value::plain(both), y, mode);
        let role = Role::RealThenFake(batch);
        let loss = self.config.score_loss();
        let (rows, dscores, reported) = gan_loss::with_gradient(s, "loss", scores, role, loss, weight);
        self.discriminator.backward(s, &saved, dscores, Wrt::Params);
        let reported = reported.reshape([1, 2 * batch]);
        let d_real = channels::slice(s, "d_real", reported, 0..batch);
        [rows, d_real, channels::slice(s, "d_fake", reported, batch..2 * batch)]
    }

    /// D's losses on the next `batch` test images and on as many generated ones, each with the reported scores, all
    /// `[batch]`; the raw scores of the generated ones; and the images.
    fn test_scores(&self, s: &mut Schedule, batch: usize, seed: u64) -> ([(Buf, Buf); 2], Buf, At) {
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let real = buffers.test_images(s, order, self.range()).reshape(self.spec().images(batch));
        let labels = buffers.first().labels;
        let y = labels.map(|labels| buffers.one_hot_classes(s, labels.test, order));
        let z = self.latents(s, batch, buffers.side_clock, seed, Stream::Evaluate);
        let (fake, _) = self.generate(s, z, y, Mode::Use);
        let (of_real, _) = s.scope("real", |s| self.score(s, Value::plain(real), y, Mode::Use));
        let (of_fake, _) = s.scope("fake", |s| self.score(s, fake, y, Mode::Use));
        let mut loss = |name: &str, scores, role| {
            let (rows, _, reported) = gan_loss::with_gradient(s, name, scores, role, self.config.score_loss(), 1.0);
            (rows, reported)
        };
        let losses = [loss("real.loss", of_real, Role::Real), loss("fake.loss", of_fake, Role::Fake)];
        (losses, of_fake, At { real, fake: fake.buf, y, clock: buffers.side_clock, seed })
    }

    /// The generator's micro-batch of separate latents, forward and backward.
    fn generator_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let z = self.micro_batch_latents(s, micro_batch, clock, training.seed, Stream::Latent);
        let y = self.config.class_conditional.then(|| self.base.buffers.train_order(s, micro_batch, training, clock));
        let y = y.and_then(|order| self.train_classes(s, order));
        let (fake, generator) = self.generate(s, z, y, Mode::training(micro_batch));
        let draws = Draws { rows: micro_batch, clock, seed: training.seed };
        let seen = see(s, &self.config.augment, fake, Images::Generated, draws);
        let (scores, discriminator) = self.score(s, seen.images, y, Mode::through(micro_batch));
        let (rows, dscores, _) =
            gan_loss::with_gradient(s, "loss", scores, Role::Generator, self.config.score_loss(), micro_batch.share());

        let dfake =
            self.discriminator.backward(s, &discriminator, dscores, Wrt::Input).expect("the image needs a gradient");
        let dfake = match y {
            Some(_) => channels::slice(s, "dfake", dfake, 0..self.spec().width()),
            None => dfake,
        };
        let dfake = see_backward(s, &self.config.augment, &seen, fake, dfake);
        self.generator.backward(s, &generator, dfake, Wrt::Params);

        micro_batch.record(s, "g_loss", rows, clock, ring, G_LOSS);
    }
}

impl Settings for GanConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Gan::new(self.clone(), spec))
    }

    fn batches(&self) -> usize {
        self.discriminator_steps.max(1)
    }

    fn period(&self) -> u64 {
        if self.penalty == Penalty::None { 1 } else { self.penalty_every.max(1) }
    }

    fn noise_per_image(&self, _spec: &DataSpec) -> usize {
        self.latent
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for Gan {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.generator_network, &self.discriminator_network]
    }

    fn objective(&self) -> Objective {
        Objective::None
    }

    fn range(&self) -> Range {
        if self.spec().points.is_some() { Range::UNIT } else { Range::TANH }
    }

    fn clocks(&self) -> Vec<Buf> {
        vec![self.base.buffers.clock, self.discriminator_clock]
    }

    fn states(&self) -> Vec<(&'static str, Buf)> {
        vec![
            ("state/clock", self.base.buffers.clock),
            ("state/rates", self.base.buffers.rates),
            ("state/discriminator_clock", self.discriminator_clock),
            ("state/discriminator_rates", self.discriminator_rates),
        ]
    }

    fn batches(&self) -> usize {
        self.config.discriminator_steps
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let discriminator = Round {
            name: "discriminator",
            times: self.config.discriminator_steps,
            network: &self.discriminator_network,
            clock: self.discriminator_clock,
            rates: self.discriminator_rates,
        };
        let discriminator = discriminator.phases(&self.base.memory, batch, training, |s, micro_batch| {
            self.discriminator_backward(s, micro_batch, training);
        });
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let generator = Round { name: "generator", times: 1, network: &self.generator_network, clock, rates };
        let generator = generator.phases(&self.base.memory, batch, training, |s, micro_batch| {
            self.generator_backward(s, micro_batch, training);
        });
        [self.clock_phase(batch, training)].into_iter().chain(discriminator).chain(generator).collect()
    }

    /// Uses running statistics: no image depends on the rest of its batch, and a score does only by its minibatch's
    /// deviation.
    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let ([(real_rows, d_real), (fake_rows, d_fake)], of_fake, at) = self.test_scores(s, batch, seed);
        let g_rows = gan_loss::forward(s, "generator.loss", of_fake, Role::Generator, self.config.score_loss());
        let d_rows = elementwise::add(s, "d_loss", real_rows, fake_rows);
        let penalty = self.slope(1.0).rows(s, MicroBatch::whole(batch), at);
        let rows = [(D_LOSS, d_rows), (G_LOSS, g_rows), (D_REAL, d_real), (D_FAKE, d_fake)];
        for (column, rows) in rows.into_iter().chain(penalty.map(|rows| (PENALTY, rows))) {
            let label = format!("record.{}", self.columns()[column]);
            record::record(s, &label, rows, side_clock, side_ring, column, 1.0);
        }
        schedule
    }

    fn sampler(&self) -> Option<&dyn Sampler> {
        Some(self)
    }

    fn decoder(&self) -> Option<&dyn Decoder> {
        Some(self)
    }

    fn projector(&self) -> Option<&dyn Projector> {
        Some(self)
    }

    fn discriminator(&self) -> Option<&dyn Discriminator> {
        Some(self)
    }
}

impl Discriminator for Gan {
    fn scores(&self, batch: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let ([(_, d_real), (_, d_fake)], ..) = self.test_scores(&mut s, batch, seed);
        Pass::new(s, &[d_real, d_fake])
    }

    fn threshold(&self) -> Option<f64> {
        (self.config.loss != GanLoss::Wasserstein).then_some(0.5)
    }
}
