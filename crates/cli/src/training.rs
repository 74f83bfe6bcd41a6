//! The training loop: epochs of steps, and what is saved and said between them.

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::Options;
use crate::evaluation::{CodeUse, Drawing, Reconstructions, TestLoss, Tested, reals, rows_that_fit, summary};
use crate::pictures::write_png;
use crate::run::Run;
use crate::session::Session;
use crate::startup::Startup;
use crate::steps::{Programs, Stand, Steps};
use crate::terminal::Terminal;
use crate::wording::{columns_line, epoch_line, epoch_message};
use anyhow::{Context, Result, bail, ensure};
use gpu_core::{Array, Pace, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Pictures in the grid that is drawn after every epoch.
const GRID: usize = 64;
/// Steps whose mean loss makes a line of metrics.jsonl.
const LOG_STEPS: u64 = 50;

/// Where training stands, besides weights and clock: kept in the notes of a checkpoint.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Steps done.
    pub(crate) step: u64,
    /// Sums over the images of the epoch so far, by column.
    sums: Vec<f64>,
    /// Images of the epoch so far.
    images: u64,
    /// Sums over the steps since the last line of metrics, by column.
    window: Vec<f64>,
    /// Steps since then.
    window_steps: u64,
    /// The least of the model's objective on the test set, and its epoch.
    best: Option<(u64, f64)>,
}

/// How training ended.
pub(crate) enum Outcome {
    /// All steps were done; the last test losses, as [`summary`] gives them.
    Done(Map<String, Value>),
    /// An interrupt came; everything was saved.
    Interrupted,
}

/// What is drawn after every epoch.
enum Picture {
    /// The same latents decoded.
    Samples(Drawing),
    /// Where there is no prior, the same images reconstructed.
    Reconstructions(Reconstructions),
    /// Where there are no pictures either.
    None,
}

/// A run in training.
pub(crate) struct Trainer<'a> {
    session: &'a mut Session,
    run: Run,
    terminal: &'a Terminal,
    progress: Progress,
    steps: Steps,
    pace: Pace,
    programs: Programs,
    test: TestLoss,
    code_use: Option<CodeUse>,
    picture: Picture,
    since: Instant,
    images_since: u64,
    /// Said, with -v, when the first step is done.
    startup: Option<Startup>,
}

impl<'a> Trainer<'a> {
    /// Prepares every schedule of the run, from where `progress` says it stands. The run's folder is opened last,
    /// so that a model there is no room for leaves none.
    pub(crate) fn new(
        session: &'a mut Session,
        terminal: &'a Terminal,
        progress: Progress,
        run: impl FnOnce(&Session) -> Result<Run>,
    ) -> Result<Self> {
        let steps = Steps::new(&session.config, session.data.train.count);
        let programs = Programs::prepare(session, &steps)?;
        let test = TestLoss::prepare(session, session.config.train.seed)?;
        let code_use = CodeUse::prepare(session, |usage| usage.train)?;
        let grid = GRID.min(rows_that_fit(session));
        let picture = match Drawing::prepare(session, grid, session.config.train.seed)? {
            Some(drawing) => Picture::Samples(drawing),
            None => match Reconstructions::prepare(session, grid.min(session.data.test.count))? {
                Some(pairs) => Picture::Reconstructions(pairs),
                None => Picture::None,
            },
        };
        let run = run(session)?;
        let since = Instant::now();
        Ok(Self {
            session,
            run,
            terminal,
            progress,
            steps,
            pace: Pace::default(),
            programs,
            test,
            code_use,
            picture,
            since,
            images_since: 0,
            startup: None,
        })
    }

    /// Has the way to the first step said when that is done, where more is to be said.
    pub(crate) fn report_startup(&mut self, mut startup: Startup) {
        startup.lap("programs");
        self.startup = Some(startup);
    }

    /// The run's folder.
    pub(crate) fn path(&self) -> &Path {
        &self.run.path
    }

    /// Trains to the end, or to an interrupt.
    pub(crate) fn train(mut self, interrupted: &AtomicBool) -> Result<Outcome> {
        if self.progress.step == 0 {
            write_png(&self.run.reals(), &reals(&self.session.data, GRID))?;
            self.save()?;
            // Last: a folder with a configuration is a run that can go on.
            self.run.write_config(&self.session.config.to_toml()?)?;
        }
        let mut last = None;
        let bar = self.terminal.bar(self.steps.total, self.progress.step);
        while self.progress.step < self.steps.total {
            if interrupted.load(Ordering::Relaxed) {
                self.save()?;
                return Ok(Outcome::Interrupted);
            }
            self.advance(interrupted, &bar)?;
            let step = self.progress.step;
            let epoch_ends = step.is_multiple_of(self.steps.per_epoch);
            if epoch_ends || step == self.steps.total {
                last = Some(self.end_epoch(&bar, epoch_ends)?);
            } else if self.save_due() {
                self.save()?;
            }
        }
        bar.finish();
        let test = match last {
            Some(test) => test,
            None => self.test.run(self.session)?,
        };
        Ok(Outcome::Done(summary(self.session, &test)))
    }

    /// Runs steps of one size up to the next point where something is to be done.
    fn advance(&mut self, interrupted: &AtomicBool, bar: &crate::terminal::Bar) -> Result<()> {
        let step = self.progress.step;
        let stand = self.steps.at(step);
        let Stand { size, mut runs, .. } = stand;
        self.session.put_shard(&self.steps, &stand)?;
        if let Some(startup) = &mut self.startup {
            startup.lap("run folder and upload");
            startup.pipelines(self.session.executor.counters().compiling);
        }
        let save_every = self.session.config.train.save_every;
        runs = runs.min(self.steps.total - step);
        if save_every > 0 {
            runs = runs.min(save_every - step % save_every);
        }
        let programs = self.programs.of(size)?;
        let images = self.steps.images_of(size);
        let columns = self.session.model.columns();
        let mut broken: Option<u64> = None;
        let Self { progress, run, since, images_since, startup, .. } = self;
        let mut trouble = Ok(());
        let mut seen = |record: Record| {
            if let Some(mut startup) = startup.take() {
                startup.lap("first step");
                log::info!("{startup}");
            }
            if record.values.iter().any(|value| !value.is_finite()) {
                broken.get_or_insert(record.step);
                return ControlFlow::Break(());
            }
            progress.add(&record, images);
            *images_since += images;
            if progress.window_steps == LOG_STEPS && trouble.is_ok() {
                trouble = run.append_metrics(&progress.window_line(columns));
            }
            let rate = *images_since as f64 / since.elapsed().as_secs_f64();
            bar.step(&format!("{}  {rate:.0} images/s", columns_line(columns, &progress.means())));
            let stop = trouble.is_err() || interrupted.load(Ordering::Relaxed);
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let ring = self.session.model.pins().ring;
        self.pace.drive(self.session.executor.as_mut(), programs, step + 1, runs, ring, &mut seen)?;
        trouble?;
        if let Some(step) = broken {
            bail!(
                "the loss is not finite at step {step}; the last checkpoint stands in {}, so train anew with a lower \
                 --lr or with --set optimiser.clip=1",
                self.run.path.display()
            );
        }
        Ok(())
    }

    /// Measures, draws, notes and saves.
    fn end_epoch(&mut self, bar: &crate::terminal::Bar, whole: bool) -> Result<Tested> {
        let rate = self.images_since as f64 / self.since.elapsed().as_secs_f64();
        let step = self.progress.step;
        let epoch = step.div_ceil(self.steps.per_epoch);
        let test = self.test.run(self.session)?;
        ensure!(
            test.means.iter().all(|mean| mean.is_finite()),
            "the test loss is not finite after step {step}; the last checkpoint stands in {}, so train anew with a \
             lower --lr",
            self.run.path.display()
        );
        let train = self.trained()?;
        let model = self.session.model.as_ref();
        self.run.append_metrics(&epoch_line(model, epoch, step, &train, &test, rate))?;
        bar.say(&epoch_message(model, epoch, self.session.config.train.epochs, &train, &test, rate));
        let loss = model.objective().of(&test.means);
        self.draw(epoch)?;
        if whole {
            self.begin_epoch()?;
        }
        let better = loss.filter(|&loss| self.progress.best.is_none_or(|(_, best)| loss < best));
        if let Some(loss) = better {
            self.progress.best = Some((epoch, loss));
        }
        let checkpoint = self.snapshot()?;
        // First: once the latest stands, what came before it is not done again.
        if better.is_some() {
            checkpoint.save(&self.run.best())?;
        }
        checkpoint.save(&self.run.latest())?;
        (self.since, self.images_since) = (Instant::now(), 0);
        Ok(test)
    }

    /// What the epoch so far has come to.
    fn trained(&mut self) -> Result<Tested> {
        let code_use = self.code_use.as_ref().map(|code_use| code_use.run(self.session)).transpose()?;
        Ok(Tested { means: self.progress.means(), code_use })
    }

    /// Starts the sums of a new epoch.
    fn begin_epoch(&mut self) -> Result<()> {
        self.progress.sums.clear();
        self.progress.images = 0;
        if let Some(usage) = self.session.model.usage() {
            self.session.executor.write(usage.train, &Array::F32(vec![0.0; usage.train.len()]))?;
        }
        Ok(())
    }

    /// The epoch's picture.
    fn draw(&mut self, epoch: u64) -> Result<()> {
        let picture = match &self.picture {
            Picture::Samples(drawing) => drawing.run(self.session)?,
            Picture::Reconstructions(pairs) => pairs.run(self.session)?,
            Picture::None => return Ok(()),
        };
        write_png(&self.run.sample(epoch), &picture)
    }

    fn save_due(&self) -> bool {
        let every = self.session.config.train.save_every;
        every > 0 && self.progress.step.is_multiple_of(every)
    }

    fn save(&mut self) -> Result<()> {
        self.snapshot()?.save(&self.run.latest())
    }

    fn snapshot(&mut self) -> Result<Checkpoint> {
        let mut checkpoint = self.session.checkpoint()?;
        checkpoint.metadata = notes(self.session, &self.progress)?;
        Ok(checkpoint)
    }
}

impl Progress {
    /// Reads it from a checkpoint of this run.
    ///
    /// # Errors
    /// One sentence: the file is no checkpoint, or of other data.
    pub(crate) fn of(checkpoint: &Checkpoint, session: &Session) -> Result<Self> {
        let note = |key: &str| {
            let found = checkpoint.metadata.get(key);
            found.with_context(|| format!("{} is not a checkpoint of frit's; give a run's folder", checkpoint.name))
        };
        let (made_with, here) = (note("data")?, session.data.fingerprint());
        ensure!(
            *made_with == here,
            "{} was trained on other data ({made_with}, and this is {here}); pass --data with the folder it was \
             trained on",
            checkpoint.name
        );
        serde_json::from_str(note("progress")?)
            .with_context(|| format!("the progress in {} cannot be read; take another checkpoint", checkpoint.name))
    }

    fn add(&mut self, record: &Record, batch: u64) {
        self.step = record.step;
        self.images += batch;
        self.window_steps += 1;
        for sums in [&mut self.sums, &mut self.window] {
            sums.resize(record.values.len(), 0.0);
        }
        for (i, value) in record.values.iter().enumerate() {
            self.sums[i] += value * batch as f64;
            self.window[i] += value;
        }
    }

    /// Means over the epoch so far, by column.
    fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.images as f64).collect()
    }

    /// A line of metrics for the steps since the last, which it forgets.
    fn window_line(&mut self, columns: &[&str]) -> Value {
        let steps = std::mem::take(&mut self.window_steps) as f64;
        let means = std::mem::take(&mut self.window).into_iter().map(|sum| sum / steps);
        let mut line = Map::from_iter([("step".into(), json!(self.step))]);
        line.extend(columns.iter().zip(means).map(|(column, mean)| (column.to_string(), json!(mean))));
        line.into()
    }
}

/// What a checkpoint says of itself. Nothing in it depends on the time or the machine.
fn notes(session: &Session, progress: &Progress) -> Result<std::collections::BTreeMap<String, String>> {
    let data = Options { source: Options::default().source, ..session.config.data.clone() };
    let notes = [
        ("frit", env!("CARGO_PKG_VERSION").to_string()),
        // Where the data lies is the machine's; what it is, the fingerprint says.
        ("config", Config { data, ..session.config.clone() }.to_toml()?),
        ("data", session.data.fingerprint()),
        ("picture", session.data.picture_size()),
        ("progress", serde_json::to_string(progress)?),
    ];
    Ok(notes.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}
