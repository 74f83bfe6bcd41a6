//! WaveNet: causal, dilated, gated convolutions, which give each code of a sequence a distribution by those before.
//!
//! van den Oord et al., *WaveNet: a generative model for raw audio*, 2016. A code is a byte, of text or of sound by
//! µ-law. The data has sequences in pieces of one length, which count as images of height 1; training takes a window of
//! each at a random position. The loss is −log p of a code given those before it in the window; before its first code
//! there are zeros. It is the gated PixelCNN of [`Prior`](crate::Prior) with height 1 and dilation.

mod config;
mod draw;
mod network;

pub use config::{SEQUENCE_ROWS, WavenetConfig};
pub use draw::SEQUENCE_BLOCK;

use crate::capabilities::{SequenceBuffers, Sequencer};
use crate::data::{DataSpec, SetSpec};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::{ASKED_ROWS, SharedBuffers};
use crate::training::Training;
use crate::validate::InvalidSetting;
use config::CODES;
use draw::State;
use gpu_core::ops::categorical::Drawing;
use gpu_core::ops::permute::permute;
use gpu_core::ops::record::{record, record_more};
use gpu_core::ops::sequence::{Windows, windows};
use gpu_core::ops::tick::{Tick, tick};
use gpu_core::ops::{cross_entropy, vq};
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};
use network::Causal;

const COLUMNS: &[&str] = &["sample_nats", "byte_bits"];

/// Positions of a draw, at most: the clock counts those of each batch of sequences from a multiple of it.
pub const MAX_POSITIONS: usize = 1 << 24;

/// A WaveNet.
#[derive(Clone, Debug)]
pub struct Wavenet {
    config: WavenetConfig,
    base: Base,
    network: Network,
    causal: Causal,
    state: State,
}

impl Wavenet {
    /// The model for the first set of such data. PyTorch's names: `embedding` is an `nn.Embedding`; the convolutions
    /// `first`, `hidden` and `logits`; `layers.i` has the convolutions `dilated`, `residual` but for the last, and
    /// `skip`, and of a class-conditional model the `nn.Embedding` `class`. Convolutions are `nn.Conv2d` of height 1.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: WavenetConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        let spec = spec.first();
        let classes = if config.has_classes(spec) { spec.classes } else { 0 };
        if classes > 0 {
            base.buffers = base.buffers.labelled(&mut base.memory);
        }
        let mut network = Network::new(&mut base.memory, "wavenet");
        let causal = Causal::new(&mut base.memory, &mut network, &config, classes);
        let state = State::new(&mut base.memory, &causal, config.width);
        Self { config, base, network, causal, state }
    }

    fn spec(&self) -> &SetSpec {
        &self.base.buffers.first().spec
    }

    /// Codes of a piece of the data.
    fn piece(&self) -> usize {
        self.spec().width()
    }

    /// Weights that make the mean loss of a code, in nats and in bits, of a sum over `rows` sequences of `length`.
    fn columns(rows: f32, length: usize) -> [f32; 2] {
        let codes = rows * length as f32;
        [1.0 / codes, 1.0 / (codes * std::f32::consts::LN_2)]
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let (buffers, length) = (&self.base.buffers, self.config.length);
        buffers.tick(s, micro_batch, training, 0.0, 0);
        let order = buffers.train_order(s, micro_batch, training, clock);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.train, order));
        let (width, first, seed) = (self.piece(), micro_batch.first, training.seed);
        let of = Windows { width, length, first, seed, stream: Stream::Window };
        let codes = windows(s, "codes", buffers.first().train, order, clock, of);

        let forward = self.causal.forward(s, codes, classes);
        let one_hot = vq::one_hot(s, "one_hot", codes.reshape([codes.len()]), CODES);
        let weight = micro_batch.share() / length as f32;
        let (rows, dlogits) = cross_entropy::with_gradient(s, "cross_entropy", forward.logits, one_hot, weight);

        self.causal.backward(s, forward, dlogits, one_hot, classes);

        let write = if micro_batch.is_first() { record } else { record_more };
        for (column, scale) in Self::columns(micro_batch.batch as f32, length).into_iter().enumerate() {
            write(s, &format!("record.{}", COLUMNS[column]), rows, clock, ring, column, scale);
        }
    }

    /// The requested classes of `count` sequences, one-hot, of a class-conditional model.
    fn asked(&self, s: &mut Schedule, count: usize) -> Option<Buf> {
        let buffers = &self.base.buffers;
        buffers.first().labels.map(|labels| {
            let rows = permute(s, "asked", 0..count, buffers.side_clock, ASKED_ROWS, 0, false);
            buffers.classes(s, labels.asked, rows)
        })
    }

    /// One position of `rows` sequences, as [`Sequencer::step`] has it, and its logits, [rows, codes].
    pub fn step_with_logits(&self, rows: usize, seed: u64, drawing: Drawing) -> Pass {
        let mut s = Schedule::new();
        let step = Tick { batch: 1, count: i32::MAX as usize, ..Tick::default() };
        tick(&mut s, "tick", self.state.buffers.clock, self.state.rates, step);
        let logits = self.causal.next(&mut s, &self.state, rows, seed, drawing);
        Pass::new(s, &[logits])
    }

    /// Logits [rows · length, codes] of `rows` sequences from a whole pass: the numbers that the buffer of drawn codes
    /// begins with, as [rows, length].
    ///
    /// # Panics
    /// If the buffer has fewer numbers.
    pub fn logits(&self, rows: usize, length: usize) -> Pass {
        let mut s = Schedule::new();
        let classes = self.asked(&mut s, rows);
        let drawn = self.state.buffers.drawn;
        assert!(rows * length <= drawn.len(), "{rows} sequences of {length} in a buffer of {}", drawn.shape);
        let codes = Buf { shape: [rows, length].into(), ..drawn };
        let forward = self.causal.forward(&mut s, codes, classes);
        Pass::new(s, &[forward.logits])
    }
}

impl Settings for WavenetConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        self.check(spec.first(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Wavenet::new(self.clone(), spec))
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for Wavenet {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "wavenet", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let buffers = &self.base.buffers;
        let order = buffers.test_order(s, batch);
        let classes = buffers.first().labels.map(|labels| buffers.classes(s, labels.test, order));
        let width = self.piece();
        let of = Windows { width, length: width, first: 0, seed: 0, stream: Stream::Window };
        let codes = windows(s, "codes", buffers.first().test, order, buffers.side_clock, of);
        let forward = self.causal.forward(s, codes, classes);
        let one_hot = vq::one_hot(s, "one_hot", codes.reshape([codes.len()]), CODES);
        let rows = cross_entropy::forward(s, "cross_entropy", forward.logits, one_hot);
        for (column, scale) in Self::columns(1.0, width).into_iter().enumerate() {
            let label = format!("record.{}", COLUMNS[column]);
            record(s, &label, rows, buffers.side_clock, buffers.side_ring, column, scale);
        }
        schedule
    }

    fn sequencer(&self) -> Option<&dyn Sequencer> {
        Some(self)
    }
}

impl Sequencer for Wavenet {
    fn begin(&self, rows: usize) -> Schedule {
        let mut s = Schedule::new();
        let classes = self.asked(&mut s, rows);
        self.causal.begin(&mut s, &self.state, classes);
        s
    }

    fn step(&self, rows: usize, seed: u64, drawing: Drawing) -> Schedule {
        self.step_with_logits(rows, seed, drawing).schedule
    }

    fn draw_buffers(&self) -> SequenceBuffers {
        self.state.buffers
    }

    fn receptive(&self) -> usize {
        self.config.receptive()
    }
}
