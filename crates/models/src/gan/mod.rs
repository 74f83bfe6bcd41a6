//! Generative adversarial networks, of linear layers (Goodfellow et al., 2014) or of convolutions (DCGAN: Radford,
//! Metz and Chintala, 2016).
//!
//! A discriminator D scores images as real or generated, a generator G makes images that it scores as real. Each step
//! is two phases, schedules of their own: D's, in which nothing is differentiated by G, and G's, in which the gradient
//! passes through D and leaves D's parameters alone.

mod config;
mod networks;

pub use config::{GanConfig, GanLossKind};

use crate::layers::{Mode, Saved, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Decoding, Model, Objective, Pass, Phase, Range, Training};
use crate::network::Network;
use crate::shared_buffers::{DataSpec, SharedBuffers, tick_of};
use gpu_core::ops::gan_loss::{self, Role};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{channels, elementwise, philox, record};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};

/// The model.
#[derive(Clone, Debug)]
pub struct Gan {
    config: GanConfig,
    base: Base,
    /// The discriminator's clock and rates: it may take several steps to one of the generator's.
    discriminator_clock: Buf,
    discriminator_rates: Buf,
    generator_network: Network,
    discriminator_network: Network,
    generator: Stack,
    discriminator: Stack,
}

const COLUMNS: &[&str] = &["d_loss", "g_loss", "d_real", "d_fake"];
const D_LOSS: usize = 0;
const G_LOSS: usize = 1;
const D_REAL: usize = 2;
const D_FAKE: usize = 3;

impl Gan {
    /// The model for such data. PyTorch's names: `generator` and `discriminator` are each an `nn.Sequential`. Told
    /// classes, they take `torch.cat([z, y], 1)` and `torch.cat([x, y], 1)`, y being 5 at the class and 0 elsewhere and
    /// x [n, h · w · c].
    ///
    /// # Panics
    /// When [`GanConfig::fault`] has something to say.
    pub fn new(config: GanConfig, spec: DataSpec) -> Self {
        assert_eq!(config.fault(&spec, 1), None);
        let mut base = Base::new(spec, COLUMNS);
        if config.class_conditional {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let label_width = if config.class_conditional { spec.classes } else { 0 };
        let memory = &mut base.memory;
        let discriminator_clock = memory.add("discriminator_clock", [4], Dtype::U32);
        let discriminator_rates = memory.add("discriminator_rates", [4], Dtype::F32);
        let mut generator_network = Network::new(memory, "generator");
        let mut discriminator_network = Network::new(memory, "discriminator");
        let generator = networks::generator(memory, &mut generator_network, &config, spec.image, label_width);
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

    /// Standard normals: [count, 1, 1, latent].
    fn latents(&self, s: &mut Schedule, count: usize, clock: Buf, seed: u64, stream: Stream) -> Buf {
        philox::normal(s, "z", [count, 1, 1, self.config.latent], clock, seed, stream)
    }

    /// Those of a part of a batch.
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

    /// G(z), or G(z, y), as images [count, h, w, c] in [−1, 1].
    fn generate(&self, s: &mut Schedule, z: Buf, y: Option<Buf>, mode: Mode) -> (Value, Vec<Saved>) {
        let input = y.map_or(Value::plain(z), |y| Value::plain(z).beside(s, "z_y", y));
        let (fake, saved) = self.generator.forward(s, input, mode);
        (fake.reshape(self.base.buffers.spec().images(z.shape.dims()[0] as usize)), saved)
    }

    /// D of images, and of their classes: a score each.
    fn score(&self, s: &mut Schedule, images: Value, y: Option<Buf>, mode: Mode) -> (Buf, Vec<Saved>) {
        let input = y.map_or(images, |y| images.beside(s, "x_y", y));
        let (scores, saved) = self.discriminator.forward(s, input, mode);
        (scores.buf, saved)
    }

    /// The classes of such training images, where they are told.
    fn train_classes(&self, s: &mut Schedule, order: Buf) -> Option<Buf> {
        let buffers = &self.base.buffers;
        buffers.labels.map(|labels| buffers.one_hot_classes(s, labels.train, order))
    }

    /// The step's clock.
    fn clock_phase(&self, batch: usize, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        self.base.buffers.tick(
            &mut schedule,
            MicroBatch::whole(batch * self.config.discriminator_steps),
            training,
            0.0,
            0,
        );
        Phase::once("clock", schedule)
    }

    /// The discriminator's clock ticks as often as it takes steps, and its rates fall in the same time.
    fn discriminator_tick(&self, batch: usize, training: &Training) -> Tick {
        let mut optimiser = training.optimiser.ticking(self.config.discriminator_steps);
        if self.config.discriminator_lr > 0.0 {
            optimiser.lr = self.config.discriminator_lr;
        }
        tick_of(batch, &Training { optimiser, ..*training })
    }

    /// D's step on a part of its batch, real images and as many generated ones; of several steps in one of the
    /// generator's, the last one's numbers are recorded.
    fn discriminator_phase(&self, micro_batch: MicroBatch, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        if micro_batch.is_first() {
            tick(
                s,
                "discriminator_tick",
                self.discriminator_clock,
                self.discriminator_rates,
                self.discriminator_tick(micro_batch.batch, training),
            );
        }
        let order = self.base.buffers.train_order(s, micro_batch, training, self.discriminator_clock);
        let real = self
            .base
            .buffers
            .train_images(s, order, Range::TANH)
            .reshape(self.base.buffers.spec().images(micro_batch.rows));
        // Generated images are of the real ones' classes.
        let y = self.train_classes(s, order);
        let z = self.micro_batch_latents(s, micro_batch, self.discriminator_clock, training.seed, Stream::Train);
        // Detached: the generator's part of the graph is not gone back through.
        let (fake, _) = self.generate(s, z, y, Mode::Batch);

        let [rows, d_real, d_fake] = match self.config.has_critic_norm() {
            true => self.discriminator_apart(s, real, fake.buf, micro_batch.share()),
            false => self.discriminator_joint(s, real, fake.buf, y, micro_batch.share()),
        };
        for (label, rows, column) in [("d_loss", rows, D_LOSS), ("d_real", d_real, D_REAL), ("d_fake", d_fake, D_FAKE)]
        {
            micro_batch.record(s, label, rows, self.base.buffers.clock, self.base.buffers.ring, column);
        }
        training.optimiser.end(
            s,
            micro_batch,
            &self.base.memory,
            &self.discriminator_network.weights,
            self.discriminator_rates,
        );
        Phase { name: "discriminator", times: self.config.discriminator_steps, schedule }
    }

    /// Losses and what D said of real and of generated images, each of which is normalised by its own batch.
    fn discriminator_apart(&self, s: &mut Schedule, real: Buf, fake: Buf, weight: f32) -> [Buf; 3] {
        let [(real_rows, d_real), (fake_rows, d_fake)] =
            [("real", real, Role::Real), ("fake", fake, Role::Fake)].map(|(name, images, role)| {
                s.scope(name, |s| {
                    let (scores, saved) = self.score(s, Value::plain(images), None, Mode::Train);
                    let (rows, dscores, said) =
                        gan_loss::with_gradient(s, "loss", scores, role, self.config.game(), weight);
                    self.discriminator.backward(s, &saved, dscores, Wrt::Params);
                    (rows, said)
                })
            });
        [elementwise::add(s, "d_loss", real_rows, fake_rows), d_real, d_fake]
    }

    /// The same in one pass over both, where a score depends on its image alone.
    fn discriminator_joint(&self, s: &mut Schedule, real: Buf, fake: Buf, y: Option<Buf>, weight: f32) -> [Buf; 3] {
        let batch = real.shape.dims()[0] as usize;
        let row = |images: Buf| images.reshape([1, images.len()]);
        let both =
            channels::concat(s, "both", row(real), row(fake)).reshape(self.base.buffers.spec().images(2 * batch));
        let y = y.map(|y| channels::concat(s, "both_y", row(y), row(y)).reshape([2 * batch, y.shape.cols()]));
        let (scores, saved) = self.score(s, Value::plain(both), y, Mode::Train);
        let role = Role::RealThenFake(batch);
        let (rows, dscores, said) = gan_loss::with_gradient(s, "loss", scores, role, self.config.game(), weight);
        self.discriminator.backward(s, &saved, dscores, Wrt::Params);
        let said = said.reshape([1, 2 * batch]);
        [rows, channels::slice(s, "d_real", said, 0..batch), channels::slice(s, "d_fake", said, batch..2 * batch)]
    }

    /// What D loses on the next `batch` test images and on as many generated ones, with what it says of them, each
    /// `[batch]`; and the scores of the generated ones.
    fn test_scores(&self, s: &mut Schedule, batch: usize, seed: u64) -> ([(Buf, Buf); 2], Buf) {
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let real = buffers.test_images(s, order, Range::TANH).reshape(buffers.spec().images(batch));
        let y = buffers.labels.map(|labels| buffers.one_hot_classes(s, labels.test, order));
        let z = self.latents(s, batch, buffers.side_clock, seed, Stream::Evaluate);
        let (fake, _) = self.generate(s, z, y, Mode::Use);
        let (of_real, _) = s.scope("real", |s| self.score(s, Value::plain(real), y, Mode::Use));
        let (of_fake, _) = s.scope("fake", |s| self.score(s, fake, y, Mode::Use));
        let mut say = |name: &str, scores, role| {
            let (rows, _, said) = gan_loss::with_gradient(s, name, scores, role, self.config.game(), 1.0);
            (rows, said)
        };
        ([say("real.loss", of_real, Role::Real), say("fake.loss", of_fake, Role::Fake)], of_fake)
    }

    /// G's step on a part of a batch of latents of its own.
    fn generator_phase(&self, micro_batch: MicroBatch, training: &Training) -> Phase {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { clock, rates, ring, .. } = self.base.buffers;
        let z = self.micro_batch_latents(s, micro_batch, clock, training.seed, Stream::Latent);
        let y = self.config.class_conditional.then(|| self.base.buffers.train_order(s, micro_batch, training, clock));
        let y = y.and_then(|order| self.train_classes(s, order));
        let (fake, generator) = self.generate(s, z, y, Mode::Train);
        let (scores, discriminator) = self.score(s, fake, y, Mode::Through);
        let (rows, dscores, _) =
            gan_loss::with_gradient(s, "loss", scores, Role::Generator, self.config.game(), micro_batch.share());

        let dfake =
            self.discriminator.backward(s, &discriminator, dscores, Wrt::Input).expect("the image wants a gradient");
        let dfake = match y {
            Some(_) => channels::slice(s, "dfake", dfake, 0..self.base.buffers.spec().width()),
            None => dfake,
        };
        self.generator.backward(s, &generator, dfake, Wrt::Params);

        micro_batch.record(s, "g_loss", rows, clock, ring, G_LOSS);
        training.optimiser.end(s, micro_batch, &self.base.memory, &self.generator_network.weights, rates);
        Phase::once("generator", schedule)
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
        Range::TANH
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
        let parts = training.micro_batches(batch);
        let discriminator = parts.iter().map(|&micro_batch| self.discriminator_phase(micro_batch, training));
        let generator = parts.iter().map(|&micro_batch| self.generator_phase(micro_batch, training));
        [self.clock_phase(batch, training)].into_iter().chain(discriminator).chain(generator).collect()
    }

    /// By running statistics: what a score or a picture is does not depend on its neighbours.
    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let ([(real_rows, d_real), (fake_rows, d_fake)], of_fake) = self.test_scores(s, batch, seed);
        let g_rows = gan_loss::forward(s, "generator.loss", of_fake, Role::Generator, self.config.game());
        let d_rows = elementwise::add(s, "d_loss", real_rows, fake_rows);
        for (column, rows) in [(D_LOSS, d_rows), (G_LOSS, g_rows), (D_REAL, d_real), (D_FAKE, d_fake)] {
            record::record(s, &format!("record.{}", COLUMNS[column]), rows, side_clock, side_ring, column, 1.0);
        }
        schedule
    }

    fn scores(&self, batch: usize, seed: u64) -> Option<Pass> {
        let mut s = Schedule::new();
        let ([(_, d_real), (_, d_fake)], _) = self.test_scores(&mut s, batch, seed);
        Some(Pass::new(s, &[d_real, d_fake]))
    }

    fn real_above(&self) -> Option<f64> {
        (self.config.loss != GanLossKind::Wasserstein).then_some(0.5)
    }

    fn sample(&self, count: usize, seed: u64) -> Option<Pass> {
        let mut s = Schedule::new();
        let z = self.latents(&mut s, count, self.base.buffers.side_clock, seed, Stream::Sample);
        let y = self.base.buffers.labels.map(|labels| self.base.buffers.asked_classes(&mut s, labels, count));
        let (fake, _) = self.generate(&mut s, z, y, Mode::Use);
        Some(Pass::new(s, &[fake.buf.reshape([count, self.base.buffers.spec().width()])]))
    }

    fn decode(&self, count: usize) -> Option<Decoding> {
        let mut s = Schedule::new();
        let z = s.scratch([count, 1, 1, self.config.latent]);
        s.feed(z);
        let y = self.base.buffers.labels.map(|labels| self.base.buffers.asked_classes(&mut s, labels, count));
        let (fake, _) = self.generate(&mut s, z, y, Mode::Use);
        let pass = Pass::new(s, &[fake.buf.reshape([count, self.base.buffers.spec().width()])]);
        Some(Decoding { given: z.reshape([count, self.config.latent]), pass })
    }
}
