//! Training in a page: the programs of steps of every size, the data, and the state of a run.

use crate::config::Config;
use crate::data::DataSet;
use crate::export::plan::{Planned, Planner, Range};
use crate::io::error::{Result, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::{EpochPlan, StepSize, training};
use crate::run::session::Session;
use gpu_core::{Dtype, Layout};
use models::{Model, RING_ROWS, in_order};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of training images that a page holds, at most, before they are compressed.
const MAX_DATA: usize = 1 << 24;

/// Training in a page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Training {
    /// The programs of a step by its size, in order.
    sizes: Vec<Size>,
    /// Steps to an epoch.
    per_epoch: u64,
    /// Steps to an epoch on full batches; the others are on a smaller one.
    full: u64,
    /// Steps of which one is periodic.
    period: u64,
    /// Batches of a step.
    batches: usize,
    /// Rows of the ring of losses.
    rows: usize,
    ring: Range,
    /// Names of the losses.
    columns: &'static [&'static str],
    /// Training images, as bytes, and their one-hot labels; none of points, which are drawn.
    images: Option<Range>,
    labels: Option<Range>,
    /// Images in the page.
    count: usize,
    /// True if these are all images of the run, so that `frit resume` continues it.
    whole: bool,
    /// Tensors of a checkpoint that belong to no network.
    states: Vec<State>,
    /// The notes of the checkpoint, of which the progress changes.
    notes: BTreeMap<String, String>,
    progress: Value,
}

#[derive(Clone, Debug, Serialize)]
struct Size {
    batch: usize,
    /// True for a whole batch.
    full: bool,
    periodic: bool,
    programs: Vec<String>,
}

/// A tensor of four bytes an element.
#[derive(Clone, Debug, Serialize)]
struct State {
    name: &'static str,
    at: Range,
    shape: Vec<usize>,
    /// True for integers.
    words: bool,
}

/// The training images of a page: the first of the run's that fit.
pub(super) fn count(config: &Config, data: &DataSet) -> usize {
    let most = MAX_DATA / data.pixels();
    if data.points.is_some() || data.train.count <= most { data.train.count } else { most.max(config.train.batch_size) }
}

/// Refuses a model that a page does not train.
///
/// # Errors
/// The model has a frozen network, or data other than one set of images or points.
pub(super) fn check(session: &Session, model: &dyn Model) -> Result<()> {
    let name = session.config.name();
    ensure!(model.frozen().is_none(), Model, "{name} trains on the codes of another run, which a page does not have");
    let one = session.data.sides.is_none() && session.data.sequence.is_none();
    ensure!(one, Model, "a page trains on one set of images, and {name} takes other data; leave out --train");
    ensure!(session.config.data.shard == 0, Model, "a page trains without shards; leave out --train");
    Ok(())
}

/// The name of the program of a phase.
fn program(size: StepSize, phase: usize) -> String {
    format!("train {}{} {phase}", size.batch, if size.periodic { "" } else { " plain" })
}

/// Adds the programs of a step of every size, with the learning rate halved `lowered` times.
pub(super) fn add(planner: &mut Planner<'_>, config: &Config, model: &dyn Model, count: usize, lowered: u32) {
    for size in EpochPlan::new(config, count).sizes() {
        for (number, phase) in model.train(size.batch, &training(config, size, lowered)).into_iter().enumerate() {
            planner.add(program(size, number), phase.schedule);
        }
    }
    let set = model.buffers().first();
    let labels = set.labels.map(|labels| labels.train);
    let states = model.states().into_iter().map(|(_, buf)| buf);
    let images = Some(set.train).filter(|_| set.spec.points.is_none());
    states.chain([model.buffers().ring]).chain(labels).chain(images).for_each(|buf| planner.keep(buf));
}

impl Training {
    /// The description, by the plan that has the programs.
    pub(super) fn of(
        session: &Session,
        model: &dyn Model,
        planned: &Planned,
        count: usize,
        checkpoint: &Checkpoint,
    ) -> Self {
        let config = &session.config;
        let plan = EpochPlan::new(config, count);
        let lowered = lowered(checkpoint);
        let size = |size: StepSize| {
            let phases = model.train(size.batch, &training(config, size, lowered));
            let programs = in_order(&phases).into_iter().map(|phase| program(size, phase)).collect();
            Size { batch: size.batch, full: size.batch == config.train.batch_size, periodic: size.periodic, programs }
        };
        let set = model.buffers().first();
        let state = |(name, buf): (&'static str, gpu_core::Buf)| State {
            name,
            at: planned.range(buf),
            shape: Layout::Same.file_shape(buf.shape),
            words: buf.dtype == Dtype::U32,
        };
        let batches = config.batches();
        Self {
            sizes: plan.sizes().into_iter().map(size).collect(),
            per_epoch: plan.per_epoch,
            full: (count / (config.train.batch_size * batches)) as u64,
            period: config.period(),
            batches,
            rows: RING_ROWS,
            ring: planned.range(model.buffers().ring),
            columns: model.columns(),
            images: (set.spec.points.is_none()).then(|| planned.range(set.train)),
            labels: set.labels.map(|labels| planned.range(labels.train)),
            count,
            whole: count == session.data.epoch_images(),
            states: model.states().into_iter().map(state).collect(),
            notes: checkpoint.metadata.clone(),
            progress: progress(checkpoint),
        }
    }
}

/// The progress that a checkpoint notes.
fn progress(checkpoint: &Checkpoint) -> Value {
    let note = checkpoint.metadata.get("progress").map(String::as_str).unwrap_or_default();
    serde_json::from_str(note).unwrap_or_default()
}

/// Times that the learning rate was halved.
pub(super) fn lowered(checkpoint: &Checkpoint) -> u32 {
    progress(checkpoint).get("rollbacks").and_then(Value::as_array).map_or(0, |all| all.len() as u32)
}

/// The training images of a page as bytes, and after them the one-hot labels of a class-conditional model.
pub(super) fn data(session: &Session, count: usize) -> Vec<u8> {
    let data = &session.data;
    if data.points.is_some() {
        return Vec::new();
    }
    let mut bytes = data.train.images[..count * data.pixels()].to_vec();
    if session.model.buffers().first().labels.is_some() {
        let classes = data.classes.len();
        for &label in &data.train.labels[..count] {
            bytes.extend((0..classes).map(|class| if class == usize::from(label) { 255 } else { 0 }));
        }
    }
    bytes
}
