//! `frit train` and `frit resume`.

use crate::Ending;
use crate::args;
use crate::args::MicroBatch;
use crate::checkpoint::Checkpoint;
use crate::config::{Config, MOST_PARTS};
use crate::data::{DataSet, is_built_in};
use crate::device;
use crate::progress::Progress;
use crate::room::Room;
use crate::run::Run;
use crate::session::{Session, spec};
use crate::startup::Startup;
use crate::steps::{Steps, binding_bytes, fit_shard, measured_step};
use crate::terminal::{Terminal, out};
use crate::training::{Outcome, Trainer};
use crate::wording::{lasting, short};
use anyhow::{Context, Result, ensure};
use gpu_core::{Backend, Choice};
use serde_json::json;
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
    config.resolve_decay(Steps::new(&config, data.train.count).total);
    let auto = args.micro_batch == Some(MicroBatch::Auto);
    // Whether all of a batch fits, the device will tell.
    let smallest = if auto { config.train.batch_size.div_ceil(MOST_PARTS) } else { config.train.micro_batch };
    config.with_parts_of(smallest).check(&spec(&config, &data), data.train.count)?;
    let init = args.init.as_deref().map(Checkpoint::load).transpose()?;
    let (backend, why) = device::open(&args.device)?;
    startup.lap("device");
    terminal.say(&format!("running on {why}"));
    if let Some(images) = fit_shard(&mut config, &data, binding_bytes(&backend))? {
        terminal.say(&format!("{} is larger than the device binds: {images} images are there at once", data.name));
    }
    let data = Arc::new(data);
    if auto {
        config.train.micro_batch = Room { config: &config, data: &data, backend: &backend }.micro_batch()?;
        say_parts(&config, terminal);
    }
    if args.dry_run {
        super::show::dry_run(&config, &data)?;
        return say_time(config, data, &backend);
    }
    let known = config.clone();
    let room = Room { config: &known, data: &data, backend: &backend };
    let mut session = Session::open(config, data.clone(), &backend)?;
    session.initialise().map_err(|error| room.advise(error))?;
    if let Some(mut file) = init {
        session.initialise_from(&mut file)?;
    }
    startup.lap("weights");
    let path = args.out.clone().unwrap_or_else(|| Run::default_path(&recipe_name(&args.recipe)));
    Run::refuse_existing(&path)?;
    let mut trainer = Trainer::new(&mut session, terminal, Progress::default(), |session| {
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
    })
    .map_err(|error| room.advise(error))?;
    trainer.report_startup(startup);
    go_on(trainer, terminal, args.json)
}

pub(crate) fn resume(args: &args::Resume, terminal: &Terminal) -> Result<Ending> {
    let mut run = Run::open(&args.run)?;
    let mut config = Config::parse(&run.read_config()?, &run.config_path().display().to_string())?;
    if let Some(source) = &args.data {
        config.data.source = absolute(source);
    }
    let data = load(&config)?;
    (config.train.steps, config.train.epochs) = match (args.steps, args.epochs) {
        (Some(steps), Some(epochs)) => (steps, epochs),
        (Some(steps), None) => (steps, epochs_for(steps, &config, &data)),
        // Asking for epochs takes back an earlier limit on steps.
        (None, Some(epochs)) => (0, epochs),
        (None, None) => (config.train.steps, config.train.epochs),
    };
    config.check(&spec(&config, &data), data.train.count)?;
    let mut checkpoint = Checkpoint::load(&run.latest())?;
    config.check_same_run(&started(&checkpoint)?)?;
    let (backend, why) = same_device(args, &run, terminal)?;
    terminal.say(&format!("running on {why}"));
    let mut session = Session::open(config, data.into(), &backend)?;
    let progress = Progress::of(&checkpoint, &session)?;
    let step = progress.step;
    ensure!(
        args.steps.is_none_or(|steps| steps >= step),
        "{} has done {step} steps already; ask for more than --steps {}",
        args.run.display(),
        args.steps.unwrap_or_default()
    );
    session.restore(&mut checkpoint)?;
    let stand = progress.clone();
    let trainer = Trainer::new(&mut session, terminal, progress, |session| {
        run.go_back(&stand)?;
        run.prune(step, session.config.train.keep)?;
        run.write_config(&session.config.to_toml()?)?;
        run.write_environment(&environment(&backend, session))?;
        terminal.say(&format!("going on with {} from step {step}", args.run.display()));
        Ok(run)
    })?;
    go_on(trainer, terminal, args.json)
}

fn say_parts(config: &Config, terminal: &Terminal) {
    let (batch, part) = (config.train.batch_size, config.at_once());
    terminal.say(&match batch.div_ceil(part) {
        1 => format!("a batch of {batch} fits as a whole"),
        parts => format!("a batch of {batch} does not fit: it goes through the model in {parts} parts of {part}"),
    });
}

/// How long an epoch will take, from a few steps.
fn say_time(config: Config, data: Arc<DataSet>, backend: &Backend) -> Result<Ending> {
    let known = config.clone();
    let room = Room { config: &known, data: &data, backend };
    let mut session = Session::open(config, data.clone(), backend)?;
    session.initialise().map_err(|error| room.advise(error))?;
    let steps = Steps::new(&session.config, session.data.train.count);
    let step = measured_step(&mut session, &steps).map_err(|error| room.advise(error))?.as_secs_f64();
    let (epoch, all) = (step * steps.per_epoch as f64, step * steps.total as f64);
    out!(
        "a step takes {:.1} ms on {}, so an epoch of {} steps about {} and all {} about {}, besides tests and pictures",
        1e3 * step,
        session.device,
        steps.per_epoch,
        lasting(epoch),
        steps.total,
        lasting(all)
    )?;
    Ok(Ending::Done)
}

/// Trains until done or interrupted, and says where things are.
fn go_on(trainer: Trainer<'_>, terminal: &Terminal, json: bool) -> Result<Ending> {
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

/// The configuration that a checkpoint's run was started with.
fn started(checkpoint: &Checkpoint) -> Result<Config> {
    let name = &checkpoint.name;
    let note = checkpoint.metadata.get("config");
    Config::parse(note.with_context(|| format!("{name} is not a checkpoint of frit's; give a run's folder"))?, name)
}

/// The epochs that hold so many steps: steps asked for alone are not cut short by the recipe's epochs.
fn epochs_for(steps: u64, config: &Config, data: &DataSet) -> u64 {
    steps.div_ceil(Steps::new(config, data.train.count).per_epoch.max(1)).max(1)
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
fn absolute(source: &str) -> String {
    let found = (!is_built_in(source)).then(|| std::fs::canonicalize(source).ok()).flatten();
    found.map_or_else(|| source.into(), |path| path.display().to_string())
}

pub(crate) fn load(config: &Config) -> Result<DataSet> {
    DataSet::load(&config.data)
}

/// The device that the run was trained on, so that it goes on bit for bit; another one if it is gone or asked for.
fn same_device(args: &args::Resume, run: &Run, terminal: &Terminal) -> Result<(Backend, String)> {
    let before = run.read_environment()?;
    // Checked shaders are other machine code, so they stay checked.
    let checked = args.device.checked || before.get("checked") == Some(&json!(true));
    let mut chosen = match args.device.choice() {
        Some(choice) => device::open_choice(&args.device, &choice, checked)?,
        None => {
            let name = before.get("device").and_then(|name| name.as_str()).unwrap_or("auto");
            let choice: Choice = name.parse().unwrap_or_default();
            device::open_choice(&args.device, &choice, checked).or_else(|error| {
                terminal.say(&error.to_string());
                device::open_choice(&args.device, &Choice::Auto, checked)
            })?
        }
    };
    // Another variant adds in another order.
    let noted = device::noted(&before["variants"]).filter(|_| !args.device.half && !args.device.deterministic);
    if let Some(picking) = noted {
        chosen.0 = chosen.0.picking(picking);
    }
    let same = |key: &str, now: &serde_json::Value| before.get(key) == Some(now);
    if !same("device", &json!(chosen.0.name())) || !same("adapter", &adapter(&chosen.0)) {
        terminal.say("this is another device or driver than the run was trained on, so it does not go on bit for bit");
    }
    Ok(chosen)
}

/// What is known of a device besides its name.
fn adapter(backend: &Backend) -> serde_json::Value {
    match backend {
        Backend::Cpu => json!(null),
        Backend::Gpu(device) => {
            let caps = &device.caps;
            json!({ "backend": caps.backend, "driver": caps.driver, "kind": caps.kind.to_string() })
        }
    }
}

/// What a run was made with and on.
fn environment(backend: &Backend, session: &Session) -> serde_json::Value {
    json!({
        "frit": env!("CARGO_PKG_VERSION"),
        "device": backend.name(),
        "adapter": adapter(backend),
        "checked": matches!(backend, Backend::Gpu(device) if device.checked),
        "variants": device::note(backend),
        "executor": session.executor.describe(),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "data": session.data.fingerprint(),
    })
}
