//! Passes over the test set: losses, code use, active units and the importance-weighted bound.

use crate::io::error::{Result, ensure};
use crate::run::session::Session;
use gpu_core::{Array, Buf, Program, Schedule, SubmitLoop};
use models::capabilities::Usage;
use models::{Model, Objective, Pass, perplexity};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// Test images in a batch. Noise is drawn by batch, so another size would change the metrics.
const EVAL_BATCH: usize = 500;
/// Decoded images in a batch of the importance-weighted bound.
const IMPORTANCE_ROWS: usize = 2_000;
/// Elements of the largest buffer of a batch, at most: 64 MiB, half of the smallest limit on a binding.
const BATCH_NUMBERS: usize = 1 << 24;
/// Variance of a posterior mean over the test set above which a latent dimension is active: Burda et al., 2016, §5.
const ACTIVE_VARIANCE: f64 = 0.01;

/// Images that a batch of evaluation or sampling holds at most: at least one.
pub fn rows_that_fit(session: &Session) -> usize {
    let passes = |batch| {
        let sample = session.model.sampler().map(|sampler| sampler.sample(batch, 0).schedule);
        [session.model.evaluate(batch, 0)].into_iter().chain(sample)
    };
    // Elements per image of each buffer; buffers of a fixed size, such as a normalised weight, add none.
    let grows = |(one, two): (Schedule, Schedule)| {
        let pairs = one.scratch_bufs().iter().zip(two.scratch_bufs());
        pairs.map(|(one, two)| two.len().saturating_sub(one.len())).max().unwrap_or(1)
    };
    let two = 2.min(session.data.tests());
    let widest = passes(1).zip(passes(two)).map(grows).max().unwrap_or(1);
    (BATCH_NUMBERS / widest.max(1)).max(1)
}

/// A schedule that runs over the whole test set and sums the columns of the side ring. The last batch may be smaller.
pub struct Sweep {
    full: Option<(Program, u64)>,
    tail: Option<Program>,
    submit_loop: SubmitLoop,
    ring: Buf,
}

impl Sweep {
    /// Prepares `schedule(batch)` for batches of `batch` images.
    pub fn prepare(
        session: &mut Session,
        batch: usize,
        schedule: impl Fn(&Session, usize) -> Schedule,
    ) -> Result<Self> {
        let count = session.data.tests();
        let (batches, rest) = (count / batch, count % batch);
        let mut prepare = |size: usize| {
            let schedule = schedule(session, size);
            session.executor.prepare(&schedule)
        };
        let full = if batches > 0 { Some((prepare(batch)?, batches as u64)) } else { None };
        let tail = if rest > 0 { Some(prepare(rest)?) } else { None };
        Ok(Self { full, tail, submit_loop: SubmitLoop::default(), ring: session.model.buffers().side_ring })
    }

    /// Runs the sweep: the sum of each column over all images.
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
            self.submit_loop.drive(session.executor.as_mut(), &[program], first, runs, self.ring, &mut add)?;
            first += runs;
        }
        Ok(sums)
    }
}

/// Use of codes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Codes {
    /// Exponential of the entropy of the code frequencies.
    pub perplexity: f64,
    /// Codes that occur.
    pub used: usize,
    /// Codes that the quantiser has.
    pub codes: usize,
}

/// A count of code use on the device.
pub struct CodeUse {
    program: Program,
    outputs: Vec<Buf>,
    codes: usize,
}

impl CodeUse {
    /// Prepares the count for one of the model's histograms; `None` if the model has no quantiser.
    pub fn prepare(session: &mut Session, which: fn(Usage) -> Buf) -> Result<Option<Self>> {
        let Some(quantiser) = session.model.quantiser() else { return Ok(None) };
        let histogram = which(quantiser.usage());
        let Pass { schedule, outputs } = perplexity(histogram);
        Ok(Some(Self { program: session.executor.prepare(&schedule)?, outputs, codes: histogram.len() }))
    }

    /// Reads the histogram.
    pub fn run(&self, session: &mut Session) -> Result<Codes> {
        let ticket = session.executor.submit(&[self.program], 1, &self.outputs)?;
        let seen: Vec<f64> = session.executor.wait(ticket)?.iter().map(|array| array.to_f64()[0]).collect();
        Ok(Codes { perplexity: seen[0], used: seen[1] as usize, codes: self.codes })
    }
}

/// Losses on a set of images.
#[derive(Clone, PartialEq, Debug)]
pub struct Tested {
    /// Means over the images, in the order of the model's columns.
    pub means: Vec<f64>,
    /// Code use, if the model has a quantiser.
    pub code_use: Option<Codes>,
}

/// The losses on the test set, prepared once and run after every epoch.
pub struct TestLoss {
    sweep: Sweep,
    code_use: Option<CodeUse>,
}

impl TestLoss {
    /// Prepares the pass; `seed` is that of its noise.
    pub fn prepare(session: &mut Session, seed: u64) -> Result<Self> {
        let batch = EVAL_BATCH.min(session.data.tests()).min(rows_that_fit(session));
        let sweep = Sweep::prepare(session, batch, |session, batch| session.model.evaluate(batch, seed))?;
        let code_use = CodeUse::prepare(session, |usage| usage.test)?;
        Ok(Self { sweep, code_use })
    }

    /// Runs the pass.
    pub fn run(&mut self, session: &mut Session) -> Result<Tested> {
        if let Some(usage) = session.model.quantiser().map(|quantiser| quantiser.usage()) {
            session.executor.write(usage.test, &Array::F32(vec![0.0; usage.test.len()]))?;
        }
        let images = session.data.tests() as f64;
        let means = self.sweep.run(session)?.into_iter().map(|sum| sum / images).collect();
        let code_use = self.code_use.as_ref().map(|code_use| code_use.run(session)).transpose()?;
        Ok(Tested { means, code_use })
    }
}

/// Metrics by key: the columns, their sum if it has a name, and the use of codes.
pub fn metrics_of(model: &dyn Model, tested: &Tested) -> Vec<(&'static str, f64)> {
    let mut metrics: Vec<(&str, f64)> = model.columns().iter().copied().zip(tested.means.iter().copied()).collect();
    if let Objective::Sum(name) = model.objective() {
        metrics.push((name, tested.means.iter().sum()));
    }
    if let Some(code_use) = tested.code_use {
        metrics.extend([("perplexity", code_use.perplexity), ("used_codes", code_use.used as f64)]);
    }
    metrics
}

/// The losses on the test set by key, with the model, the data and the device.
pub fn summary(session: &Session, test: &Tested) -> Map<String, Value> {
    let mut summary = Map::from_iter([("family".to_string(), json!(session.config.name()))]);
    summary
        .extend(metrics_of(session.model.as_ref(), test).into_iter().map(|(name, value)| (name.into(), json!(value))));
    if let Some(code_use) = test.code_use {
        summary.insert("used_codes".into(), json!(code_use.used));
        summary.insert("codes".into(), json!(code_use.codes));
    }
    summary.insert("images".into(), json!(session.data.tests()));
    summary.insert("data".into(), json!(session.data.name));
    summary.insert("device".into(), json!(session.device));
    summary
}

/// The importance-weighted bound on −log p(x) with `samples` samples, in nats per image; `None` if the model has no
/// posterior.
///
/// Source: Burda et al., 2016, "Importance weighted autoencoders", eq. 8.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if that many samples do not fit at once.
pub fn importance_nll(session: &mut Session, samples: usize, seed: u64) -> Result<Option<f64>> {
    let most = rows_that_fit(session);
    ensure!(samples <= most, Setting, "{samples} importance samples do not fit in memory; use at most {most}");
    let batch = (IMPORTANCE_ROWS.min(most) / samples).clamp(1, session.data.tests());
    if session.model.posterior().is_none() {
        return Ok(None);
    }
    let schedule =
        |session: &Session, batch| session.model.posterior().expect("checked above").importance(batch, samples, seed);
    let mut sweep = Sweep::prepare(session, batch, schedule)?;
    let sums = sweep.run(session)?;
    Ok(Some((samples as f64).ln() - sums[0] / session.data.tests() as f64))
}

/// A count of active latent dimensions: those whose posterior mean varies over the test set.
pub struct ActiveUnits {
    pass: TestPass,
    count: usize,
}

impl ActiveUnits {
    /// Prepares the count; `None` if the model has no posterior.
    pub fn prepare(session: &mut Session) -> Result<Option<Self>> {
        if session.model.posterior().is_none() {
            return Ok(None);
        }
        let count = session.data.tests();
        let pass = |session: &Session, batch| session.model.posterior().expect("checked above").posterior(batch);
        Ok(Some(Self { pass: TestPass::of_all(session, pass)?, count }))
    }

    /// Runs the count: active dimensions, and all.
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

/// A program and its outputs.
pub(crate) type Prepared = (Program, Vec<Buf>);

/// Prepares `pass(batch)` for `count` images in batches of at most `batch`. Equal batches share one program.
pub(crate) fn prepare_batches(
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

/// A pass over some test images, batch by batch.
pub struct TestPass {
    batches: Vec<Prepared>,
    rows: Vec<usize>,
}

impl TestPass {
    /// Prepares `pass(batch)` for the test images in these rows.
    pub fn prepare(session: &mut Session, rows: Vec<usize>, pass: impl Fn(&Session, usize) -> Pass) -> Result<Self> {
        Ok(Self { batches: prepare_batches(session, rows.len(), EVAL_BATCH, pass)?, rows })
    }

    /// Prepares `pass(batch)` for all test images.
    pub fn of_all(session: &mut Session, pass: impl Fn(&Session, usize) -> Pass) -> Result<Self> {
        let rows = (0..session.data.tests()).collect();
        Self::prepare(session, rows, pass)
    }

    /// Runs the pass: the words of its first output.
    pub fn run_words(&self, session: &mut Session) -> Result<Vec<u32>> {
        let mut words = Vec::new();
        self.each_batch(session, 1, |arrays| words.extend(arrays[0].as_u32().unwrap_or_default()))?;
        Ok(words)
    }

    /// Runs the pass: each output, concatenated over the batches.
    pub fn run(&self, session: &mut Session) -> Result<Vec<Vec<f32>>> {
        let mut collected: Vec<Vec<f32>> = Vec::new();
        self.each_batch(session, usize::MAX, |arrays| {
            collected.resize(arrays.len(), Vec::new());
            collected.iter_mut().zip(arrays).for_each(|(all, array)| all.extend(array.to_f32()));
        })?;
        Ok(collected)
    }

    /// Calls `take` with the outputs of each batch, at most `most` of them.
    fn each_batch(&self, session: &mut Session, most: usize, mut take: impl FnMut(Vec<Array>)) -> Result<()> {
        session.with_test_rows(&self.rows, |session| {
            session.set_side_clock(0)?;
            for (program, outputs) in &self.batches {
                let ticket = session.executor.submit(&[*program], 1, &outputs[..most.min(outputs.len())])?;
                take(session.executor.wait(ticket)?);
            }
            Ok(())
        })
    }
}
