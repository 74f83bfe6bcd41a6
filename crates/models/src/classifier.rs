//! A small classifier of images, which also measures generated images: their classes and their features.
//!
//! Convolutions that halve the image, linear layers, and the cross-entropy of a softmax over the classes.

use crate::capabilities::{Classify, Extraction};
use crate::coder::Coder;
use crate::data::{DataSpec, Range, SetSpec};
use crate::layers::{Mode, Saved, Stack, Value, Wrt};
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::{Labels, SharedBuffers};
use crate::training::Training;
use crate::validate::{InvalidSetting, coder, ensure};
use gpu_core::ops::{cross_entropy, record};
use gpu_core::{Buf, Dtype, Schedule};
use serde::{Deserialize, Serialize};

/// Settings of a classifier.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// Channels of the convolutions, each of which halves the image.
    pub channels: Vec<usize>,
    /// Widths of the linear layers before the last.
    pub hidden: Vec<usize>,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self { channels: vec![16, 32], hidden: vec![128] }
    }
}

impl Settings for ClassifierConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        let SetSpec { image, classes, .. } = *spec.first();
        ensure(classes >= 2, "data.source", || {
            format!("must be labelled data with at least two classes for a classifier (got {classes})")
        })?;
        coder(image, &self.channels, false, &self.hidden, classes, batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(Classifier::new(self.clone(), spec, 1))
    }
}

/// A classifier.
#[derive(Clone, Debug)]
pub struct Classifier {
    base: Base,
    labels: Labels,
    given: Buf,
    network: Network,
    layers: Stack,
}

const COLUMNS: &[&str] = &["cross_entropy", "errors"];

impl Classifier {
    /// The model for the first set of such data, an `nn.Sequential` called `classifier`, and a buffer for `given`
    /// images to classify.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: ClassifierConfig, spec: &DataSpec, given: usize) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let mut base = Base::new(spec, COLUMNS);
        base.buffers = base.buffers.labelled(&mut base.memory);
        let labels = base.buffers.first().labels.expect("just added");
        let spec = spec.first();
        let memory = &mut base.memory;
        let given = memory.add("given", [given, spec.width()], Dtype::F32);
        let mut network = Network::new(memory, "classifier");
        let coder = Coder::new(spec.image, &config.channels, false, &config.hidden, "relu");
        let layers = coder.encoder(memory, &mut network, "classifier", Some(spec.classes));
        Self { base, labels, given, network, layers }
    }

    /// Logits [n, classes] of x [n, width] in [0, 1].
    fn forward(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, Vec<Saved>) {
        let images = x.reshape(self.base.buffers.first().spec.images(x.shape.rows()));
        let (logits, saved) = self.layers.forward(s, Value::plain(images), mode);
        (logits.buf, saved)
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        self.base.buffers.tick(s, micro_batch, training, 0.0, 0);
        let order = self.base.buffers.train_order(s, micro_batch, training, clock);
        let x = self.base.buffers.moved_images(s, order, micro_batch, training, clock, Range::UNIT);
        let classes = self.base.buffers.classes(s, self.labels.train, order);

        let (logits, saved) = self.forward(s, x, Mode::Train);
        let (rows, dlogits) = cross_entropy::with_gradient(s, "cross_entropy", logits, classes, micro_batch.share());
        let errors = cross_entropy::errors(s, "errors", logits, classes);

        self.layers.backward(s, &saved, dlogits, Wrt::Params);

        micro_batch.record(s, "cross_entropy", rows, clock, ring, 0);
        micro_batch.record(s, "errors", errors, clock, ring, 1);
    }

    /// The buffer for images to classify, [given, width] in [0, 1], which the host writes.
    pub fn given(&self) -> Buf {
        self.given
    }

    /// The logits of the given images, [given, classes], and their features, [given, width]: the inputs of the last,
    /// linear layer.
    pub fn classify(&self) -> Pass {
        let mut s = Schedule::new();
        let (logits, saved) = self.forward(&mut s, self.given, Mode::Use);
        let features = saved.last().expect("a classifier has layers").input();
        Pass::new(s, &[logits, features.reshape([self.given.shape.rows(), features.len() / self.given.shape.rows()])])
    }
}

impl Model for Classifier {
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
        let round = Round { name: "classifier", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, _seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let order = self.base.buffers.test_order(s, batch);
        let x = self.base.buffers.test_images(s, order, Range::UNIT);
        let classes = self.base.buffers.classes(s, self.labels.test, order);
        let (logits, _) = self.forward(s, x, Mode::Use);
        let rows = cross_entropy::forward(s, "cross_entropy", logits, classes);
        let errors = cross_entropy::errors(s, "errors", logits, classes);
        record::record(s, "record.cross_entropy", rows, side_clock, side_ring, 0, 1.0);
        record::record(s, "record.errors", errors, side_clock, side_ring, 1, 1.0);
        schedule
    }

    fn classifier(&self) -> Option<&dyn Classify> {
        Some(self)
    }
}

impl Classify for Classifier {
    fn classes(&self) -> Extraction {
        Extraction { given: self.given, pass: self.classify() }
    }
}
