//! Passes over the test set, and pictures drawn by the model.

use crate::data::DataSet;
use crate::io::images;
use crate::run::session::Session;
use anyhow::{Result, ensure};
use gpu_core::{Arena, Array, Buf, BufferId, Program, Schedule, SubmitLoop};
use image::DynamicImage;
use models::capabilities::Usage;
use models::{Model, Objective, Pass, perplexity};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Test images in a batch. Evaluation's noise is drawn by batch, so this is part of what a number means.
const EVAL_BATCH: usize = 500;
/// Decoded images at once in the importance-weighted bound.
const IMPORTANCE_ROWS: usize = 2_000;
/// Pictures drawn in a batch; the n-th picture of a seed is the same however many are drawn.
const SAMPLE_BATCH: usize = models::ASKED_ROWS;
/// The most numbers that one layer of one batch holds: 64 MiB, half of what every device binds at once.
const BATCH_NUMBERS: usize = 1 << 24;
/// The most columns of a grid.
const WIDEST: usize = 64;
/// Columns of a picture of originals over reconstructions.
const PAIR_COLUMNS: usize = 16;
/// A posterior mean varies with the image if its variance over the test set is above this: Burda et al., 2016, §5.
const ACTIVE_VARIANCE: f64 = 0.01;

/// How many images go through the model at once, however wide its layers: at least one.
pub fn rows_that_fit(session: &Session) -> usize {
    let passes = |batch| {
        let sample = session.model.sampler().map(|sampler| sampler.sample(batch, 0).schedule);
        [session.model.evaluate(batch, 0)].into_iter().chain(sample)
    };
    // What an image adds to each buffer; some, such as a normalised weight, are of one size whatever the batch.
    let grows = |(one, two): (Schedule, Schedule)| {
        let pairs = one.scratch_bufs().iter().zip(two.scratch_bufs());
        pairs.map(|(one, two)| two.len().saturating_sub(one.len())).max().unwrap_or(1)
    };
    let two = 2.min(session.data.test.count);
    let widest = passes(1).zip(passes(two)).map(grows).max().unwrap_or(1);
    (BATCH_NUMBERS / widest.max(1)).max(1)
}

/// A schedule run over the whole test set, the last batch as small as it is, summed from the side ring.
pub struct Sweep {
    full: Option<(Program, u64)>,
    tail: Option<Program>,
    pace: SubmitLoop,
    ring: Buf,
}

impl Sweep {
    /// Prepares `schedule(batch)` for batches of `batch` images.
    pub fn prepare(
        session: &mut Session,
        batch: usize,
        schedule: impl Fn(&Session, usize) -> Schedule,
    ) -> Result<Self> {
        let count = session.data.test.count;
        let (batches, rest) = (count / batch, count % batch);
        let mut prepare = |size: usize| {
            let schedule = schedule(session, size);
            session.executor.prepare(&schedule)
        };
        let full = if batches > 0 { Some((prepare(batch)?, batches as u64)) } else { None };
        let tail = if rest > 0 { Some(prepare(rest)?) } else { None };
        Ok(Self { full, tail, pace: SubmitLoop::default(), ring: session.model.buffers().side_ring })
    }

    /// Runs it: the columns' sums over all images.
    pub fn run(&mut self, session: &mut Session) -> Result<Vec<f64>> {
        session.set_side_clock(0)?;
        let mut sums = vec![0.0; self.ring.shape.cols()];
        let mut first = 1;
        let programs = self.full.into_iter().chain(self.tail.map(|tail| (tail, 1)));
        for (program, runs) in programs {
            let mut add = |record: gpu_core::Record| {
                sums.iter_mut().zip(record.values).for_each(|(sum, value)| *sum += value);
                ControlFlow::Continue(())
            };
            self.pace.drive(session.executor.as_mut(), &[program], first, runs, self.ring, &mut add)?;
            first += runs;
        }
        Ok(sums)
    }
}

/// How many codes were used, and how evenly.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Codes {
    /// exp of the entropy of their shares.
    pub perplexity: f64,
    /// How many were used.
    pub used: usize,
    /// How many there are.
    pub codes: usize,
}

/// The use of a model's codes, counted on the device.
pub struct CodeUse {
    program: Program,
    outputs: Vec<Buf>,
    codes: usize,
}

impl CodeUse {
    /// Prepares it for one of the model's histograms; `None` where it has none.
    pub fn prepare(session: &mut Session, which: fn(Usage) -> Buf) -> Result<Option<Self>> {
        let Some(quantiser) = session.model.quantiser() else { return Ok(None) };
        let histogram = which(quantiser.usage());
        let Pass { schedule, outputs } = perplexity(histogram);
        Ok(Some(Self { program: session.executor.prepare(&schedule)?, outputs, codes: histogram.len() }))
    }

    /// What the histogram has come to.
    pub fn run(&self, session: &mut Session) -> Result<Codes> {
        let ticket = session.executor.submit(&[self.program], 1, &self.outputs)?;
        let seen: Vec<f64> = session.executor.wait(ticket)?.iter().map(|array| array.to_f64()[0]).collect();
        Ok(Codes { perplexity: seen[0], used: seen[1] as usize, codes: self.codes })
    }
}

/// What a set of images came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Tested {
    /// Means per image, in the order of the model's columns.
    pub means: Vec<f64>,
    /// What codes were used, where the model has some.
    pub code_use: Option<Codes>,
}

/// The losses of the model's columns on the test set, prepared once and run after every epoch.
pub struct TestLoss {
    sweep: Sweep,
    code_use: Option<CodeUse>,
}

impl TestLoss {
    /// Prepares it; the noise of evaluation is drawn under `seed`.
    pub fn prepare(session: &mut Session, seed: u64) -> Result<Self> {
        let batch = EVAL_BATCH.min(session.data.test.count).min(rows_that_fit(session));
        let sweep = Sweep::prepare(session, batch, |session, batch| session.model.evaluate(batch, seed))?;
        let code_use = CodeUse::prepare(session, |usage| usage.test)?;
        Ok(Self { sweep, code_use })
    }

    /// Runs it.
    pub fn run(&mut self, session: &mut Session) -> Result<Tested> {
        if let Some(usage) = session.model.quantiser().map(|quantiser| quantiser.usage()) {
            session.executor.write(usage.test, &Array::F32(vec![0.0; usage.test.len()]))?;
        }
        let images = session.data.test.count as f64;
        let means = self.sweep.run(session)?.into_iter().map(|sum| sum / images).collect();
        let code_use = self.code_use.as_ref().map(|code_use| code_use.run(session)).transpose()?;
        Ok(Tested { means, code_use })
    }
}

/// What was measured, by name: the columns, their sum where it has a name, and what codes were used.
pub fn figures(model: &dyn Model, tested: &Tested) -> Vec<(&'static str, f64)> {
    let mut figures: Vec<(&str, f64)> = model.columns().iter().copied().zip(tested.means.iter().copied()).collect();
    if let Objective::Sum(name) = model.objective() {
        figures.push((name, tested.means.iter().sum()));
    }
    if let Some(code_use) = tested.code_use {
        figures.extend([("perplexity", code_use.perplexity), ("used_codes", code_use.used as f64)]);
    }
    figures
}

/// Test losses per image, by name, with what they were measured on.
pub fn summary(session: &Session, test: &Tested) -> Map<String, Value> {
    let mut summary = Map::from_iter([("family".to_string(), json!(session.config.name()))]);
    summary.extend(figures(session.model.as_ref(), test).into_iter().map(|(name, value)| (name.into(), json!(value))));
    if let Some(code_use) = test.code_use {
        summary.insert("used_codes".into(), json!(code_use.used));
        summary.insert("codes".into(), json!(code_use.codes));
    }
    summary.insert("images".into(), json!(session.data.test.count));
    summary.insert("data".into(), json!(session.data.name));
    summary.insert("device".into(), json!(session.device));
    summary
}

/// −log p(x) by the importance-weighted bound with `samples` draws, in nats per image; `None` where the model
/// has no posterior to draw from.
pub fn importance_nll(session: &mut Session, samples: usize, seed: u64) -> Result<Option<f64>> {
    let most = rows_that_fit(session);
    ensure!(samples <= most, "--iw {samples} is more draws than fit at once with this model; ask for {most} at most");
    let batch = (IMPORTANCE_ROWS.min(most) / samples).clamp(1, session.data.test.count);
    if session.model.posterior().is_none() {
        return Ok(None);
    }
    let schedule =
        |session: &Session, batch| session.model.posterior().expect("asked above").importance(batch, samples, seed);
    let mut sweep = Sweep::prepare(session, batch, schedule)?;
    let sums = sweep.run(session)?;
    Ok(Some((samples as f64).ln() - sums[0] / session.data.test.count as f64))
}

/// How many latent numbers carry something.
pub struct ActiveUnits {
    pass: TestPass,
    count: usize,
}

impl ActiveUnits {
    /// Prepares it over the test set; `None` where the model has no posterior.
    pub fn prepare(session: &mut Session) -> Result<Option<Self>> {
        if session.model.posterior().is_none() {
            return Ok(None);
        }
        let count = session.data.test.count;
        let pass = |session: &Session, batch| session.model.posterior().expect("asked above").posterior(batch);
        Ok(Some(Self { pass: TestPass::prepare(session, count, pass)?, count }))
    }

    /// How many there are of how many.
    pub fn run(&self, session: &mut Session) -> Result<(usize, usize)> {
        let heads = self.pass.run(session)?.remove(0);
        let (count, width) = (self.count as f64, heads.len() / self.count);
        let varies = |unit: usize| {
            let means = heads.iter().skip(unit).step_by(width).map(|&mean| f64::from(mean));
            let (sum, squares) = means.fold((0.0, 0.0), |(sum, squares), mean| (sum + mean, squares + mean * mean));
            squares / count - (sum / count).powi(2) > ACTIVE_VARIANCE
        };
        let all = width / 2;
        Ok(((0..all).filter(|&unit| varies(unit)).count(), all))
    }
}

/// A program and what to read after it.
type Prepared = (Program, Vec<Buf>);

/// `pass(batch)` for `count` images in batches of at most `batch`; equal batches share one program.
fn prepare_batches(
    session: &mut Session,
    count: usize,
    batch: usize,
    pass: impl Fn(&Session, usize) -> Pass,
) -> Result<Vec<Prepared>> {
    let batch = batch.min(rows_that_fit(session));
    let mut prepare = |batch: usize| -> Result<Prepared> {
        let pass = pass(session, batch);
        Ok((session.executor.prepare(&pass.schedule)?, pass.outputs))
    };
    let (full, rest) = (count / batch, count % batch);
    let mut batches = if full > 0 { vec![prepare(batch)?; full] } else { Vec::new() };
    if rest > 0 {
        batches.push(prepare(rest)?);
    }
    Ok(batches)
}

/// A pass over the first so many test images, batch after batch.
pub struct TestPass {
    batches: Vec<Prepared>,
}

impl TestPass {
    /// Prepares `pass(batch)` for `count` images.
    pub fn prepare(session: &mut Session, count: usize, pass: impl Fn(&Session, usize) -> Pass) -> Result<Self> {
        Ok(Self { batches: prepare_batches(session, count, EVAL_BATCH, pass)? })
    }

    /// Runs it: the words of the first output of all batches.
    pub fn run_words(&self, session: &mut Session) -> Result<Vec<u32>> {
        session.set_side_clock(0)?;
        let mut words = Vec::new();
        for (program, outputs) in &self.batches {
            let ticket = session.executor.submit(&[*program], 1, &outputs[..1])?;
            words.extend(session.executor.wait(ticket)?[0].as_u32().unwrap_or_default());
        }
        Ok(words)
    }

    /// Runs it: each output of all batches, one after another.
    pub fn run(&self, session: &mut Session) -> Result<Vec<Vec<f32>>> {
        session.set_side_clock(0)?;
        let mut collected: Vec<Vec<f32>> = Vec::new();
        for (program, outputs) in &self.batches {
            let ticket = session.executor.submit(&[*program], 1, outputs)?;
            let arrays = session.executor.wait(ticket)?;
            collected.resize(arrays.len(), Vec::new());
            collected.iter_mut().zip(arrays).for_each(|(all, array)| all.extend(array.to_f32()));
        }
        Ok(collected)
    }
}

/// The first test images over their reconstructions.
pub struct Reconstructions {
    pass: TestPass,
    count: usize,
}

impl Reconstructions {
    /// Prepares those of `count` images; `None` where the model makes none.
    pub fn prepare(session: &mut Session, count: usize) -> Result<Option<Self>> {
        if session.model.reconstructor().is_none() {
            return Ok(None);
        }
        let pass = |session: &Session, batch| session.model.reconstructor().expect("asked above").reconstruct(batch);
        Ok(Some(Self { pass: TestPass::prepare(session, count, pass)?, count }))
    }

    /// Draws them: one picture.
    pub fn run(&self, session: &mut Session) -> Result<DynamicImage> {
        let outputs: Vec<Vec<f32>> =
            self.pass.run(session)?.into_iter().map(|images| as_pictures(session, images)).collect();
        let DataSet { height, width, channels, .. } = *session.data;
        let columns = self.count.min(PAIR_COLUMNS);
        Ok(images::pairs(&outputs[0], &outputs[1], self.count, height, width, channels, columns))
    }
}

/// A schedule of the model's as it draws: by the running average of the weights where the configuration says so.
pub fn as_drawn(session: &Session, schedule: Schedule) -> Schedule {
    let average = session.config.draws_by_average();
    let networks = session.model.networks().into_iter().filter(|_| average);
    networks
        .map(|network| network.weights.arena(Arena::Values))
        .fold(schedule, |schedule, values| schedule.moved(values, BufferId { arena: Arena::Average, ..values }))
}

/// Draws pictures from the prior under a seed, always the same way.
pub struct Drawing {
    batches: Vec<Prepared>,
    count: usize,
    /// The class asked for, of a model that is told it; else each in turn.
    class: Option<usize>,
}

impl Drawing {
    /// Prepares `count` pictures, by the running average of the weights where the configuration says so; `None` where
    /// the model has no prior.
    pub fn prepare(session: &mut Session, count: usize, seed: u64) -> Result<Option<Self>> {
        if session.model.sampler().is_none() {
            return Ok(None);
        }
        let pass = |session: &Session, batch| {
            let pass = session.model.sampler().expect("asked above").sample(batch, seed);
            Pass { schedule: as_drawn(session, pass.schedule), ..pass }
        };
        Ok(Some(Self { batches: prepare_batches(session, count, SAMPLE_BATCH, pass)?, count, class: None }))
    }

    /// The same, all of one class.
    pub fn of_class(self, class: usize) -> Self {
        Self { class: Some(class), ..self }
    }

    /// Draws them: numbers in [0, 1], picture after picture.
    pub fn pictures(&self, session: &mut Session) -> Result<Vec<f32>> {
        let mut images = Vec::new();
        let mut drawn = 0;
        for (batch, (program, outputs)) in self.batches.iter().enumerate() {
            session.set_side_clock(batch as u32 + 1)?;
            session.ask(drawn, self.class)?;
            drawn += outputs[0].shape.rows();
            let ticket = session.executor.submit(&[*program], 1, outputs)?;
            images.extend(session.executor.wait(ticket)?.remove(0).to_f32());
        }
        Ok(as_pictures(session, images))
    }

    /// What was drawn, as one grid.
    pub fn grid(&self, session: &Session, images: &[f32]) -> DynamicImage {
        let DataSet { height, width, channels, .. } = *session.data;
        // Where classes are asked for in turn, each has a column.
        let labels = session.model.buffers().first().labels;
        let each = labels.filter(|_| self.class.is_none()).map(|_| session.data.classes.len());
        let columns = each.filter(|&each| each <= WIDEST).unwrap_or(columns(self.count, WIDEST));
        images::grid(images, self.count, height, width, channels, columns)
    }
}

/// A model's images, black being 0 and white 1.
pub fn as_pictures(session: &Session, images: Vec<f32>) -> Vec<f32> {
    let range = session.model.range();
    images.into_iter().map(|x| range.to_unit(x)).collect()
}

/// The first `count` training images as one grid.
pub fn reals(data: &DataSet, count: usize) -> DynamicImage {
    let count = count.min(data.train.count);
    let bytes = &data.train.images[..count * data.pixels()];
    let images: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    images::grid(&images, count, data.height, data.width, data.channels, columns(count, WIDEST))
}

/// The columns of a grid that is about square, and not wider than `most`.
fn columns(count: usize, most: usize) -> usize {
    ((count as f64).sqrt().ceil() as usize).clamp(1, most)
}
