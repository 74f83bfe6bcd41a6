//! The plan of a training step.

use crate::config::Config;
use crate::data::DataSet;
use crate::export::plan::{Plan, Planner, Range};
use crate::run::epoch_plan::whole;
use crate::run::session::spec;
use models::{RING_ROWS, in_order};
use serde::Serialize;

/// Samples that the program `sample` of a plan draws.
const SAMPLES: usize = 16;

/// The plan of a training step on a whole batch.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct StepPlan {
    /// Buffers, pipelines and programs. Programs `start`, to run once before the first step, and `sample`, which draws
    /// 16 samples, are there if the model has them.
    #[serde(flatten)]
    pub plan: Plan,
    /// The programs of a training step, by their numbers, in order.
    pub step: Vec<usize>,
    /// The clock: step, epoch, start, next.
    pub clock: Range,
    /// The clock of the programs `start`, which begins at zero, and `sample`, whose first word is 1.
    pub side_clock: Range,
    /// The losses: row (step − 1) mod `rows` has those of a step.
    pub ring: Range,
    /// Rows of the ring.
    pub rows: usize,
    /// Names of the losses.
    pub columns: &'static [&'static str],
    /// The output of the program `sample`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<Range>,
}

/// Plans a training step of a model on such data.
pub fn step_plan(config: &Config, data: &DataSet) -> StepPlan {
    let model = config.build(&spec(config, data));
    let buffers = model.buffers();
    let training = whole(config, buffers.first().spec.train);
    let phases = model.train(config.train.batch_size, &training);
    let step = in_order(&phases);
    let mut planner = Planner::new(model.as_ref(), config.optimiser);
    [buffers.clock, buffers.ring, buffers.side_clock].into_iter().for_each(|buf| planner.keep(buf));
    for (number, phase) in phases.into_iter().enumerate() {
        planner.add(format!("train.{number}.{}", phase.name), phase.schedule);
    }
    if let Some(start) = model.start(&training) {
        planner.add("start", start);
    }
    let sample = model.sampler().map(|sampler| sampler.sample(SAMPLES, config.train.seed));
    let output = sample.as_ref().map(|pass| pass.outputs[0]);
    if let Some(pass) = sample {
        planner.add("sample", pass.schedule);
    }
    let planned = planner.finish();
    StepPlan {
        step,
        clock: planned.range(buffers.clock),
        side_clock: planned.range(buffers.side_clock),
        ring: planned.range(buffers.ring),
        rows: RING_ROWS,
        columns: model.columns(),
        samples: output.map(|output| planned.range(output)),
        plan: planned.plan,
    }
}
