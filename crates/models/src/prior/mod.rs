//! The prior over the codes of a trained VQ-VAE: a gated PixelCNN, which draws new codes for the VQ-VAE to decode.
//!
//! van den Oord, Vinyals and Kavukcuoglu, *Neural discrete representation learning*, 2017, §3.3; van den Oord et al.,
//! *Conditional image generation with PixelCNN decoders*, 2016. The loss is −log p of a code given those before it. The
//! VQ-VAE is frozen: it encodes the training images before training, and test images in evaluation.

mod config;

pub use config::PriorConfig;

use crate::capabilities::{CodePrior, Sampler};
use crate::data::{DataSpec, Range};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::pixelcnn::{Draw, PixelNetwork, PixelSizes, asked};
use crate::settings::Settings;
use crate::shared_buffers::{ASKED_ROWS, SharedBuffers};
use crate::training::Training;
use crate::validate::InvalidSetting;
use crate::vqvae::VqVae;
use gpu_core::ops::categorical::Drawing;
use gpu_core::ops::codes;
use gpu_core::ops::permute::permute;
use gpu_core::ops::record::{record, record_more};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::{Buf, Dtype, Schedule};

const COLUMNS: &[&str] = &["code_nats", "code_bits"];

/// A prior over codes.
#[derive(Clone, Debug)]
pub struct Prior {
    base: Base,
    network: Network,
    pixels: PixelNetwork,
    vqvae: VqVae,
    /// Codes of the training images, `u32 [train, positions]`.
    train_codes: Buf,
    /// Codes that are drawn, `u32 [ASKED_ROWS, positions]`.
    drawn: Buf,
}

impl Prior {
    /// The model for the first set of such data. PyTorch's names: `embedding` is an `nn.Embedding`; `layers.i` has the
    /// convolutions `vertical`, `horizontal`, `link` and `mix` and, of a class-conditional model, the `nn.Embedding`
    /// `class`; the convolutions `hidden` and `logits` follow.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: PriorConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        let spec = *spec.first();
        let classes = if config.class_conditional && spec.classes >= 2 { spec.classes } else { 0 };
        if classes > 0 {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let mut network = Network::new(&mut base.memory, "prior");
        let grid = config.vqvae.small(spec.image);
        let PriorConfig { width, layers, kernel, output, .. } = config;
        let sizes = PixelSizes { width, layers, kernel, output, grid, codes: config.vqvae.codes(), classes };
        let pixels = PixelNetwork::new(&mut base.memory, &mut network, sizes);
        let vqvae = VqVae::within(config.vqvae, base);
        let mut base = vqvae.base().clone();
        let positions = grid.iter().product();
        let train_codes = base.memory.add("train_codes", [spec.train, positions], Dtype::U32);
        let drawn = base.memory.add("drawn_codes", [ASKED_ROWS, positions], Dtype::U32);
        Self { base, network, pixels, vqvae, train_codes, drawn }
    }

    /// Codes of an image.
    fn positions(&self) -> usize {
        self.train_codes.shape.cols()
    }

    /// Weights that make the mean loss of a code and the bits of an image of a sum over `images` images.
    fn columns(&self, images: f32) -> [f32; 2] {
        [1.0 / (images * self.positions() as f32), 1.0 / (images * std::f32::consts::LN_2)]
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let buffers = &self.base.buffers;
        buffers.tick(s, micro_batch, training, 0.0, 0);
        let order = buffers.train_order(s, micro_batch, training, clock);
        let codes = codes::gather(s, "codes", self.train_codes, order);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.train, order));

        let weight = micro_batch.share() / self.positions() as f32;
        let rows = self.pixels.learn(s, codes, classes, weight);

        let write = if micro_batch.is_first() { record } else { record_more };
        for (column, scale) in self.columns(micro_batch.batch as f32).into_iter().enumerate() {
            write(s, &format!("record.{}", COLUMNS[column]), rows, clock, ring, column, scale);
        }
    }

    /// The buffer of `count` drawn images' codes.
    fn drawn(&self, count: usize) -> Buf {
        Buf { shape: [count, self.positions()].into(), ..self.drawn }
    }

    /// A draw of all codes, and the logits of every position as they were computed for it, [count, codes] each.
    pub fn draw_with_logits(&self, count: usize, seed: u64, drawing: Drawing) -> Pass {
        let mut s = Schedule::new();
        let classes = asked(&mut s, &self.base.buffers, count);
        let codes = self.drawn(count);
        let draw = Draw { drawing, clock: self.base.buffers.side_clock, seed, kept: None };
        let logits = self.pixels.draw(&mut s, codes, classes, draw);
        let outputs: Vec<Buf> = [codes].into_iter().chain(logits).collect();
        Pass::new(s, &outputs)
    }

    /// The logits of given codes in one pass, [count · positions, codes], for the requested classes; the host writes
    /// the codes, `u32 [count, positions]`, which are the first buffer of the outputs.
    pub fn logits(&self, count: usize) -> Pass {
        let mut s = Schedule::new();
        let classes = asked(&mut s, &self.base.buffers, count);
        let codes = self.drawn(count);
        let forward = self.pixels.forward(&mut s, codes, classes);
        Pass::new(s, &[codes, forward.logits])
    }
}

impl Settings for PriorConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.vqvae.validate(spec, batch).map_err(|invalid| invalid.within("vqvae"))?;
        self.check(spec.first().image, batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Prior::new(self.clone(), spec))
    }
}

impl Model for Prior {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn frozen(&self) -> Option<&Network> {
        Some(self.vqvae.network())
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn range(&self) -> Range {
        Range::CENTRED
    }

    fn encode_train(&self, batch: usize) -> Option<Schedule> {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let buffers = &self.base.buffers;
        let count = buffers.first().spec.train;
        tick(s, "tick", buffers.side_clock, buffers.side_rates, Tick { batch, count, ..Tick::default() });
        let order = permute(s, "order", 0..batch, buffers.side_clock, count, 0, false);
        let x = buffers.train_images(s, order, Range::CENTRED);
        let found = self.vqvae.codes_of(s, x);
        codes::scatter(s, "codes", found, order, self.train_codes);
        Some(schedule)
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "prior", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let x = buffers.test_images(s, order, Range::CENTRED);
        let codes = self.vqvae.codes_of(s, x);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.test, order));
        let rows = self.pixels.losses(s, codes, classes);
        for (column, scale) in self.columns(1.0).into_iter().enumerate() {
            let label = format!("record.{}", COLUMNS[column]);
            record(s, &label, rows, buffers.side_clock, buffers.side_ring, column, scale);
        }
        schedule
    }

    fn sampler(&self) -> Option<&dyn Sampler> {
        Some(self)
    }

    fn code_prior(&self) -> Option<&dyn CodePrior> {
        Some(self)
    }
}

impl Sampler for Prior {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        self.draw(count, seed, Drawing::default())
    }
}

impl CodePrior for Prior {
    fn draw(&self, count: usize, seed: u64, drawing: Drawing) -> Pass {
        let mut s = Schedule::new();
        let classes = asked(&mut s, &self.base.buffers, count);
        let codes = self.drawn(count);
        let draw = Draw { drawing, clock: self.base.buffers.side_clock, seed, kept: None };
        self.pixels.draw(&mut s, codes, classes, draw);
        let images = self.vqvae.images_of(&mut s, codes);
        Pass::new(s, &[images, codes])
    }

    fn complete(&self, batch: usize, seed: u64, drawing: Drawing, kept: &[bool]) -> Pass {
        assert_eq!(kept.len(), self.grid().iter().product::<usize>(), "a position is kept or drawn");
        let mut s = Schedule::new();
        let buffers = &self.base.buffers;
        let order = buffers.test_order(&mut s, batch);
        let x = buffers.test_images(&mut s, order, Range::CENTRED);
        let classes = buffers.first().labels.map(|labels| buffers.classes(&mut s, labels.test, order));
        let found = self.vqvae.codes_of(&mut s, x);
        let codes = self.drawn(batch);
        let draw = Draw { drawing, clock: buffers.side_clock, seed, kept: Some((found, kept)) };
        self.pixels.draw(&mut s, codes, classes, draw);
        let images = self.vqvae.images_of(&mut s, codes);
        Pass::new(s, &[x, images])
    }

    fn grid(&self) -> [usize; 2] {
        self.vqvae.grid()
    }
}
