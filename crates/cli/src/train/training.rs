//! The training loop: epochs of steps, and what is saved and said between them.

use crate::config::Train;
use crate::eval::passes::{CodeUse, TestLoss, Tested, reals, summary};
use crate::io::format::sparkline;
use crate::io::images::write_png;
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::{EpochPlan, StepPosition};
use crate::run::folder::Run;
use crate::run::programs::Programs;
use crate::run::session::Session;
use crate::run::startup::Startup;
use crate::terminal::{Bar, Terminal};
use crate::train::best_metric::BestMetric;
use crate::train::lines::{columns_line, epoch_line, epoch_message};
use crate::train::monitors::Watch;
use crate::train::nan_search::{broken_parameter, first_broken};
use crate::train::preview::{GRID, Grid};
use crate::train::progress::Progress;
use crate::train::recovery;
use anyhow::{Result, bail, ensure};
use gpu_core::{Array, Record, SubmitLoop};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Steps whose mean loss makes a line of metrics.jsonl.
const LOG_STEPS: u64 = 50;

/// Steps between two of the bar's blocks.
const SPARK_STEPS: u64 = 10;

/// Everything that a run has on its device.
pub struct Prepared {
    steps: EpochPlan,
    programs: Programs,
    test: TestLoss,
    code_use: Option<CodeUse>,
    grid: Grid,
    watch: Watch,
}

impl Prepared {
    /// Prepares it, with the learning rate halved `lowered` times.
    pub fn new(session: &mut Session, lowered: u32) -> Result<Self> {
        let steps = EpochPlan::new(&session.config, session.data.train.count);
        let programs = Programs::prepare(session, &steps, lowered)?;
        let test = TestLoss::prepare(session, session.config.train.seed)?;
        let code_use = CodeUse::prepare(session, |usage| usage.train)?;
        let grid = Grid::prepare(session)?;
        let watch = Watch::prepare(session, GRID)?;
        Ok(Self { steps, programs, test, code_use, grid, watch })
    }
}

/// What to do about a loss that does not stay finite.
const ANEW: &str = "train anew with a lower --lr or with --set optimiser.clip=1";

fn explanation(broken: u64, tries: u32, found: Option<String>) -> String {
    let tried = match tries {
        0 => String::new(),
        1 => ", after one try with a lower learning rate".into(),
        tries => format!(", after {tries} tries with lower learning rates"),
    };
    let found = found.unwrap_or_else(|| "no tensor of training is broken".into());
    format!("the loss or a weight is not finite at step {broken}{tried}: {found}")
}

/// How training ended.
pub enum Outcome {
    /// All steps were done; the last test losses, as [`summary`] gives them.
    Done(Map<String, Value>),
    /// An interrupt came; everything was saved.
    Interrupted,
}

/// A run in training.
pub struct Trainer<'a> {
    session: &'a mut Session,
    run: Run,
    terminal: &'a Terminal,
    progress: Progress,
    /// The step of the latest checkpoint, if there is one.
    saved: Option<u64>,
    steps: EpochPlan,
    pace: SubmitLoop,
    programs: Programs,
    test: TestLoss,
    code_use: Option<CodeUse>,
    best_metric: BestMetric,
    grid: Grid,
    watch: Watch,
    since: Instant,
    images_since: u64,
    /// Losses of every so many steps, as the bar shows them: what is to become small, or the first column.
    history: Vec<f64>,
    /// Said, with -v, when the first step is done.
    startup: Option<Startup>,
}

impl<'a> Trainer<'a> {
    /// Prepares every schedule of the run, from where `progress` says it stands. The run's folder is opened last,
    /// so that a model there is no room for leaves none.
    pub fn new(
        session: &'a mut Session,
        terminal: &'a Terminal,
        progress: Progress,
        run: impl FnOnce(&Session) -> Result<Run>,
    ) -> Result<Self> {
        let best_metric = BestMetric::of(&session.config.train.best, session.model.as_ref())?;
        ensure!(
            session.config.train.patience == 0 || best_metric.name(session.model.as_ref()).is_some(),
            "train.patience waits for a better checkpoint, and this model does not tell which is; name a figure in \
             train.best, or set train.patience = 0"
        );
        let Prepared { steps, programs, test, code_use, grid, watch } =
            Prepared::new(session, progress.rollbacks.len() as u32)?;
        let run = run(session)?;
        Ok(Self {
            session,
            run,
            terminal,
            saved: (progress.step > 0).then_some(progress.step),
            progress,
            steps,
            pace: SubmitLoop::default(),
            programs,
            test,
            code_use,
            best_metric,
            grid,
            watch,
            since: Instant::now(),
            images_since: 0,
            history: Vec::new(),
            startup: None,
        })
    }

    /// Has the way to the first step said when that is done, where more is to be said.
    pub fn report_startup(&mut self, mut startup: Startup) {
        startup.lap("programs");
        self.startup = Some(startup);
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.run.path
    }

    /// Trains to the end, or to an interrupt.
    ///
    /// # Errors
    /// One sentence; where the device is in trouble, what stands and how to go on.
    pub fn train(mut self, interrupted: &AtomicBool) -> Result<Outcome> {
        let outcome = self.train_on(interrupted);
        outcome.map_err(|error| recovery::with_the_way_on(error, &self.run.path, self.saved))
    }

    fn train_on(&mut self, interrupted: &AtomicBool) -> Result<Outcome> {
        if self.progress.step == 0 {
            write_png(&self.run.reals(), &reals(&self.session.data, GRID))?;
            self.save()?;
            // Last: a folder with a configuration is a run that can go on.
            self.run.write_config(&self.session.config.to_toml()?)?;
        }
        let mut last = None;
        let bar = self.terminal.bar(self.steps.total, self.progress.step);
        while self.progress.step < self.steps.total && !self.out_of_patience() {
            if interrupted.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Outcome::Interrupted);
            }
            let broken = match self.advance(interrupted, &bar)? {
                None => self.pause(&bar, &mut last)?,
                broken => broken,
            };
            if let Some(step) = broken {
                self.go_back(step, &bar)?;
            }
        }
        bar.finish();
        if let (true, Some((epoch, _))) = (self.out_of_patience(), self.progress.best) {
            let patience = self.session.config.train.patience;
            self.terminal.say(&format!(
                "ended early: no epoch of the last {patience} was better than epoch {epoch}; to go on all the same, \
                 raise train.patience in {} and resume the run",
                self.run.config_path().display()
            ));
        }
        let test = match last {
            Some(test) => test,
            None => self.test.run(self.session)?,
        };
        Ok(Outcome::Done(summary(self.session, &test)))
    }

    /// Whether as many epochs as `train.patience` says have passed since the best one.
    fn out_of_patience(&self) -> bool {
        let (patience, epochs) = (self.session.config.train.patience, self.progress.step / self.steps.per_epoch);
        patience > 0 && self.progress.best.is_some_and(|(best, _)| epochs >= best + patience)
    }

    /// Runs steps of one size up to the next point where something is to be done. Returns the first step whose loss is
    /// not finite, if any.
    fn advance(&mut self, interrupted: &AtomicBool, bar: &Bar) -> Result<Option<u64>> {
        let step = self.progress.step;
        let stand = self.steps.at(step);
        let StepPosition { size, runs, .. } = stand;
        self.session.put_shard(&self.steps, &stand)?;
        if let Some(startup) = &mut self.startup {
            startup.lap("run folder and upload");
            startup.pipelines(self.session.executor.counters().compiling);
        }
        let Train { save_every, sample_every, .. } = self.session.config.train;
        let dues = [save_every, sample_every].into_iter().filter(|&every| every > 0).map(|every| every - step % every);
        let runs = dues.fold(runs.min(self.steps.total - step), u64::min);
        let programs = self.programs.of(size)?;
        let images = self.steps.images_of(size);
        let columns = self.session.model.columns();
        let mut broken: Option<u64> = None;
        let objective = self.session.model.objective();
        let Self { progress, run, since, images_since, history, startup, .. } = self;
        let mut trouble = Ok(());
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
            if progress.window_steps == LOG_STEPS && trouble.is_ok() {
                trouble = run.append_metrics(&progress.window_line(columns));
            }
            let rate = *images_since as f64 / since.elapsed().as_secs_f64();
            bar.step(|| {
                let losses = columns_line(columns, &progress.means());
                format!("{}  {losses}  {rate:.0} images/s", sparkline(history))
            });
            let stop = trouble.is_err() || interrupted.load(Ordering::Relaxed);
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ring = self.session.model.buffers().ring;
        self.pace.drive(self.session.executor.as_mut(), programs, step + 1, runs, ring, &mut seen)?;
        trouble?;
        Ok(broken)
    }

    /// Does what is to be done where the steps have led. Returns that step if the test loss or a weight is not finite
    /// there.
    fn pause(&mut self, bar: &Bar, last: &mut Option<Tested>) -> Result<Option<u64>> {
        let step = self.progress.step;
        let whole = step.is_multiple_of(self.steps.per_epoch);
        let due = |every: u64| every > 0 && step.is_multiple_of(every);
        let Train { save_every, sample_every, .. } = self.session.config.train;
        if whole || step == self.steps.total {
            let test = self.test.run(self.session)?;
            if !test.means.iter().all(|mean| mean.is_finite()) {
                return Ok(Some(step));
            }
            let sound = self.end_epoch(bar, whole, &test)?;
            *last = Some(test);
            return Ok((!sound).then_some(step));
        }
        if due(sample_every) {
            self.draw(step)?;
        }
        let sound = !due(save_every) || self.save()?;
        Ok((!sound).then_some(step))
    }

    /// Draws, notes, warns and saves. Returns whether there was something sound to save.
    fn end_epoch(&mut self, bar: &Bar, whole: bool, test: &Tested) -> Result<bool> {
        let rate = self.images_since as f64 / self.since.elapsed().as_secs_f64();
        let step = self.progress.step;
        let epoch = step.div_ceil(self.steps.per_epoch);
        let train = self.trained()?;
        let learning_rate = self.session.executor.read(self.session.model.buffers().rates)?.to_f64()[0];
        let model = self.session.model.as_ref();
        self.run.append_metrics(&epoch_line(model, [epoch, step], learning_rate, &train, test, rate))?;
        bar.say(&epoch_message(model, epoch, self.session.config.train.epochs, &train, test, rate));
        let value = self.best_metric.value(model, test);
        let by_steps = self.session.config.train.sample_every > 0;
        let drawn = self.draw(if by_steps { step } else { epoch })?;
        if let Some(pairs) = self.grid.beside(self.session)? {
            write_png(&self.run.reconstructions(), &pairs)?;
        }
        for warning in self.watch.look(self.session, step, &train, drawn.as_deref(), &mut self.progress.warned)? {
            self.run.append_metrics(&warning.line(epoch, step))?;
            bar.say(&warning.sentence());
        }
        if whole {
            self.begin_epoch()?;
        }
        let better = value.filter(|&value| self.progress.best.is_none_or(|(_, best)| value < best));
        if let Some(value) = better {
            self.progress.best = Some((epoch, value));
        }
        let Some(checkpoint) = self.snapshot()? else { return Ok(false) };
        // First: once the latest stands, what came before it is not done again.
        if better.is_some() {
            checkpoint.save(&self.run.best())?;
        }
        self.keep(&checkpoint)?;
        (self.since, self.images_since) = (Instant::now(), 0);
        Ok(true)
    }

    /// What the epoch so far has come to.
    fn trained(&mut self) -> Result<Tested> {
        let code_use = self.code_use.as_ref().map(|code_use| code_use.run(self.session)).transpose()?;
        Ok(Tested { means: self.progress.means(), code_use })
    }

    /// Starts the sums of a new epoch.
    fn begin_epoch(&mut self) -> Result<()> {
        self.progress.begin_epoch();
        if let Some(usage) = self.session.model.quantiser().map(|quantiser| quantiser.usage()) {
            self.session.executor.write(usage.train, &Array::F32(vec![0.0; usage.train.len()]))?;
        }
        Ok(())
    }

    /// Draws the picture of an epoch or a step; the numbers of what was drawn from a prior.
    fn draw(&mut self, number: u64) -> Result<Option<Vec<f32>>> {
        let (picture, numbers) = self.grid.draw(self.session)?;
        if let Some(picture) = picture {
            write_png(&self.run.sample(number), &picture)?;
        }
        Ok(numbers)
    }

    /// Goes back to the last checkpoint and on from there at half the learning rate, as often as the guard allows.
    fn go_back(&mut self, broken: u64, bar: &Bar) -> Result<()> {
        let checkpoint = Checkpoint::load(&self.run.latest())?;
        let tries = self.progress.rollbacks.len() as u32;
        let mut progress = Progress::of(&checkpoint, self.session)?;
        self.session.restore(&mut checkpoint.clone())?;
        if tries >= self.session.config.monitors.non_finite || broken_parameter(self.session)?.is_some() {
            let restore = |session: &mut Session| session.restore(&mut checkpoint.clone());
            let found = first_broken(self.session, &self.steps, tries, [progress.step, broken], restore)?;
            let seen = explanation(broken, tries, found);
            self.run.append_metrics(&json!({ "step": broken, "guard": "non_finite", "seen": seen, "try": ANEW }))?;
            bail!("{seen}; the last checkpoint stands in {}, so {ANEW}", self.run.path.display());
        }
        let seen = format!("the loss or a weight is not finite at step {broken}");
        let attempt = format!("going on from step {} at 1/{} of the learning rate", progress.step, 2u64.pow(tries + 1));
        bar.back(progress.step, &format!("warning: {seen}; {attempt}"));
        let line = json!({ "step": progress.step, "guard": "non_finite", "seen": seen, "try": attempt });
        progress.rollbacks = std::mem::take(&mut self.progress.rollbacks);
        progress.rollbacks.push(line);
        self.progress = progress;
        self.programs = Programs::prepare(self.session, &self.steps, tries + 1)?;
        // The checkpoint first: what is noted below can be made up for from it.
        self.save()?;
        self.run.go_back(self.progress.step, &self.progress.rollbacks)?;
        (self.since, self.images_since) = (Instant::now(), 0);
        Ok(())
    }

    /// Saves a checkpoint, if there is something sound to save, and returns whether there was.
    fn save(&mut self) -> Result<bool> {
        let checkpoint = self.snapshot()?;
        checkpoint.iter().try_for_each(|checkpoint| self.keep(checkpoint))?;
        Ok(checkpoint.is_some())
    }

    /// Saves a checkpoint as the latest, and where some are kept, by its number.
    fn keep(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let (step, keep) = (self.progress.step, self.session.config.train.keep);
        if keep > 0 {
            checkpoint.save(&self.run.numbered(step))?;
        }
        checkpoint.save(&self.run.latest())?;
        self.saved = Some(step);
        self.run.prune(step, keep)
    }

    /// All that training goes on from; `None` where that holds a number that is not finite.
    fn snapshot(&mut self) -> Result<Option<Checkpoint>> {
        let mut checkpoint = self.session.checkpoint()?;
        checkpoint.metadata = self.progress.notes(self.session)?;
        Ok(checkpoint.is_finite().then_some(checkpoint))
    }
}
