//! The gated PixelCNN of images: the probability of each pixel's level given the pixels before it, row by row.
//!
//! van den Oord et al., *Conditional image generation with PixelCNN decoders*, 2016. Pixels are one of a few levels of
//! grey: the nearest one, or one of the two nearest, drawn so that their mean is the pixel's. Of two levels that is
//! dynamic binarisation. The network is also that of the [prior](crate::prior) over codes.

mod config;
mod draw;
mod network;

pub use config::PixelCnnConfig;
pub(crate) use config::{MAX_POSITIONS, check_network};
pub(crate) use draw::Draw;
pub(crate) use network::{PixelNetwork, PixelSizes};

use crate::capabilities::{CodePrior, Sampler};
use crate::data::{DataSpec, Range, SetSpec};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::{ASKED_ROWS, SharedBuffers};
use crate::training::Training;
use crate::validate::InvalidSetting;
use gpu_core::ops::categorical::Drawing;
use gpu_core::ops::elementwise::add;
use gpu_core::ops::fsq::{self, Levels};
use gpu_core::ops::permute::permute;
use gpu_core::ops::philox;
use gpu_core::ops::record::{record, record_more};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};

const COLUMNS: &[&str] = &["image_nats", "pixel_bits"];

/// A gated PixelCNN of images.
#[derive(Clone, Debug)]
pub struct PixelCnn {
    config: PixelCnnConfig,
    base: Base,
    network: Network,
    pixels: PixelNetwork,
    levels: Levels,
    /// Levels that are drawn, `u32 [ASKED_ROWS, pixels]`.
    drawn: Buf,
}

impl PixelCnn {
    /// The model for the first set of such data. PyTorch's names are those of [`Prior`](crate::Prior).
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: PixelCnnConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        let spec = *spec.first();
        let classes = if config.class_conditional && spec.classes >= 2 { spec.classes } else { 0 };
        if classes > 0 {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let mut network = Network::new(&mut base.memory, "pixelcnn");
        let PixelCnnConfig { width, layers, kernel, output, levels: codes, .. } = config;
        let [h, w, _] = spec.image;
        let sizes = PixelSizes { width, layers, kernel, output, grid: [h, w], codes, classes };
        let pixels = PixelNetwork::new(&mut base.memory, &mut network, sizes);
        let levels = Levels::new(&[codes]).expect("the settings are valid");
        let drawn = base.memory.add("drawn_levels", [ASKED_ROWS, spec.width()], Dtype::U32);
        Self { config, base, network, pixels, levels, drawn }
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }

    /// Numbers that the levels of a pixel are apart.
    fn apart(&self) -> f32 {
        let Range { low, high } = self.range();
        (high - low) / (self.config.levels - 1) as f32
    }

    /// The levels of images x [n, width], `u32 [n, width]`: of x plus `dither`, if there is some.
    fn levels_of(&self, s: &mut Schedule, x: Buf, dither: Option<Buf>) -> Buf {
        let x = dither.map_or(x, |dither| add(s, "dithered", x, dither));
        let (_, index) = fsq::quantise(s, "levels", x.reshape([x.len(), 1]), &self.levels);
        index.reshape(x.shape)
    }

    /// The interval of the dither, half a level to both sides.
    fn dither(&self) -> [f32; 2] {
        [-0.5, 0.5].map(|half| half * self.apart())
    }

    /// Weights that make the nats of an image and the bits of a pixel of a sum over `images` images.
    fn columns(&self, images: f32) -> [f32; 2] {
        [1.0 / images, 1.0 / (images * self.spec().width() as f32 * std::f32::consts::LN_2)]
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let buffers = &self.base.buffers;
        buffers.tick(s, micro_batch, training, 0.0, 0);
        let order = buffers.train_order(s, micro_batch, training, clock);
        let x = buffers.moved_images(s, order, micro_batch, training, clock, self.range());
        let MicroBatch { first, rows, .. } = micro_batch;
        let width = self.spec().width();
        let dither = self.config.dither.then(|| {
            let (seed, interval) = (training.seed, self.dither());
            philox::uniform_from(s, "dither", [rows, width], first * width, clock, seed, Stream::Mix, interval)
        });
        let levels = self.levels_of(s, x, dither);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.train, order));

        let losses = self.pixels.learn(s, levels, classes, micro_batch.share());

        let write = if micro_batch.is_first() { record } else { record_more };
        for (column, scale) in self.columns(micro_batch.batch as f32).into_iter().enumerate() {
            write(s, &format!("record.{}", COLUMNS[column]), losses, clock, ring, column, scale);
        }
    }

    /// The buffer of `count` drawn images' levels.
    fn drawn(&self, count: usize) -> Buf {
        Buf { shape: [count, self.spec().width()].into(), ..self.drawn }
    }

    /// The logits of given levels in one pass, [count · width, levels], for the requested classes. The host writes the
    /// levels, `u32 [count, width]`, which are the first buffer of the outputs.
    pub fn logits(&self, count: usize) -> Pass {
        let mut s = Schedule::new();
        let classes = asked(&mut s, &self.base.buffers, count);
        let levels = self.drawn(count);
        let forward = self.pixels.forward(&mut s, levels, classes);
        Pass::new(s, &[levels, forward.logits])
    }

    /// Images [count, width] of levels `u32 [count, width]`.
    fn images_of(&self, s: &mut Schedule, levels: Buf) -> Buf {
        let images = fsq::lookup(s, "images", levels.reshape([levels.len()]), &self.levels, [levels.len(), 1]);
        images.reshape(levels.shape)
    }
}

/// The requested classes of `count` images, one-hot, of a class-conditional model.
pub(crate) fn asked(s: &mut Schedule, buffers: &SharedBuffers, count: usize) -> Option<Buf> {
    buffers.first().labels.map(|labels| {
        let rows = permute(s, "asked", 0..count, buffers.side_clock, ASKED_ROWS, 0, false);
        buffers.classes(s, labels.asked, rows)
    })
}

impl Settings for PixelCnnConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(PixelCnn::new(self.clone(), spec))
    }
}

impl Model for PixelCnn {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    /// The numbers of the lowest and the highest level.
    fn range(&self) -> Range {
        let levels = self.config.levels;
        Range { low: -1.0, high: (levels - 1) as f32 / (levels / 2) as f32 - 1.0 }
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "pixelcnn", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let x = buffers.test_images(s, order, self.range());
        let dither = self
            .config
            .dither
            .then(|| philox::uniform(s, "dither", x.shape, side_clock, seed, Stream::Evaluate, self.dither()));
        let levels = self.levels_of(s, x, dither);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.test, order));
        let losses = self.pixels.losses(s, levels, classes);
        for (column, scale) in self.columns(1.0).into_iter().enumerate() {
            record(s, &format!("record.{}", COLUMNS[column]), losses, side_clock, side_ring, column, scale);
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

impl Sampler for PixelCnn {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        self.draw(count, seed, Drawing::default())
    }
}

/// The codes are the levels of the pixels.
impl CodePrior for PixelCnn {
    fn draw(&self, count: usize, seed: u64, drawing: Drawing) -> Pass {
        let mut s = Schedule::new();
        let buffers = &self.base.buffers;
        let classes = asked(&mut s, buffers, count);
        let levels = self.drawn(count);
        let draw = Draw { drawing, clock: buffers.side_clock, seed, kept: None };
        self.pixels.draw(&mut s, levels, classes, draw);
        let images = self.images_of(&mut s, levels);
        Pass::new(s, &[images, levels])
    }

    fn complete(&self, batch: usize, seed: u64, drawing: Drawing, kept: &[bool]) -> Pass {
        assert_eq!(kept.len(), self.spec().width(), "a pixel is kept or drawn");
        let mut s = Schedule::new();
        let buffers = &self.base.buffers;
        let order = buffers.test_order(&mut s, batch);
        let x = buffers.test_images(&mut s, order, self.range());
        let classes = buffers.first().labels.map(|labels| buffers.classes(&mut s, labels.test, order));
        let found = self.levels_of(&mut s, x, None);
        let levels = self.drawn(batch);
        let draw = Draw { drawing, clock: buffers.side_clock, seed, kept: Some((found, kept)) };
        self.pixels.draw(&mut s, levels, classes, draw);
        let images = self.images_of(&mut s, levels);
        Pass::new(s, &[x, images])
    }

    fn grid(&self) -> [usize; 2] {
        let [h, w, _] = self.spec().image;
        [h, w]
    }
}
