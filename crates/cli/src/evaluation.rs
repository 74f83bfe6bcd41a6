//! Passes over the test set, and pictures drawn by the model.

use crate::data::DataSet;
use crate::pictures;
use crate::session::Session;
use anyhow::{Result, ensure};
use gpu_core::{Buf, Pace, Program, Schedule};
use image::DynamicImage;
use models::{EVAL_COLUMNS, Pass};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Test images in a batch. Evaluation's noise is drawn by batch, so this is part of what a number means.
const EVAL_BATCH: usize = 500;
/// Decoded images at once in the importance-weighted bound.
const IMPORTANCE_ROWS: usize = 2_000;
/// Pictures drawn in a batch; the n-th picture of a seed is the same however many are drawn.
const SAMPLE_BATCH: usize = 1_024;
/// The most numbers that one layer of one batch holds: 64 MiB, half of what every device binds at once.
const BATCH_NUMBERS: usize = 1 << 24;
/// Columns of a picture of originals over reconstructions.
const PAIR_COLUMNS: usize = 16;
/// A posterior mean varies with the image if its variance over the test set is above this: Burda et al., 2016, §5.
const ACTIVE_VARIANCE: f64 = 0.01;

/// How many images go through the model at once, however wide its layers: at least one.
pub(crate) fn rows_that_fit(session: &Session) -> usize {
    let networks = session.model.networks();
    let dims = networks.iter().flat_map(|weights| weights.parameters()).flat_map(|p| p.shape.dims().to_vec());
    let widest = dims.map(|dim| dim as usize).chain([session.data.pixels()]).max().unwrap_or(1);
    (BATCH_NUMBERS / widest).max(1)
}

/// A schedule run over the whole test set, the last batch as small as it is, summed from the side ring.
pub(crate) struct Sweep {
    full: Option<(Program, u64)>,
    tail: Option<Program>,
    pace: Pace,
    ring: Buf,
}

impl Sweep {
    /// Prepares `schedule(batch)` for batches of `batch` images.
    pub(crate) fn prepare(
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
        Ok(Self { full, tail, pace: Pace::default(), ring: session.model.pins().side_ring })
    }

    /// Runs it: the columns' sums over all images.
    pub(crate) fn run(&mut self, session: &mut Session) -> Result<Vec<f64>> {
        session.set_side_clock(0)?;
        let mut sums = vec![0.0; EVAL_COLUMNS];
        let mut first = 1;
        let programs = self.full.into_iter().chain(self.tail.map(|tail| (tail, 1)));
        for (program, runs) in programs {
            let mut add = |record: gpu_core::Record| {
                sums.iter_mut().zip(record.values).for_each(|(sum, value)| *sum += value);
                ControlFlow::Continue(())
            };
            self.pace.drive(session.executor.as_mut(), program, first, runs, self.ring, &mut add)?;
            first += runs;
        }
        Ok(sums)
    }
}

/// The losses of the model's columns on the test set, prepared once and run after every epoch.
pub(crate) struct TestLoss {
    sweep: Sweep,
}

impl TestLoss {
    /// Prepares it; the noise of evaluation is drawn under `seed`.
    pub(crate) fn prepare(session: &mut Session, seed: u64) -> Result<Self> {
        let batch = EVAL_BATCH.min(session.data.test.count).min(rows_that_fit(session));
        let sweep = Sweep::prepare(session, batch, |session, batch| session.model.evaluate(batch, seed))?;
        Ok(Self { sweep })
    }

    /// Means per image, in the order of the model's columns.
    pub(crate) fn run(&mut self, session: &mut Session) -> Result<Vec<f64>> {
        let images = session.data.test.count as f64;
        let sums = self.sweep.run(session)?;
        let columns = session.model.columns().len();
        Ok(sums.into_iter().take(columns).map(|sum| sum / images).collect())
    }
}

/// Test losses per image, by name, with what they were measured on. `neg_elbo` is the sum of
/// the columns of a model with a KL term.
pub(crate) fn summary(session: &Session, test: &[f64]) -> Map<String, Value> {
    let columns = session.model.columns();
    let column = |name: &str| columns.iter().position(|column| *column == name).map(|i| test[i]);
    let has_kl = column("kl").is_some();
    let pairs = [
        ("family", json!(session.config.name())),
        ("neg_elbo", json!(has_kl.then(|| test.iter().sum::<f64>()))),
        ("recon", json!(column("recon"))),
        ("kl", json!(column("kl"))),
        ("images", json!(session.data.test.count)),
        ("data", json!(session.data.name)),
        ("device", json!(session.device)),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
}

/// −log p(x) by the importance-weighted bound with `samples` draws, in nats per image; `None` where the model
/// has no posterior to draw from.
pub(crate) fn importance_nll(session: &mut Session, samples: usize, seed: u64) -> Result<Option<f64>> {
    let most = rows_that_fit(session);
    ensure!(samples <= most, "--iw {samples} is more draws than fit at once with this model; ask for {most} at most");
    let batch = (IMPORTANCE_ROWS.min(most) / samples).clamp(1, session.data.test.count);
    if session.model.importance(1, 1, seed).is_none() {
        return Ok(None);
    }
    let schedule = |session: &Session, batch| session.model.importance(batch, samples, seed).unwrap_or_default();
    let mut sweep = Sweep::prepare(session, batch, schedule)?;
    let sums = sweep.run(session)?;
    Ok(Some((samples as f64).ln() - sums[0] / session.data.test.count as f64))
}

/// How many latent numbers carry something; `None` where the model has no posterior.
pub(crate) fn active_units(session: &mut Session) -> Result<Option<usize>> {
    if session.model.posterior(1).is_none() {
        return Ok(None);
    }
    let count = session.data.test.count;
    let pass = |session: &Session, batch| session.model.posterior(batch).expect("asked above");
    let heads = TestPass::prepare(session, count, pass)?.run(session)?.remove(0);
    let width = heads.len() / count;
    let varies = |unit: usize| {
        let means = heads.iter().skip(unit).step_by(width).map(|&mean| f64::from(mean));
        let (sum, squares) = means.fold((0.0, 0.0), |(sum, squares), mean| (sum + mean, squares + mean * mean));
        squares / count as f64 - (sum / count as f64).powi(2) > ACTIVE_VARIANCE
    };
    Ok(Some((0..width / 2).filter(|&unit| varies(unit)).count()))
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
struct TestPass {
    batches: Vec<Prepared>,
}

impl TestPass {
    /// Prepares `pass(batch)` for `count` images.
    fn prepare(session: &mut Session, count: usize, pass: impl Fn(&Session, usize) -> Pass) -> Result<Self> {
        Ok(Self { batches: prepare_batches(session, count, EVAL_BATCH, pass)? })
    }

    /// Runs it: each output of all batches, one after another.
    fn run(&self, session: &mut Session) -> Result<Vec<Vec<f32>>> {
        session.set_side_clock(0)?;
        let mut collected: Vec<Vec<f32>> = Vec::new();
        for (program, outputs) in &self.batches {
            let ticket = session.executor.submit(*program, 1, outputs)?;
            let arrays = session.executor.wait(ticket)?;
            collected.resize(arrays.len(), Vec::new());
            collected.iter_mut().zip(arrays).for_each(|(all, array)| all.extend(array.to_f32()));
        }
        Ok(collected)
    }
}

/// The first test images over their reconstructions.
pub(crate) struct Reconstructions {
    pass: TestPass,
    count: usize,
}

impl Reconstructions {
    /// Prepares those of `count` images.
    pub(crate) fn prepare(session: &mut Session, count: usize) -> Result<Self> {
        let pass = TestPass::prepare(session, count, |session, batch| session.model.reconstruct(batch))?;
        Ok(Self { pass, count })
    }

    /// Draws them: one picture.
    pub(crate) fn run(&self, session: &mut Session) -> Result<DynamicImage> {
        let outputs = self.pass.run(session)?;
        let DataSet { height, width, channels, .. } = session.data;
        let columns = self.count.min(PAIR_COLUMNS);
        Ok(pictures::pairs(&outputs[0], &outputs[1], self.count, height, width, channels, columns))
    }
}

/// Draws pictures from the prior under a seed, always the same way.
pub(crate) struct Drawing {
    batches: Vec<Prepared>,
    count: usize,
}

impl Drawing {
    /// Prepares `count` pictures; `None` where the model has no prior.
    pub(crate) fn prepare(session: &mut Session, count: usize, seed: u64) -> Result<Option<Self>> {
        if session.model.sample(1, seed).is_none() {
            return Ok(None);
        }
        let pass = |session: &Session, batch| session.model.sample(batch, seed).expect("asked above");
        Ok(Some(Self { batches: prepare_batches(session, count, SAMPLE_BATCH, pass)?, count }))
    }

    /// Draws them: one grid.
    pub(crate) fn run(&self, session: &mut Session) -> Result<DynamicImage> {
        let mut images = Vec::new();
        for (batch, (program, outputs)) in self.batches.iter().enumerate() {
            session.set_side_clock(batch as u32 + 1)?;
            let ticket = session.executor.submit(*program, 1, outputs)?;
            images.extend(session.executor.wait(ticket)?.remove(0).to_f32());
        }
        let DataSet { height, width, channels, .. } = session.data;
        Ok(pictures::grid(&images, self.count, height, width, channels, columns(self.count, 64)))
    }
}

/// The first `count` training images as one grid.
pub(crate) fn reals(data: &DataSet, count: usize) -> DynamicImage {
    let count = count.min(data.train.count);
    let bytes = &data.train.images[..count * data.pixels()];
    let images: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    pictures::grid(&images, count, data.height, data.width, data.channels, columns(count, 64))
}

/// The columns of a grid that is about square, and not wider than `most`.
fn columns(count: usize, most: usize) -> usize {
    ((count as f64).sqrt().ceil() as usize).clamp(1, most)
}
