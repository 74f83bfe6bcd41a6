//! A web page that draws: one file with the weights, the plan and an interpreter.

use crate::eval::latents::is_class_conditional;
use crate::export::directions::directions;
use crate::export::html::{Document, document};
use crate::export::parts::{Parts, Passes};
use crate::export::plan::{Plan, Planned, Planner, Range};
use crate::export::training::{self, Training};
use crate::io::error::{Result, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::session::{Session, spec};
use gpu_core::Array;
use models::{ASKED_ROWS, DataSpec};
use serde::Serialize;

/// Facts about a model, and the programs of its page.
#[derive(Clone, Debug, Serialize)]
struct Description {
    /// Steps of training.
    step: Option<u64>,
    /// Height, width and channels of an image.
    size: [usize; 3],
    /// Black and white in the outputs of programs.
    range: [f32; 2],
    /// Half the side of the square that points are shown in, of a model of points.
    reach: Option<f32>,
    /// Names of the classes, of a class-conditional model.
    classes: Option<Vec<String>>,
    /// The clock of all programs, `u32 [4]`.
    clock: Range,
    /// One-hot rows of requested classes, as bytes.
    asked: Option<Range>,
    /// Rows of the requested classes.
    asked_rows: usize,
    /// Unit vectors of latents, the one that changes images most first.
    directions: Vec<Vec<f32>>,
    #[serde(flatten)]
    parts: Parts,
    /// Training, of a page that trains.
    train: Option<Training>,
}

/// A buffer with contents: its number and its bytes.
type Filled = (usize, u64);

/// The plan and the description of a page.
#[derive(Serialize)]
struct Content<'a> {
    plan: &'a Plan,
    page: &'a Description,
    /// Buffers with contents, in the order of the weights.
    contents: Vec<Filled>,
}

/// The page of a model as HTML: the parts that the model has.
///
/// # Errors
/// [`ErrorKind::Checkpoint`](crate::ErrorKind::Checkpoint) if the checkpoint does not note the kind of its sequences;
/// those of the device.
pub fn page(session: &mut Session, run: &str, step: Option<u64>) -> Result<String> {
    written(session, run, step, None)
}

/// The same page, which also trains: from a checkpoint of the run, on its training images or on those of a visitor.
///
/// # Errors
/// Those of [`page`]; [`ErrorKind::Model`](crate::ErrorKind::Model) if the model is trained on other data, or on codes;
/// [`ErrorKind::Checkpoint`](crate::ErrorKind::Checkpoint) if the checkpoint is not one of the run.
pub fn training_page(session: &mut Session, run: &str, step: Option<u64>, checkpoint: &Checkpoint) -> Result<String> {
    training::check(session, session.model.as_ref())?;
    session.restore(&mut checkpoint.clone())?;
    written(session, run, step, Some(checkpoint))
}

fn written(session: &mut Session, run: &str, step: Option<u64>, checkpoint: Option<&Checkpoint>) -> Result<String> {
    let mut spec = of_one_image(session);
    let count = training::count(&session.config, &session.data);
    if checkpoint.is_some() {
        spec.sets[0].train = count;
    }
    let model = session.config.build(&spec);
    let model = model.as_ref();
    let kind_is_known = model.sequencer().is_none() || session.data.sequence.is_some();
    ensure!(kind_is_known, Checkpoint, "the checkpoint does not record the kind of its sequences; train again");
    let passes = Passes::of(session, model);
    let mut planner = Planner::new(model, session.config.optimiser);
    let set = model.buffers().first();
    let asked = set.labels.filter(|_| is_class_conditional(session)).map(|labels| labels.asked);
    [Some(model.buffers().side_clock), asked].into_iter().flatten().for_each(|buf| planner.keep(buf));
    passes.add(&mut planner);
    if let Some(checkpoint) = checkpoint {
        training::add(&mut planner, &session.config, model, count, training::lowered(checkpoint));
    }
    let planned = planner.finish();
    let range = model.range();
    let description = Description {
        step,
        size: set.spec.image,
        range: [range.low, range.high],
        reach: session.data.points.map(|density| density.reach()),
        classes: is_class_conditional(session).then(|| session.data.classes.clone()),
        clock: planned.range(model.buffers().side_clock),
        asked: asked.map(|asked| planned.range(asked)),
        asked_rows: ASKED_ROWS,
        directions: directions(session)?,
        parts: passes.parts(&planned, model),
        train: checkpoint.map(|checkpoint| Training::of(session, model, &planned, count, checkpoint)),
    };
    let states: Vec<usize> = match checkpoint {
        Some(_) => model.states().into_iter().map(|(_, buf)| planned.range(buf).0).collect(),
        None => Vec::new(),
    };
    let (contents, weights) = contents(session, &planned, &states)?;
    let data = if checkpoint.is_some() { training::data(session, count) } else { Vec::new() };
    let content = Content { plan: &planned.plan, page: &description, contents };
    let content = json(&content);
    Ok(document(&Document {
        run,
        family: session.config.model.family().title(),
        content: &content,
        weights: &weights,
        data: &data,
    }))
}

/// The data that a model has on a page: one training image, and one test image, which a visitor gives.
pub(super) fn of_one_image(session: &Session) -> DataSpec {
    let mut spec = spec(&session.config, &session.data);
    for set in &mut spec.sets {
        (set.train, set.test) = (1, 1);
    }
    spec
}

/// The contents of the buffers with tensors of a checkpoint, and of these others: the number and size of each, and all
/// bytes.
fn contents(session: &mut Session, planned: &Planned, others: &[usize]) -> Result<(Vec<Filled>, Vec<u8>)> {
    let mut contents = Vec::new();
    let mut bytes = Vec::new();
    for (id, number) in planned.persistent() {
        if others.contains(&number) || planned.plan.tensors.iter().any(|tensor| tensor.at.0 == number) {
            let whole = session.model.memory().whole(id);
            let values = session.executor.read(whole)?;
            contents.push((number, whole.bytes()));
            bytes.extend_from_slice(&le_bytes(&values));
        }
    }
    Ok((contents, bytes))
}

/// Numbers as a device has them.
fn le_bytes(values: &Array) -> Vec<u8> {
    match values.as_u32() {
        Some(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        None => values.to_f32().iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a plan has no maps with other keys than text")
}
