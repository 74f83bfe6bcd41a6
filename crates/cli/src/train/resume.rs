//! Resuming a run after an interruption, or for more epochs.

use crate::config::{Config, Train};
use crate::io::error::{Error, ErrorKind, Hint, Result, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::data::{RunData, absolute};
use crate::run::device::{self, DeviceOptions};
use crate::run::environment::{adapter, environment};
use crate::run::epoch_plan::EpochPlan;
use crate::run::folder::Run;
use crate::run::session::{Session, spec};
use crate::run::tensors::check_tensors;
use crate::terminal::Terminal;
use crate::train::options::ResumeOptions;
use crate::train::progress::Progress;
use crate::train::setup::{Setup, check, choose_micro_batch};
use crate::train::start::Trained;
use crate::train::start_message::{Resumed, Start, resume_request};
use crate::train::team::{Team, check_divided};
use crate::train::training::{Outcome, Trainer};
use gpu_core::{Backend, DeviceChoice};
use serde_json::{Value, json};
use std::sync::Arc;

/// Resumes a run from its latest checkpoint. On the same device the result is the same, byte for byte, as without the
/// interruption.
///
/// # Errors
/// [`ErrorKind::Run`] if the folder holds no run, is in use, has more steps done than are wanted, or is to train longer
/// after its learning rate has fallen to zero;
/// [`ErrorKind::Setting`] if its configuration was changed; and those of [`train`](crate::train::train).
///
/// ```no_run
/// use frit::train::{ResumeOptions, resume};
/// # fn main() -> frit::Result<()> {
/// let trained = resume(ResumeOptions::new("runs/vae-001").epochs(50))?;
/// assert!(!trained.was_complete);
/// # Ok(())
/// # }
/// ```
pub fn resume(options: ResumeOptions) -> Result<Trained> {
    let request = resume_request(&options);
    let mut run = Run::open(&options.run)?;
    let mut config = run.config()?;
    let trained = config.data.source.clone();
    if let Some(source) = &options.data {
        config.data.source = absolute(source);
    }
    if let Some(b) = &options.data_b {
        config.data.move_b(&absolute(b))?;
    }
    let mut checkpoint = run.load(&run.latest())?;
    let data = RunData::read(&run, &config.data, &trained, &checkpoint);
    let data = data.and_then(RunData::unchanged).map_err(|error| error.or_hint(Hint::Data))?;
    if options.length.epochs.is_some() {
        config.train.steps = 0;
    }
    options.length.apply(&mut config, data.epoch_images());
    let auto_micro_batch = choose_micro_batch(&mut config, options.micro_batch);
    check(&config, auto_micro_batch, &data)?;
    let started = started_with(&checkpoint)?;
    config.check_same_run(&started)?;
    let model = config.build(&spec(&config, &data));
    // A small file must not make a large model be allocated.
    check_tensors(model.as_ref(), &checkpoint)?;
    let terminal = options.terminal;
    let (backend, reason) = same_device(&options, &run)?;
    let checked = device::is_checked(&backend);
    let device = DeviceOptions { checked, others: others(&options, &run)?, ..options.device.clone() };
    terminal.say(&device.running(&reason));
    let mut setup = Setup { config, data: Arc::new(data), backend, frozen: None };
    if auto_micro_batch {
        setup.fit_micro_batch(&terminal)?;
    }
    check_divided(&setup.config, device.ranks())?;
    if setup.config.micro_batches() != started.micro_batches() {
        terminal.say("warning: the micro-batch size changed; results will not be bit-identical");
    }
    let mut session = Session::open(setup.config.clone(), setup.data.clone(), &setup.backend)?;
    let progress = Progress::of(&checkpoint, &session)?;
    let plan = EpochPlan::new(&session.config, session.data.epoch_images());
    check_length(&options, &progress, &plan, &session.config)?;
    let noted = EpochPlan::new(&started, session.data.epoch_images()).total;
    check_rate(&options, progress.step, progress.step.max(noted), plan.total, &session.config)?;
    session.restore(&mut checkpoint)?;
    let was_complete = progress.step == plan.total;
    let (step, rollbacks) = (progress.step, progress.rollbacks.clone());
    let name = options.run.display();
    let resumed = Resumed::new(&run, &trained, &checkpoint)?;
    let start = || Start::new(request, &setup.config, &setup.backend, Some(resumed));
    let mut team = Team::start(options.exchange, start, &device, &mut session, &setup.backend)?;
    let prepared = Trainer::new(&mut session, &setup.backend, &terminal, progress, |session| {
        team.iter_mut().try_for_each(|team| team.agree(session, &setup.backend))?;
        run.go_back(step, &rollbacks)?;
        run.prune(step, session.config.train.keep)?;
        run.write_config(&session.config.to_toml()?)?;
        if was_complete {
            terminal.say(&format!("{name} is complete: all {step} steps are done"));
            return Ok(run);
        }
        run.write_environment(&environment(&setup.backend, &device, session))?;
        // A run of version 0.1.0 has none.
        if run.read_images()?.is_none() {
            run.write_images(&session.data.list)?;
        }
        terminal.say(&format!("resuming {name} from step {step}"));
        if session.config.optimiser.has_fallen_to_nothing(step) {
            terminal.say(
                "warning: the learning rate is zero from now on; start a new run with a larger \
                 optimiser.lr_decay_steps, or with optimiser.lr_final above zero",
            );
        }
        Ok(run)
    });
    let mut trainer = match prepared {
        Ok(trainer) => trainer,
        Err(error) => {
            // The search for a size that fits needs its memory.
            drop(session);
            return Err(setup.fit_memory().with_micro_batch_hint(error));
        }
    };
    trainer.observe(options.observer);
    trainer.employ(team);
    let metrics = match trainer.train(&options.interrupt)? {
        Outcome::Done(metrics) => Some(metrics),
        Outcome::Interrupted => None,
    };
    Ok(Trained { path: options.run, session, backend: setup.backend, metrics, was_complete })
}

/// Refuses a length that the run has passed already.
fn check_length(options: &ResumeOptions, progress: &Progress, plan: &EpochPlan, config: &Config) -> Result<()> {
    let step = progress.step;
    ensure!(
        plan.total >= step,
        Run,
        "{} is already at step {step} (epoch {}), past {}",
        options.run.display(),
        step.div_ceil(plan.per_epoch),
        match config.train {
            Train { steps: wanted, .. } if wanted == plan.total => format!("train.steps = {wanted}"),
            Train { epochs, .. } => format!("train.epochs = {epochs}"),
        }
    );
    Ok(())
}

/// Refuses more steps than the `noted` ones of a run at `step` if they would have a learning rate of zero.
fn check_rate(options: &ResumeOptions, step: u64, noted: u64, wanted: u64, config: &Config) -> Result<()> {
    let (run, optimiser) = (options.run.display().to_string(), &config.optimiser);
    let end = optimiser.lr_warmup + optimiser.lr_decay_steps;
    ensure!(
        wanted <= noted || !optimiser.has_fallen_to_nothing(wanted - 1),
        Run,
        hint: Hint::TrainOn { run, steps: wanted - step },
        "the learning rate of {} falls to zero at step {end}, so steps after {} would not train",
        options.run.display(),
        noted.max(end as u64)
    );
    Ok(())
}

/// The configuration that a run was started with.
fn started_with(checkpoint: &Checkpoint) -> Result<Config> {
    let name = &checkpoint.name;
    let config = checkpoint.metadata.get("config");
    let foreign = || Error::new(ErrorKind::Checkpoint, format!("{name} is not a checkpoint of frit"));
    let config = config.ok_or_else(foreign)?;
    Config::parse_run(config, name)
}

/// The name of the device in a run's environment. Version 0.1.0 called the reference executor `cpu`.
fn device_name(environment: &Value) -> Option<&str> {
    let text = |key: &str| environment.get(key).and_then(|text| text.as_str());
    match text("device")? {
        "cpu" if text("executor").is_some_and(|executor| executor.starts_with("CPU reference")) => Some("reference"),
        name => Some(name),
    }
}

/// The further devices: those that the run was trained on, or those that are wanted.
fn others(options: &ResumeOptions, run: &Run) -> Result<Vec<DeviceChoice>> {
    if !options.same_device || options.device.processes > 0 {
        return Ok(options.device.others.clone());
    }
    let before = run.read_environment()?.unwrap_or_default();
    let names = before["others"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(names.map(|name| name.parse().unwrap_or_default()).collect())
}

/// Opens the device that the run was trained on, with its shader variants; another one if it is missing or not wanted.
fn same_device(options: &ResumeOptions, run: &Run) -> Result<(Backend, String)> {
    let before = run.read_environment()?;
    let known = before.is_some();
    if !known {
        let run = options.run.display();
        options.terminal.say(&format!(
            "warning: {run} has no env.json, which names its device; on another one, results will not be bit-identical"
        ));
    }
    let before = before.unwrap_or_default();
    // Bounds checks change the machine code, so they stay as they were.
    let checked = options.device.checked || before.get("checked") == Some(&json!(true));
    let with = |choice: DeviceChoice| DeviceOptions { checked, choice, ..options.device.clone() };
    let terminal: &Terminal = &options.terminal;
    let (mut backend, reason) = match options.same_device {
        false => device::open(&with(options.device.choice.clone()))?,
        true => {
            let name = device_name(&before).unwrap_or("auto");
            device::open(&with(name.parse().unwrap_or_default())).or_else(|error| {
                terminal.say(&format!("warning: {error}"));
                device::open(&with(options.device.choice.clone()))
            })?
        }
    };
    // Another variant adds in another order.
    let policy = device::noted(&before["variants"]).filter(|_| !options.device.half && !options.device.deterministic);
    if let Some(policy) = policy {
        backend = backend.with_policy(policy);
    }
    let same_device = device_name(&before) == Some(&backend.name());
    if known && (!same_device || before.get("adapter") != Some(&adapter(&backend))) {
        terminal.say("warning: the device or driver changed; results will not be bit-identical");
    }
    let asked = if options.same_device { "as before" } else { "as requested" };
    Ok((backend, reason.replace("as requested", asked)))
}
