//! `frit resume`.

use super::train::{absolute, check, epochs_for, fit_parts, go_on, load};
use crate::Ending;
use crate::args;
use crate::args::MicroBatch;
use anyhow::{Context, Result, ensure};
use frit::config::{Config, Train};
use frit::run::checkpoint::Checkpoint;
use frit::run::device::{self, DeviceOptions};
use frit::run::environment::{adapter, environment};
use frit::run::epoch_plan::EpochPlan;
use frit::run::folder::Run;
use frit::run::session::Session;
use frit::terminal::Terminal;
use frit::train::fit_memory::Room;
use frit::train::progress::Progress;
use frit::train::training::Trainer;
use gpu_core::{Backend, DeviceChoice};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn resume(args: &args::Resume, terminal: &Terminal) -> Result<Ending> {
    let mut run = Run::open(&args.run)?;
    let mut config = run.config()?;
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
    let auto = args.micro_batch == Some(MicroBatch::Auto);
    if let Some(MicroBatch::Of(images)) = args.micro_batch {
        config.train.micro_batch = images;
    }
    check(&config, auto, &data)?;
    let mut checkpoint = Checkpoint::load(&run.latest())?;
    let begun = begun(&checkpoint)?;
    config.check_same_run(&begun)?;
    let (backend, why) = same_device(args, &run, terminal)?;
    terminal.say(&format!("running on {why}"));
    let data = Arc::new(data);
    if auto {
        fit_parts(&mut config, &data, &backend, terminal)?;
    }
    if config.micro_batches() != begun.micro_batches() {
        terminal.say("its batches come in other parts than the run was started with, so it does not go on bit for bit");
    }
    let known = config.clone();
    let room = Room { config: &known, data: &data, backend: &backend };
    let mut session = Session::open(config, data.clone(), &backend)?;
    let progress = Progress::of(&checkpoint, &session)?;
    let steps = EpochPlan::new(&session.config, session.data.train.count);
    let (step, name) = (progress.step, args.run.display());
    ensure!(
        steps.total >= step,
        "{name} has done {step} steps already, in {} epochs; ask for more than {}",
        step.div_ceil(steps.per_epoch),
        match session.config.train {
            Train { steps: asked, .. } if asked == steps.total => format!("--steps {asked}"),
            Train { epochs, .. } => format!("--epochs {epochs}"),
        }
    );
    session.restore(&mut checkpoint)?;
    let stand = progress.clone();
    let prepared = Trainer::new(&mut session, terminal, progress, |session| {
        run.go_back(stand.step, &stand.rollbacks)?;
        run.prune(step, session.config.train.keep)?;
        run.write_config(&session.config.to_toml()?)?;
        if step == steps.total {
            terminal.say(&format!("{name} is complete, with {step} steps; to go on, ask for more with --epochs"));
            return Ok(run);
        }
        run.write_environment(&environment(&backend, session))?;
        terminal.say(&format!("going on with {name} from step {step}"));
        if session.config.optimiser.has_fallen_to_nothing(step) {
            terminal.say(
                "warning: the learning rate has fallen to zero, so nothing more is learnt; train anew with a longer \
                 optimiser.lr_decay_steps, or an optimiser.lr_final above zero",
            );
        }
        Ok(run)
    });
    match prepared {
        Ok(trainer) => go_on(trainer, terminal, args.json),
        Err(error) => {
            // What it holds is in the way of what is tried.
            drop(session);
            Err(room.advise_parts(error))
        }
    }
}

/// The configuration that a checkpoint's run was started with.
fn begun(checkpoint: &Checkpoint) -> Result<Config> {
    let name = &checkpoint.name;
    let note = checkpoint.metadata.get("config");
    Config::parse(note.with_context(|| format!("{name} is not a checkpoint of frit's; give a run's folder"))?, name)
}

/// The device that the run was trained on, so that it goes on bit for bit; another one if it is gone or asked for.
fn same_device(args: &args::Resume, run: &Run, terminal: &Terminal) -> Result<(Backend, String)> {
    let before = run.read_environment()?;
    // Checked shaders are other machine code, so they stay checked.
    let checked = args.device.checked || before.get("checked") == Some(&json!(true));
    let options = |choice: DeviceChoice| DeviceOptions { checked, choice, ..args.device.options(DeviceChoice::Auto) };
    let mut chosen = match args.device.choice() {
        Some(choice) => device::open(&options(choice))?,
        None => {
            let name = before.get("device").and_then(|name| name.as_str()).unwrap_or("auto");
            device::open(&options(name.parse().unwrap_or_default())).or_else(|error| {
                terminal.say(&error.to_string());
                device::open(&options(DeviceChoice::Auto))
            })?
        }
    };
    // Another variant adds in another order.
    let noted = device::noted(&before["variants"]).filter(|_| !args.device.half && !args.device.deterministic);
    if let Some(picking) = noted {
        chosen.0 = chosen.0.with_policy(picking);
    }
    let same = |key: &str, now: &serde_json::Value| before.get(key) == Some(now);
    if !same("device", &json!(chosen.0.name())) || !same("adapter", &adapter(&chosen.0)) {
        terminal.say("this is another device or driver than the run was trained on, so it does not go on bit for bit");
    }
    Ok(chosen)
}
