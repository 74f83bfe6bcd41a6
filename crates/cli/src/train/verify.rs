//! Verification of a recipe: a training, its evaluation, and the targets of the configuration.

use crate::config::Config;
use crate::eval::evaluate::{EvalOptions, evaluate, origin};
use crate::eval::measures::names;
use crate::eval::targets::{Targets, Verdict, check_keys, check_ranges, needs_generated, verdicts};
use crate::eval::trained::{DataFacts, Weights, step_of};
use crate::io::error::Result;
use crate::run::checkpoint::Checkpoint;
use crate::run::device::DeviceOptions;
use crate::run::environment::environment;
use crate::run::folder::Run;
use crate::run::frozen;
use crate::run::session::Session;
use crate::terminal::Terminal;
use crate::train::options::Length;
use crate::train::progress::Progress;
use crate::train::setup::{Inputs, Setup};
use crate::train::training::{Outcome, Trainer};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// A training with targets.
///
/// ```no_run
/// use frit::{Terminal, config::Config, run::device::DeviceOptions, train::Verification};
/// # fn main() -> frit::Result<()> {
/// let terminal = Terminal::new(false);
/// let mut verification = Verification::prepare(Config::load("vae")?, "vae", &DeviceOptions::default(), &terminal)?;
/// verification.train("runs/verified".as_ref(), &Default::default(), &terminal)?;
/// let verdicts = verification.evaluate("runs/verified".as_ref(), &terminal)?;
/// assert!(verdicts.iter().all(|verdict| verdict.passed));
/// # Ok(())
/// # }
/// ```
pub struct Verification {
    setup: Setup,
    targets: Targets,
    /// The model.
    pub session: Session,
}

impl Verification {
    /// Checks the targets and starts the model of a recipe.
    ///
    /// # Errors
    /// [`ErrorKind::Setting`](crate::ErrorKind) for a target that cannot be met, and those of
    /// [`train`](crate::train::train).
    pub fn prepare(config: Config, recipe: &str, device: &DeviceOptions, terminal: &Terminal) -> Result<Self> {
        check_ranges(&config.target, recipe)?;
        frozen::require(&config)?;
        Self::started(config, device, terminal)
    }

    /// Checks the targets and the settings of a recipe as [`Verification::prepare`] does, also of a prior that names no
    /// run of a VQ-VAE yet.
    ///
    /// # Errors
    /// Those of [`Verification::prepare`].
    pub fn check(config: Config, recipe: &str, device: &DeviceOptions) -> Result<()> {
        check_ranges(&config.target, recipe)?;
        Self::started(config, device, &Terminal::new(true)).map(drop)
    }

    fn started(config: Config, device: &DeviceOptions, terminal: &Terminal) -> Result<Self> {
        // Their names are checked against what the started model measures, which is more than any other check knows.
        let targets = config.target.clone();
        let untargeted = Config { target: Targets::default(), ..config };
        let mut inputs = Inputs::load(untargeted, Length::default(), None)?;
        inputs.config.target.clone_from(&targets);
        let setup = inputs.open(device, terminal)?;
        let session = setup.start()?;
        check_keys(&targets, &names(&session, &setup.backend)?)?;
        Ok(Self { setup, targets, session })
    }

    /// Trains into a run folder. Returns false if training was interrupted.
    ///
    /// # Errors
    /// Those of [`train`](crate::train::train).
    pub fn train(&mut self, path: &Path, interrupt: &AtomicBool, terminal: &Terminal) -> Result<bool> {
        let backend = &self.setup.backend;
        let trainer = Trainer::new(&mut self.session, backend, terminal, Progress::default(), |session| {
            let run = Run::create(path)?;
            run.write_environment(&environment(backend, &DeviceOptions::default(), session))?;
            Ok(run)
        })?;
        Ok(matches!(trainer.train(interrupt)?, Outcome::Done(_)))
    }

    /// Evaluates the trained model, saves the evaluation in the run folder, and compares it with the targets.
    ///
    /// # Errors
    /// Those of [`evaluate`].
    pub fn evaluate(&mut self, path: &Path, terminal: &Terminal) -> Result<Vec<Verdict>> {
        let options = EvalOptions { generative: needs_generated(&self.targets), ..EvalOptions::default() };
        let mut evaluation = evaluate(&mut self.session, &self.setup.backend, &options, terminal)?;
        let run = Run::open_to_read(path)?;
        let (step, data) = (step_of(&Checkpoint::load(&run.latest())?), DataFacts::of_training(&self.session.data));
        evaluation.extend(origin(&run, Weights::Latest, false, step, &data));
        let verdicts = verdicts(&self.targets, &evaluation);
        if let Err(error) = run.write_evaluation(&evaluation, true) {
            terminal.say(&format!("the evaluation was not saved: {error}"));
        }
        Ok(verdicts)
    }
}
