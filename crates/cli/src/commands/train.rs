//! `frit train`.

use crate::Ending;
use crate::args;
use crate::args::MicroBatch;
use crate::output::out;
use anyhow::{Context, Result};
use frit::config::{Config, Train};
use frit::data::{DataSet, is_built_in};
use frit::io::format::{lasting, short};
use frit::run::checkpoint::Checkpoint;
use frit::run::device;
use frit::run::environment::environment;
use frit::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard};
use frit::run::folder::Run;
use frit::run::programs::measured_step;
use frit::run::session::{Session, spec};
use frit::run::startup::Startup;
use frit::terminal::Terminal;
use frit::train::fit_memory::{Room, smallest_part};
use frit::train::progress::Progress;
use frit::train::training::{Outcome, Trainer};
use gpu_core::{Backend, DeviceChoice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn train(args: &args::Train, terminal: &Terminal) -> Result<Ending> {
    let mut startup = Startup::new();
    let mut config = configuration(args)?;
    let data = load(&config)?;
    startup.lap("data");
    if let (Some(steps), None) = (args.steps, args.epochs) {
        config.train.epochs = epochs_for(steps, &config, &data);
    }
    config.resolve_decay(EpochPlan::new(&config, data.train.count).total)?;
    let auto = args.micro_batch == Some(MicroBatch::Auto);
    check(&config, auto, &data)?;
    let init = args.init.as_deref().map(Checkpoint::load).transpose()?;
    let opened = device::open(&args.device.options(DeviceChoice::Auto));
    if let (true, Err(_)) = (args.dry_run, &opened) {
        // What needs no device is said without one.
        super::show::dry_run(&config, &data, None)?;
    }
    let (backend, why) = opened?;
    startup.lap("device");
    terminal.say(&format!("running on {why}"));
    if let Some(images) = fit_shard(&mut config, &data, binding_bytes(&backend))? {
        terminal.say(&format!("{} is larger than the device binds: {images} images are there at once", data.name));
    }
    let data = Arc::new(data);
    if auto {
        fit_parts(&mut config, &data, &backend, terminal)?;
    }
    if args.dry_run {
        super::show::dry_run(&config, &data, Some(&backend))?;
        return say_time(config, data, &backend);
    }
    let known = config.clone();
    let room = Room { config: &known, data: &data, backend: &backend };
    let mut session = started(config, data.clone(), &backend).map_err(|error| room.advise(error))?;
    if let Some(mut file) = init {
        session.initialise_from(&mut file)?;
    }
    startup.lap("weights");
    let path = args.out.clone().unwrap_or_else(|| Run::default_path(&recipe_name(&args.recipe)));
    Run::refuse_existing(&path)?;
    let prepared = Trainer::new(&mut session, terminal, Progress::default(), |session| {
        let run = Run::create(&path)?;
        run.write_environment(&environment(&backend, session))?;
        terminal.say(&format!(
            "training {} on {} images of {} into {}",
            recipe_name(&args.recipe),
            session.data.train.count,
            session.data.name,
            path.display()
        ));
        Ok(run)
    });
    let mut trainer = match prepared {
        Ok(trainer) => trainer,
        Err(error) => {
            // What it holds is in the way of what is tried.
            drop(session);
            return Err(room.advise(error));
        }
    };
    trainer.report_startup(startup);
    go_on(trainer, terminal, args.json)
}

/// Refuses a configuration that cannot be trained; whether all of a batch fits, an `auto` device will tell.
pub(super) fn check(config: &Config, auto: bool, data: &DataSet) -> Result<()> {
    let Train { batch_size, micro_batch, .. } = config.train;
    let micro_batch = if auto { smallest_part(batch_size) } else { micro_batch };
    config.with_micro_batch(micro_batch).check(&spec(config, data), data.train.count)
}

/// Has as many images of a batch go through the model at once as the device has room for, and says how many.
pub(super) fn fit_parts(
    config: &mut Config,
    data: &Arc<DataSet>,
    backend: &Backend,
    terminal: &Terminal,
) -> Result<()> {
    config.train.micro_batch = Room { config, data, backend }.micro_batch()?;
    let (batch, parts) = (config.train.batch_size, config.micro_batches());
    terminal.say(&match parts.len() {
        1 => format!("a batch of {batch} fits as a whole"),
        many => {
            format!("a batch of {batch} does not fit: it goes through the model in {many} parts of {}", parts[0].rows)
        }
    });
    Ok(())
}

/// A model on a device with its first weights.
fn started(config: Config, data: Arc<DataSet>, backend: &Backend) -> Result<Session> {
    let mut session = Session::open(config, data, backend)?;
    session.initialise()?;
    Ok(session)
}

/// How long an epoch will take, from a few steps.
fn say_time(config: Config, data: Arc<DataSet>, backend: &Backend) -> Result<Ending> {
    let known = config.clone();
    let room = Room { config: &known, data: &data, backend };
    let mut session = started(config, data.clone(), backend).map_err(|error| room.advise(error))?;
    let steps = EpochPlan::new(&session.config, session.data.train.count);
    let measured = measured_step(&mut session, &steps);
    let device = session.device.clone();
    drop(session);
    let step = measured.map_err(|error| room.advise(error))?.as_secs_f64();
    let (epoch, all) = (step * steps.per_epoch as f64, step * steps.total as f64);
    out!(
        "a step takes {:.1} ms on {}, so an epoch of {} steps about {} and all {} about {}, besides tests and pictures",
        1e3 * step,
        device,
        steps.per_epoch,
        lasting(epoch),
        steps.total,
        lasting(all)
    )?;
    Ok(Ending::Done)
}

/// Trains until done or interrupted, and says where things are.
pub(super) fn go_on(trainer: Trainer<'_>, terminal: &Terminal, json: bool) -> Result<Ending> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("the handler for Ctrl-C could not be installed; run frit from another shell")?;
    let path = trainer.path().display().to_string();
    match trainer.train(&interrupted)? {
        Outcome::Done(summary) if json => out!("{}", serde_json::Value::Object(summary))?,
        Outcome::Done(summary) => {
            let number = |key: &str| summary.get(key).and_then(serde_json::Value::as_f64);
            let said = [
                ("neg_elbo", "test −ELBO", "nats/image"),
                ("recon", "test reconstruction error", "nats/image"),
                ("nmse", "test reconstruction error", "of the pixels' variance"),
                ("errors", "test error rate", ""),
            ];
            match said.into_iter().find_map(|(key, name, unit)| Some((number(key)?, name, unit))) {
                Some((value, name, unit)) => out!("{}", format!("{path}: {name} {} {unit}", short(value)).trim_end())?,
                None => out!("{path}")?,
            }
        }
        Outcome::Interrupted => {
            terminal.say(&format!("interrupted; saved in {path}, go on with: frit resume {path}"));
            return Ok(Ending::Interrupted);
        }
    }
    Ok(Ending::Done)
}

/// What a recipe is called: its name, or its file's without the ending.
fn recipe_name(recipe: &str) -> String {
    let stem = Path::new(recipe).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| recipe.into())
}

/// The epochs that hold so many steps: steps asked for alone are not cut short by the recipe's epochs.
pub(super) fn epochs_for(steps: u64, config: &Config, data: &DataSet) -> u64 {
    steps.div_ceil(EpochPlan::new(config, data.train.count).per_epoch.max(1)).max(1)
}

/// Recipe, then settings, then flags.
fn configuration(args: &args::Train) -> Result<Config> {
    let mut config = args.settings.apply(Config::load(&args.recipe)?)?;
    let train = &mut config.train;
    train.epochs = args.epochs.unwrap_or(train.epochs);
    train.steps = args.steps.unwrap_or(train.steps);
    if let Some(MicroBatch::Of(images)) = args.micro_batch {
        train.micro_batch = images;
    }
    train.save_every = args.save_every.unwrap_or(train.save_every);
    train.sample_every = args.sample_every.unwrap_or(train.sample_every);
    train.shuffle &= !args.no_shuffle;
    if let Some(source) = &args.data {
        config.data.source = source.clone();
    }
    config.data.source = absolute(&config.data.source);
    Ok(config)
}

/// A folder by its absolute path, so that a run can be resumed from anywhere; a built-in set by its name.
pub(super) fn absolute(source: &str) -> String {
    let found = (!is_built_in(source)).then(|| std::fs::canonicalize(source).ok()).flatten();
    found.map_or_else(|| source.into(), |path| path.display().to_string())
}

pub(crate) fn load(config: &Config) -> Result<DataSet> {
    DataSet::load(&config.data)
}
