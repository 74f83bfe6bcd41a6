//! The training loop: epochs of steps, with checkpoints, sample grids and metrics between them.

use crate::config::Train;
use crate::eval::draw::{Images, usual_samples};
use crate::eval::measures::{Evaluation, Reconstruction};
use crate::eval::passes::{CodeUse, TestLoss, Tested, summary};
use crate::io::error::{Error, ErrorKind, Result};
use crate::io::images::write_png;
use crate::report::LiveReport;
use crate::run::epoch_plan::{EpochPlan, StepPosition};
use crate::run::folder::Run;
use crate::run::programs::Programs;
use crate::run::session::Session;
use crate::run::startup::Startup;
use crate::terminal::{Bar, Terminal};
use crate::train::best_metric::BestMetric;
use crate::train::divergence::{Cause, Failure, diverged};
use crate::train::events::{Event, Observer};
use crate::train::generative::GenerativeMetrics;
use crate::train::lines::{epoch_line, epoch_messages, speed, status};
use crate::train::monitors::ActiveMonitors;
use crate::train::preview::{Preview, save_reals};
use crate::train::progress::Progress;
use crate::train::recovery;
use crate::train::team::Team;
use gpu_core::{Backend, Record, SubmitLoop};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Steps between lines of metrics.jsonl, each with mean losses, at most.
const LOG_STEPS: u64 = 50;

/// Lines of an epoch, about, where it has fewer steps than would fill them.
const LOG_LINES: u64 = 10;

/// Steps between blocks of the bar's sparkline.
const SPARK_STEPS: u64 = 10;

/// Everything of a run that its device holds.
pub struct Prepared {
    pub(super) steps: EpochPlan,
    pub(super) programs: Programs,
    test: TestLoss,
    code_use: Option<CodeUse>,
    best_metric: Option<BestMetric>,
    reconstruction: Option<Reconstruction>,
    preview: Preview,
    monitors: ActiveMonitors,
}

impl Prepared {
    /// Prepares every program, with the learning rate halved `lowered` times.
    pub fn new(session: &mut Session, lowered: u32) -> Result<Self> {
        let best_metric = BestMetric::of(&session.config.train.best, session.model.as_ref())?;
        let steps = EpochPlan::new(&session.config, session.data.epoch_images());
        let programs = Programs::prepare(session, &steps, lowered)?;
        let test = TestLoss::prepare(session, session.config.train.seed)?;
        let code_use = CodeUse::prepare(session, |usage| usage.train)?;
        let needs_reconstructions = best_metric.as_ref().is_some_and(BestMetric::of_reconstructions);
        let reconstruction = if needs_reconstructions { Reconstruction::prepare(session)? } else { None };
        let preview = Preview::prepare(session)?;
        let monitors = ActiveMonitors::prepare(session, usual_samples(&session.data))?;
        Ok(Self { steps, programs, test, code_use, best_metric, reconstruction, preview, monitors })
    }
}

/// The end of training.
pub enum Outcome {
    /// All steps are done; the losses on the test set, with the model, the data and the device.
    Done(Evaluation),
    /// Training was interrupted, and everything is saved.
    Interrupted,
}

/// The training loop of a run.
///
/// [`train`](crate::train::train) and [`resume`](crate::train::resume()) build one. It is public for programs that
/// bring their own [`Session`].
pub struct Trainer<'a> {
    pub(super) session: &'a mut Session,
    pub(super) run: Run,
    pub(super) terminal: &'a Terminal,
    pub(super) progress: Progress,
    /// The step of the latest checkpoint, if there is one.
    pub(super) saved: Option<u64>,
    pub(super) prepared: Prepared,
    generative: Option<GenerativeMetrics>,
    submit_loop: SubmitLoop,
    /// The other ranks of a training on several devices.
    pub(super) team: Option<Team>,
    /// Images since `since`, for the speed.
    pub(super) images_since: u64,
    pub(super) since: Instant,
    /// Losses at an interval of [`SPARK_STEPS`], for the bar: the objective, or the first column.
    history: Vec<f64>,
    /// The times before the first step, logged when it is done.
    startup: Option<Startup>,
    observer: Option<Observer>,
    /// The report and the event file; `None` before the first step.
    pub(super) live: Option<LiveReport>,
    /// True once the observer has asked to stop.
    stopped: bool,
}

impl<'a> Trainer<'a> {
    /// Prepares every program of the run. `progress` is where training starts, `backend` the device of the session, on
    /// which generated images are compared if `train.best` needs it. `run` opens the run folder, after
    /// everything else, so that a model that does not fit leaves no folder.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`] for an invalid setting, [`ErrorKind::Device`] if the device fails, and those of `run`.
    pub fn new(
        session: &'a mut Session,
        backend: &Backend,
        terminal: &'a Terminal,
        mut progress: Progress,
        run: impl FnOnce(&Session) -> Result<Run>,
    ) -> Result<Self> {
        let prepared = Prepared::new(session, progress.rollbacks.len() as u32)?;
        if session.config.train.patience > 0 && prepared.best_metric.is_none() {
            let message = "train.patience needs a metric; set train.best to one";
            return Err(Error::new(ErrorKind::Setting, message));
        }
        let best_metric = prepared.best_metric.as_ref();
        let generative = GenerativeMetrics::prepare(session, best_metric, backend, terminal, &mut progress)?;
        let run = run(session)?;
        Ok(Self {
            session,
            run,
            terminal,
            saved: (progress.step > 0).then_some(progress.step),
            progress,
            prepared,
            generative,
            submit_loop: SubmitLoop::default(),
            team: None,
            since: Instant::now(),
            images_since: 0,
            history: Vec::new(),
            startup: None,
            observer: None,
            live: None,
            stopped: false,
        })
    }

    /// Calls `observer` after each step and epoch, and for each warning.
    pub fn observe(&mut self, observer: Option<Observer>) {
        self.observer = observer;
    }

    /// Trains with other ranks.
    pub(super) fn employ(&mut self, team: Option<Team>) {
        self.team = team;
    }

    /// Logs the times before the first step, once it is done.
    pub fn report_startup(&mut self, mut startup: Startup) {
        startup.lap("programs");
        self.startup = Some(startup);
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        &self.run.path
    }

    /// Trains to the end, or until `interrupted` is set.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if the device fails, with the run to resume as a hint; [`ErrorKind::File`] if a file
    /// cannot be written; [`ErrorKind::Training`] if the loss is not finite, or diverges.
    pub fn train(mut self, interrupted: &AtomicBool) -> Result<Outcome> {
        let outcome = self.train_on(interrupted);
        let outcome = match self.team.take() {
            Some(team) => outcome.and_then(|outcome| team.end().map(|()| outcome)),
            None => outcome,
        };
        if let Some(live) = &mut self.live {
            live.finish();
            live.warnings().iter().for_each(|warning| self.terminal.say(warning));
        }
        outcome.map_err(|error| recovery::with_checkpoint(error, &self.run.path, self.saved))
    }

    fn train_on(&mut self, interrupted: &AtomicBool) -> Result<Outcome> {
        if self.progress.step == 0 {
            save_reals(self.session, &self.run)?;
            self.save()?;
            self.run.write_images(&self.session.data.list)?;
            // Last: a folder with a configuration is a run that can be resumed.
            self.run.write_config(&self.session.config.to_toml()?)?;
        }
        if self.progress.step < self.prepared.steps.total {
            self.live = Some(LiveReport::start(&self.run.path));
        }
        self.send_state()?;
        let mut last = None;
        let bar = self.terminal.bar(self.prepared.steps.total, self.progress.step);
        while self.progress.step < self.prepared.steps.total && !self.out_of_patience() {
            if interrupted.load(Ordering::Relaxed) || self.stopped {
                self.save()?;
                return Ok(Outcome::Interrupted);
            }
            let failure = match self.advance(interrupted, &bar)? {
                None => self.between_steps(&bar, &mut last)?,
                failure => failure,
            };
            if let Some(failure) = failure {
                self.roll_back(&failure, &bar)?;
            }
            if let Some(live) = &mut self.live {
                live.refresh();
                live.warnings().iter().for_each(|warning| bar.say(warning));
            }
        }
        drop(bar);
        if let (true, Some((epoch, _))) = (self.out_of_patience(), self.progress.best) {
            let previewed = self.prepared.steps.has_preview(self.progress.step);
            (!previewed).then(|| self.draw()).transpose()?;
            let patience = self.session.config.train.patience;
            self.terminal.say(&format!(
                "stopped early: no improvement for {patience} epochs since epoch {epoch} (to continue, raise \
                 train.patience in {} and resume the run)",
                self.run.config_path().display()
            ));
        }
        let test = match last {
            Some(test) => test,
            None => self.prepared.test.run(self.session)?,
        };
        Ok(Outcome::Done(summary(self.session, &test)))
    }

    /// True once `train.patience` epochs have passed since the best one.
    fn out_of_patience(&self) -> bool {
        let (patience, epochs) =
            (self.session.config.train.patience, self.progress.step / self.prepared.steps.per_epoch);
        patience > 0 && self.progress.best.is_some_and(|(best, _)| epochs >= best + patience)
    }

    /// Runs steps of one size up to the next checkpoint, grid or end of an epoch. Returns the first step whose loss
    /// is not finite, if any.
    fn advance(&mut self, interrupted: &AtomicBool, bar: &Bar) -> Result<Option<Failure>> {
        let step = self.progress.step;
        let steps = self.prepared.steps;
        let position = steps.at(step);
        let StepPosition { size, runs, .. } = position;
        self.put_shard(&position)?;
        if let Some(startup) = &mut self.startup {
            startup.lap("run folder and upload");
            startup.shaders(self.session.executor.counters());
        }
        let Train { save_every, sample_every, .. } = self.session.config.train;
        let dues = [save_every, sample_every].into_iter().filter(|&every| every > 0).map(|every| every - step % every);
        let runs = dues.fold(runs.min(steps.total - step), u64::min);
        let programs = &self.prepared.programs;
        let images = steps.images_of(size);
        let (columns, noun) = (self.session.model.columns(), self.session.data.noun());
        let log_every = (steps.per_epoch / LOG_LINES).clamp(1, LOG_STEPS);
        let mut broken: Option<u64> = None;
        let objective = self.session.model.objective();
        let Self { progress, run, since, images_since, history, startup, observer, stopped, live, .. } = self;
        let mut written = Ok(());
        let mut seen = |record: Record| {
            if let Some(mut startup) = startup.take() {
                startup.lap("first step");
                log::info!("{startup}");
            }
            if broken.is_some() || record.values.iter().any(|value| !value.is_finite()) {
                broken.get_or_insert(record.step);
                return ControlFlow::Break(());
            }
            progress.add(&record, images);
            *images_since += images;
            if record.step.is_multiple_of(SPARK_STEPS) {
                history.push(objective.of(&record.values).unwrap_or(record.values[0]));
            }
            if progress.window_steps >= log_every && written.is_ok() {
                written = run.append_metrics(&progress.window_line(columns)).map(|line| {
                    live.iter_mut().for_each(|live| live.line(&line));
                });
            }
            let rate = *images_since as f64 / since.elapsed().as_secs_f64();
            bar.step(|| status(columns, &progress.means(), history, speed(rate, noun)));
            if let Some(observer) = observer {
                let event = Event::Step { step: record.step, of: steps.total, columns, losses: &record.values };
                *stopped |= observer(&event).is_break();
            }
            let stop = *stopped || written.is_err() || interrupted.load(Ordering::Relaxed);
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ring = self.session.model.buffers().ring;
        match &mut self.team {
            Some(team) => team.drive(self.session, programs.parts(size), step, runs, &mut seen)?,
            None => {
                let (executor, programs) = (self.session.executor.as_mut(), programs.of(size)?);
                self.submit_loop.drive(executor, programs, step + 1, runs, ring, &mut seen)?;
            }
        }
        written?;
        Ok(broken.map(|step| Failure { step, cause: Cause::NonFinite }))
    }

    /// Ends an epoch, draws or saves, if one is due. Returns a failure if the loss has diverged, or if the test loss or
    /// a weight is not finite.
    fn between_steps(&mut self, bar: &Bar, last: &mut Option<Tested>) -> Result<Option<Failure>> {
        let step = self.progress.step;
        let failed = |cause| Ok(Some(Failure { step, cause }));
        let whole = step.is_multiple_of(self.prepared.steps.per_epoch);
        let ended = whole || step == self.prepared.steps.total;
        let due = |every: u64| every > 0 && step.is_multiple_of(every);
        let Train { save_every, sample_every, .. } = self.session.config.train;
        if ended || due(save_every) {
            // Before anything is saved: a rollback needs a checkpoint from before the divergence.
            if let Some(seen) = self.diverged("training set", &self.progress.means()) {
                return failed(Cause::Diverged(seen));
            }
        }
        if ended {
            let test = self.prepared.test.run(self.session)?;
            if !test.means.iter().all(|mean| mean.is_finite()) {
                return failed(Cause::NonFinite);
            }
            if let Some(seen) = self.diverged("test set", &test.means) {
                return failed(Cause::Diverged(seen));
            }
            let finite = self.end_epoch(bar, whole, &test)?;
            *last = Some(test);
            return if finite { Ok(None) } else { failed(Cause::NonFinite) };
        }
        if due(sample_every) {
            self.draw()?;
        }
        if due(save_every) && !self.save()? {
            return failed(Cause::NonFinite);
        }
        Ok(None)
    }

    /// The observation if mean losses are far above those of the first step.
    fn diverged(&self, part: &str, means: &[f64]) -> Option<String> {
        let factor = self.session.config.monitors.divergence;
        diverged(self.session.model.as_ref(), part, &self.progress.first, means, factor)
    }

    /// Writes metrics, draws, runs the monitors and saves. Returns false if a number to save is not finite.
    fn end_epoch(&mut self, bar: &Bar, whole: bool, test: &Tested) -> Result<bool> {
        let rate = self.images_since as f64 / self.since.elapsed().as_secs_f64();
        let step = self.progress.step;
        let epoch = step.div_ceil(self.prepared.steps.per_epoch);
        let train = self.train_losses()?;
        let mut others = Evaluation::new();
        if let Some(reconstruction) = &self.prepared.reconstruction {
            others.extend(reconstruction.run(self.session)?);
        }
        if let Some(generative) = &mut self.generative {
            others.extend(generative.run(self.session, epoch, step == self.prepared.steps.total)?);
        }
        let learning_rate = self.session.executor.read(self.session.model.buffers().rates)?.to_f64()[0];
        let model = self.session.model.as_ref();
        let line = epoch_line(model, [epoch, step], learning_rate, &train, test, &others, rate);
        let messages = epoch_messages(model, [epoch, self.session.config.train.epochs], &train, test, rate);
        let value = self.prepared.best_metric.as_ref().and_then(|metric| metric.value(model, test, &others));
        self.log(&line)?;
        bar.say_fitting(&messages);
        let measured = self.generative.as_ref().and_then(|generative| generative.message(&others));
        measured.iter().for_each(|message| bar.say(message));
        self.emit(&Event::Epoch { epoch, step, metrics: &line });
        let drawn = if self.prepared.steps.has_preview(step) { self.draw()? } else { None };
        if let Some(pairs) = self.prepared.preview.reconstructions(self.session)? {
            write_png(&self.run.reconstructions(), &pairs)?;
        }
        let warned = &mut self.progress.warned;
        let warnings = self.prepared.monitors.check(self.session, step, &train, drawn.as_ref(), warned)?;
        for warning in warnings {
            self.log(&warning.line(epoch, step))?;
            bar.say(&warning.sentence());
            self.emit(&Event::Warning { epoch, step, warning: &warning });
        }
        if whole {
            self.begin_epoch()?;
        }
        let better = value.filter(|&value| self.progress.best.is_none_or(|(_, best)| value < best));
        if let Some(value) = better {
            self.progress.best = Some((epoch, value));
        }
        let Some(checkpoint) = self.snapshot()? else { return Ok(false) };
        // First: once the latest checkpoint is saved, the steps before it are not run again.
        if better.is_some() {
            checkpoint.save(&self.run.best())?;
        }
        self.keep(&checkpoint)?;
        (self.since, self.images_since) = (Instant::now(), 0);
        Ok(true)
    }

    /// Appends a line to the metrics and to the event file.
    pub(super) fn log(&mut self, line: &Value) -> Result<()> {
        let line = self.run.append_metrics(line)?;
        self.live.iter_mut().for_each(|live| live.line(&line));
        Ok(())
    }

    /// Calls the observer.
    fn emit(&mut self, event: &Event<'_>) {
        if let Some(observer) = &mut self.observer {
            self.stopped |= observer(event).is_break();
        }
    }

    /// The losses on the training set, over the epoch so far.
    fn train_losses(&mut self) -> Result<Tested> {
        let code_use = self.prepared.code_use.as_ref().map(|code_use| code_use.run(self.session)).transpose()?;
        Ok(Tested { means: self.progress.means(), code_use })
    }

    /// Draws the preview of an epoch or a step. Returns the samples in it.
    fn draw(&mut self) -> Result<Option<Images>> {
        let (step, by_steps) = (self.progress.step, self.session.config.train.sample_every > 0);
        let number = if by_steps { step } else { step.div_ceil(self.prepared.steps.per_epoch) };
        let (picture, samples) = self.prepared.preview.save(self.session, &self.run, number)?;
        if let Some(path) = picture {
            self.live.iter_mut().for_each(|live| live.samples(step, &path));
        }
        Ok(samples)
    }
}
