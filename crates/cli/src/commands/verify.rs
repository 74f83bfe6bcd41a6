//! `frit verify`: trains a recipe, and compares its metrics with the targets of the configuration.

use crate::Ending;
use crate::args;
use crate::commands::signals;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::config::Config;
use frit::run::device::DeviceOptions;
use frit::run::folder::Run;
use frit::terminal::Terminal;
use frit::train::{TrainOptions, Verification, train};
use gpu_core::DeviceChoice;
use gpu_core::ops::density::Density;
use models::{ModelConfig, PriorConfig, RealNvpConfig};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tempfile::TempDir;

pub(crate) fn verify(args: &args::Verify, terminal: &Terminal) -> Result<Ending> {
    let since = Instant::now();
    let recipe = &args.show.recipe;
    let config = args.show.configuration()?;
    let folder = Folder::of(args)?;
    let interrupts = Interrupts::listen(&folder, *terminal)?;
    let device = args.device.options(DeviceChoice::Auto);
    let Some(config) = with_source(config, recipe, &folder, &interrupts, &device, *terminal)? else {
        terminal.say_interrupted(&folder.interrupted(recipe));
        return Ok(Ending::Interrupted);
    };
    let mut verification = Verification::prepare(config, recipe, &device, terminal)?;
    if !interrupts.while_training(|flag| Ok(verification.train(&folder.run, flag, terminal)?))? {
        terminal.say_interrupted(&folder.interrupted(recipe));
        return Ok(Ending::Interrupted);
    }
    let verdicts = verification.evaluate(&folder.run, terminal)?;
    let seconds = since.elapsed().as_secs_f64();
    if args.show.json {
        put_json("verify", json!({ "targets": verdicts, "seconds": seconds }))?;
    } else {
        verdicts.iter().try_for_each(|verdict| out!("{verdict}"))?;
        let failed = verdicts.iter().filter(|verdict| !verdict.passed).count();
        let device = &verification.session.device;
        out!("{} passed, {failed} failed in {seconds:.0} s: {recipe} on {device}", verdicts.len() - failed)?;
    }
    Ok(if verdicts.iter().all(|verdict| verdict.passed) { Ending::Done } else { Ending::Failed })
}

/// The configuration of a prior with the codes of a VQ-VAE, or of a normalising flow of images with the latents of an
/// autoencoder: if it names none, one is trained by its recipe beside the run folder. `None` if that was interrupted.
fn with_source(
    mut config: Config,
    recipe: &str,
    folder: &Folder,
    interrupts: &Interrupts,
    device: &DeviceOptions,
    terminal: Terminal,
) -> Result<Option<Config>> {
    let of_points = Density::find(&config.data.source).is_some();
    let other = match &config.model {
        ModelConfig::Prior(prior) if prior.codes.is_empty() => "vqvae",
        ModelConfig::RealNvp(flow) if flow.latents.is_empty() && !of_points => "ae",
        _ => return Ok(Some(config)),
    };
    let mut path = folder.run.clone().into_os_string();
    path.push(format!("-{other}"));
    let before = Config { data: config.data.clone(), ..Config::load(other)? };
    let on = |run: String| match (&config.model, &before.model) {
        (ModelConfig::Prior(prior), ModelConfig::VqVae(vqvae)) => {
            ModelConfig::Prior(PriorConfig { codes: run, vqvae: vqvae.clone(), ..prior.clone() })
        }
        (ModelConfig::RealNvp(flow), ModelConfig::Autoencoder(ae)) => {
            ModelConfig::RealNvp(RealNvpConfig { latents: run, ae: Some(ae.clone()), ..flow.clone() })
        }
        (model, _) => model.clone(),
    };
    // Before minutes of training.
    Verification::check(Config { model: on(String::new()), ..config.clone() }, recipe, device)?;
    let model = on(path.to_string_lossy().into_owned());
    let options = TrainOptions {
        device: device.clone(),
        out: Some(path.into()),
        terminal,
        interrupt: interrupts.seen.clone(),
        ..TrainOptions::new(before)
    };
    if !interrupts.while_training(|_| Ok(train(options)?.metrics.is_some()))? {
        return Ok(None);
    }
    config.model = model;
    Ok(Some(config))
}

/// The run folder: the one given, or a temporary one.
struct Folder {
    run: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    fn of(args: &args::Verify) -> Result<Self> {
        if let Some(run) = args.out.clone() {
            Run::refuse_existing(&run)?;
            return Ok(Self { run, temporary: None });
        }
        let temporary = tempfile::tempdir()?;
        Ok(Self { run: temporary.path().join("run"), temporary: Some(temporary) })
    }

    /// The message after an interrupted training.
    fn interrupted(&self, recipe: &str) -> String {
        match self.temporary {
            Some(_) => format!("interrupted; start again with `frit verify {recipe}`"),
            None => super::train::interrupted(&self.run),
        }
    }
}

/// Interrupts: during training they end it after the step, and at other times they end the process at once, after the
/// temporary folder is removed.
struct Interrupts {
    seen: Arc<AtomicBool>,
    training: Arc<AtomicBool>,
}

impl Interrupts {
    fn listen(folder: &Folder, terminal: Terminal) -> Result<Self> {
        let listening = Self { seen: Arc::default(), training: Arc::default() };
        let (seen, training) = (listening.seen.clone(), listening.training.clone());
        let temporary = folder.temporary.as_ref().map(|folder| folder.path().to_path_buf());
        let run = folder.run.clone();
        let handler = move || {
            seen.store(true, Ordering::SeqCst);
            if !training.load(Ordering::SeqCst) {
                let kept = temporary.is_none() && run.exists();
                let kept = kept.then(|| format!("; {} is kept for `frit resume` or `frit eval`", run.display()));
                terminal.say_interrupted(&format!("interrupted{}", kept.unwrap_or_default()));
                temporary.iter().for_each(|folder| drop(fs::remove_dir_all(folder)));
                exit(Ending::INTERRUPTED.into());
            }
        };
        signals::on_interrupt(handler)?;
        Ok(listening)
    }

    /// Trains. Returns false if an interrupt came.
    fn while_training(&self, train: impl FnOnce(&AtomicBool) -> Result<bool>) -> Result<bool> {
        self.training.store(true, Ordering::SeqCst);
        let done = train(&self.seen);
        self.training.store(false, Ordering::SeqCst);
        // An interrupt in the last step does not end training, but ends the command.
        Ok(done? && !self.seen.load(Ordering::SeqCst))
    }
}
