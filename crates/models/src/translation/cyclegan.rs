//! `CycleGAN`: images of two sets into each other, without pairs (Zhu et al., *Unpaired image-to-image translation
//! using cycle-consistent adversarial networks*, 2017).
//!
//! Two generators translate, to B and to A; two discriminators score patches of images of A and of B as real or
//! translated. An image that is translated there and back is to be itself again, and an image of the target set is to
//! stay as it is. A step trains the discriminators and then the generators.

use super::config::CycleGanConfig;
use super::networks::{GeneratorSpec, discriminator, generator};
use super::{RANGE, above, between, error, error_with_gradient, published};
use crate::capabilities::Translator;
use crate::data::{DataSpec, Range, SetSpec, Side};
use crate::layers::{Mode, Slope, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::phase::{Parts, Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::{SharedBuffers, tick_of};
use crate::training::Training;
use crate::validate::InvalidSetting;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::gan_loss::{self, Loss, Role};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{elementwise, permute::permute, philox, record, replay_pool};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};

/// A `CycleGAN`.
#[derive(Clone, Debug)]
pub struct CycleGan {
    config: CycleGanConfig,
    base: Base,
    /// The clock that goes through the images of B, and rates that nothing reads.
    clock_b: Buf,
    rates_b: Buf,
    /// Translations of earlier steps, to A and to B, and their number; none if the pool has no place.
    pools: Option<[(Buf, Buf); 2]>,
    generator_network: Network,
    discriminator_network: Network,
    /// To A and to B.
    pub(super) generators: [Stack; 2],
    /// Of A and of B.
    discriminators: [Stack; 2],
}

const COLUMNS: &[&str] = &["d_loss", "g_loss", "cycle_error", "identity_error"];
const D_LOSS: usize = 0;
const G_LOSS: usize = 1;
const CYCLE: usize = 2;
const IDENTITY: usize = 3;

impl CycleGan {
    /// The model for two sets of such data. PyTorch's names: `to_a` and `to_b`, `of_a` and `of_b` are each an
    /// `nn.Sequential`, the generators and the discriminators.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: CycleGanConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let columns = if config.identity_weight > 0.0 { COLUMNS } else { &COLUMNS[..IDENTITY] };
        let mut base = Base::new(spec, columns);
        let memory = &mut base.memory;
        let clock_b = memory.add("clock_b", [4], Dtype::U32);
        let rates_b = memory.add("rates_b", [4], Dtype::F32);
        let images = Side::ALL.map(|side| spec.sets[side.index()].image);
        let pools = (config.pool > 0).then(|| {
            Side::ALL.map(|side| {
                let (name, width) = (side.name(), images[side.index()].iter().product());
                let pool = memory.add(&format!("pool_{name}"), [config.pool, width], Dtype::F32);
                (pool, memory.add(&format!("pool_{name}_count"), [4], Dtype::U32))
            })
        });
        let mut generator_network = Network::new(memory, "generators");
        let mut discriminator_network = Network::new(memory, "discriminators");
        let generators = Side::ALL.map(|side| {
            let (image, outputs) = (images[side.other().index()], images[side.index()][2]);
            let CycleGanConfig { width, halvings, skip, .. } = config;
            let spec = GeneratorSpec { width, halvings, blocks: config.blocks(image), skip, image, outputs };
            generator(memory, &mut generator_network, &format!("to_{}", side.name()), spec)
        });
        let discriminators = Side::ALL.map(|side| {
            let sizes = [config.discriminator_width, config.discriminator_halvings];
            let name = format!("of_{}", side.name());
            discriminator(memory, &mut discriminator_network, &name, sizes, images[side.index()])
        });
        Self {
            config,
            base,
            clock_b,
            rates_b,
            pools,
            generator_network,
            discriminator_network,
            generators,
            discriminators,
        }
    }

    pub(super) fn config(&self) -> &CycleGanConfig {
        &self.config
    }

    pub(super) fn spec(&self, side: Side) -> &SetSpec {
        &self.base.buffers.sets[side.index()].spec
    }

    /// Images [count, width] of a side as [count, h, w, c].
    pub(super) fn images(&self, side: Side, rows: Buf) -> Buf {
        rows.reshape(self.spec(side).images(rows.shape.rows()))
    }

    fn loss(&self) -> Loss {
        Loss { kind: self.config.loss, label_smoothing: 0.0 }
    }

    /// Advances the clocks of both sets; the images of each come in a separate order, and their epochs end apart.
    fn tick(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        if !micro_batch.is_first() {
            return;
        }
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let [of_a, of_b] = Side::ALL.map(|side| self.spec(side).train);
        let batch = micro_batch.batch;
        tick(s, "tick", clock, rates, Tick { count: of_a, ..tick_of(batch, training) });
        tick(s, "tick_b", self.clock_b, self.rates_b, Tick { batch, count: of_b, ..Tick::default() });
    }

    /// The training images of a micro-batch, of A and of B: [rows, h, w, c].
    fn train_images(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) -> [Buf; 2] {
        let buffers = &self.base.buffers;
        Side::ALL.map(|side| {
            // Of sets that are pairs, the orders must differ too.
            let (clock, seed) = match side {
                Side::A => (buffers.clock, training.seed),
                Side::B => (self.clock_b, !training.seed),
            };
            let label = format!("order_{}", side.name());
            let count = self.spec(side).train;
            let order = permute(s, &label, micro_batch.range(), clock, count, seed, training.shuffle);
            let training = Training { seed, ..*training };
            let rows = buffers.set_images(s, side.index(), order, micro_batch, &training, clock, RANGE);
            self.images(side, rows)
        })
    }

    /// Translations of images to a side.
    pub(super) fn translated(&self, s: &mut Schedule, to: Side, images: Buf) -> Buf {
        let network = &self.generators[to.index()];
        s.scope("fake", |s| network.forward(s, Value::plain(images), Mode::Use).0.buf)
    }

    /// The discriminators' micro-batch, forward and backward: real images, and as many translations of this step or of
    /// earlier ones.
    fn discriminators_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        self.tick(s, micro_batch, training);
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let images = self.train_images(s, micro_batch, training);
        let rows = micro_batch.rows;
        let mut losses = Vec::new();
        for side in Side::ALL {
            let (i, name) = (side.index(), side.name());
            // Detached: no gradient goes through the generator.
            let fake = self.translated(s, side, images[side.other().index()]);
            let fake = self.replayed(s, side, fake, micro_batch, training);
            let both = above(s, &format!("both_{name}"), images[i], fake);
            let (scores, saved) = self.discriminators[i].forward(s, Value::plain(both), Mode::Train);
            let patches = scores.buf.len() / (2 * rows);
            let role = Role::RealThenFake(rows * patches);
            let weight = micro_batch.share() / patches as f32;
            let label = format!("d_loss_{name}");
            let (loss, dscores, _) = gan_loss::with_gradient(s, &label, scores.buf, role, self.loss(), weight);
            self.discriminators[i].backward(s, &saved, dscores, Wrt::Params);
            losses.push(loss);
        }
        let loss = mean(s, "d_loss", &losses);
        // The losses of a real patch and of a translated one add to an image's.
        micro_batch.record_parts(s, "d_loss", loss, loss.len() / (2 * rows), clock, ring, D_LOSS);
    }

    /// Translations to a side as the discriminator is trained on them: half of them are replaced by earlier ones
    /// (Shrivastava et al., 2017).
    fn replayed(&self, s: &mut Schedule, side: Side, fake: Buf, micro_batch: MicroBatch, training: &Training) -> Buf {
        let Some(pools) = self.pools else { return fake };
        let (pool, count) = pools[side.index()];
        // Two numbers an image, those of B after those of A.
        let first = 2 * (side.index() * micro_batch.batch + micro_batch.first);
        let (size, interval) = ([micro_batch.rows, 2], [0.0, 1.0]);
        let (clock, seed, label) = (self.base.buffers.clock, training.seed, format!("replay_{}", side.name()));
        let draws =
            philox::uniform_from(s, &format!("{label}.draws"), size, first, clock, seed, Stream::Replay, interval);
        let rows = fake.reshape([micro_batch.rows, fake.len() / micro_batch.rows]);
        replay_pool::exchange(s, &label, rows, pool, count, draws).reshape(fake.shape)
    }

    /// The generators' micro-batch, forward and backward.
    fn generators_backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let images = self.train_images(s, micro_batch, training);
        let (rows, share) = (micro_batch.rows, micro_batch.share());
        let CycleGanConfig { cycle_weight, identity_weight, .. } = self.config;
        let keeps = identity_weight > 0.0;
        let (mut gan, mut cycle, mut identity) = (Vec::new(), Vec::new(), Vec::new());
        // Translations, and of the images of the target set, in one pass.
        let first = Side::ALL.map(|to| {
            let (i, name) = (to.index(), to.name());
            let (source, own) = (images[to.other().index()], images[i]);
            let input = if keeps { above(s, &format!("input_{name}"), source, own) } else { source };
            let (y, saved) = self.generators[i].forward(s, Value::plain(input), Mode::Train);
            let fake = if keeps { between(s, &format!("fake_{name}"), y.buf, [0, rows]) } else { y.buf };
            (y, saved, fake)
        });
        // Gradients of the translations before tanh, by their scores.
        let of_scores = Side::ALL.map(|to| {
            let (i, name) = (to.index(), to.name());
            let network = &self.discriminators[i];
            let (scores, saved) = network.forward(s, tanh(first[i].2), Mode::Through);
            let weight = published(self.config.loss) * share / (scores.buf.len() / rows) as f32;
            let label = format!("g_loss_{name}");
            let (loss, dscores, _) =
                gan_loss::with_gradient(s, &label, scores.buf, Role::Generator, self.loss(), weight);
            gan.push(loss);
            network.backward(s, &saved, dscores, Wrt::Input).expect("the image needs a gradient")
        });
        // The same by the images translated back; those of the generators on the way back are added to.
        let of_cycles = Side::ALL.map(|to| {
            let (back, name) = (to.other(), to.name());
            let network = &self.generators[back.index()];
            let scope = format!("cycle_{name}");
            s.scope(&scope, |s| {
                let (y, saved) = network.forward(s, tanh(first[to.index()].2), Mode::Train);
                let weight = share * cycle_weight;
                let (errors, dy) = error_with_gradient(s, "cycle_error", y, images[back.index()], weight);
                cycle.push(errors);
                network.backward(s, &saved, dy, Wrt::Both).expect("the translation needs a gradient")
            })
        });
        for to in Side::ALL {
            let (i, name) = (to.index(), to.name());
            let (y, saved, fake) = &first[i];
            let [of_scores, of_cycles] = [of_scores[i], of_cycles[i]].map(|d| d.reshape(fake.shape));
            let mut d = elementwise::add(s, &format!("dfake_{name}"), of_scores, of_cycles);
            if keeps {
                let same = tanh(between(s, &format!("same_{name}"), y.buf, [rows, 2 * rows]));
                let label = format!("identity_error_{name}");
                let (errors, dsame) = error_with_gradient(s, &label, same, images[i], share * identity_weight);
                identity.push(errors);
                d = above(s, &format!("dboth_{name}"), d, dsame);
            }
            self.generators[i].backward(s, saved, d, Wrt::Params);
        }
        let loss = mean(s, "g_loss", &gan);
        micro_batch.record_parts(s, "g_loss", loss, loss.len() / rows, clock, ring, G_LOSS);
        let errors = [("cycle_error", cycle, CYCLE), ("identity_error", identity, IDENTITY)];
        for (name, errors, column) in errors.into_iter().filter(|(_, errors, _)| !errors.is_empty()) {
            let error = mean(s, name, &errors);
            micro_batch.record(s, name, error, clock, ring, column);
        }
    }
}

/// The mean of the losses of both sides.
fn mean(s: &mut Schedule, label: &str, losses: &[Buf]) -> Buf {
    elementwise::combine(s, label, losses[0], 0.5, losses[1], 0.5)
}

/// Values after tanh.
fn tanh(buf: Buf) -> Value {
    Value { buf, slope: Slope::Output(Activation::Tanh) }
}

impl Settings for CycleGanConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec, batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(CycleGan::new(self.clone(), spec))
    }

    fn sets(&self) -> usize {
        2
    }

    fn takes_shards(&self) -> bool {
        false
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for CycleGan {
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
        RANGE
    }

    fn clocks(&self) -> Vec<Buf> {
        vec![self.base.buffers.clock, self.clock_b]
    }

    fn states(&self) -> Vec<(&'static str, Buf)> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let clocks = [("state/clock", clock), ("state/rates", rates), ("state/clock_b", self.clock_b)];
        let pools = self.pools.into_iter().flat_map(|[(a, of_a), (b, of_b)]| {
            [("state/pool_a", a), ("state/pool_a_count", of_a), ("state/pool_b", b), ("state/pool_b_count", of_b)]
        });
        clocks.into_iter().chain(pools).collect()
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let memory = &self.base.memory;
        let round = |name, network| Round { name, times: 1, network, clock, rates };
        let backward = |s: &mut Schedule, micro_batch| self.discriminators_backward(s, micro_batch, training);
        let carried: Vec<Buf> = self.pools.iter().flatten().flat_map(|&(pool, count)| [pool, count]).collect();
        let parts = Parts { backward: &backward, sums: &[], finish: &|_| {}, carried: &carried };
        let discriminators =
            round("discriminators", &self.discriminator_network).phases_of(memory, batch, training, &parts);
        let generators =
            round("generators", &self.generator_network).phases(memory, batch, training, |s, micro_batch| {
                self.generators_backward(s, micro_batch, training);
            });
        discriminators.into_iter().chain(generators).collect()
    }

    /// Image r of A beside image r of B, which need not be a pair: as many as the smaller test set has.
    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let images = Side::ALL.map(|side| {
            let rows = buffers.set_test_images(s, side.index(), order, RANGE);
            self.images(side, rows)
        });
        let mut losses: [Vec<Buf>; 4] = Default::default();
        for to in Side::ALL {
            let (i, name) = (to.index(), to.name());
            let fake = self.translated(s, to, images[to.other().index()]);
            let score = |s: &mut Schedule, images| self.discriminators[i].forward(s, Value::plain(images), Mode::Use).0;
            let [of_real, of_fake] = [images[i], fake].map(|images| score(s, images).buf);
            let mut loss =
                |label: &str, scores, role| gan_loss::forward(s, &format!("{label}_{name}"), scores, role, self.loss());
            let [real, of_fakes] = [loss("real", of_real, Role::Real), loss("fake", of_fake, Role::Fake)];
            losses[G_LOSS].push(loss("g_loss", of_fake, Role::Generator));
            losses[D_LOSS].push(elementwise::add(s, &format!("d_loss_{name}"), real, of_fakes));
            let back = self.translated(s, to.other(), fake);
            losses[CYCLE].push(error(s, &format!("cycle_error_{name}"), back, images[to.other().index()]));
            if self.config.identity_weight > 0.0 {
                let same = self.translated(s, to, images[i]);
                losses[IDENTITY].push(error(s, &format!("identity_error_{name}"), same, images[i]));
            }
        }
        for (column, name) in self.columns().iter().enumerate() {
            let mean = mean(s, name, &losses[column]);
            let weight = batch as f32 / mean.len() as f32;
            let SharedBuffers { side_clock, side_ring, .. } = *buffers;
            record::record(s, &format!("record.{name}"), mean, side_clock, side_ring, column, weight);
        }
        schedule
    }

    fn translator(&self) -> Option<&dyn Translator> {
        Some(self)
    }
}
