//! `frit train`.

use crate::Ending;
use crate::args;
use crate::commands::launch::Launch;
use crate::commands::signals;
use crate::output::{out, put_json};
use anyhow::{Result, bail, ensure};
use frit::config::data::DataOptions;
use frit::config::{Config, recipes};
use frit::data::{Suited, is_data, suited};
use frit::eval::Evaluation;
use frit::eval::metrics::{headline, metric, name};
use frit::io::format::{lasting, quoted, short};
use frit::run::find::{RUNS, find, refuse_as_data};
use frit::run::folder::Run;
use frit::run::frozen::refuse_default_data;
use frit::terminal::Terminal;
use frit::train::{DryRun, Length, StepTime, Summary, TrainOptions, Trained};
use gpu_core::DeviceChoice;
use models::{Corruption, ModelConfig};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Trains; `given` are the flags of the command line, for a message.
pub(crate) fn train(args: &args::Train, given: &str, launch: &Launch, terminal: &Terminal) -> Result<Ending> {
    let (recipe, config) = configuration(args, given, terminal)?;
    let options = TrainOptions {
        name: recipe_name(&recipe),
        length: Length { epochs: args.epochs, steps: args.steps },
        micro_batch: args.micro_batch.map(Into::into),
        device: launch.device(args.device.all(DeviceChoice::Auto))?,
        init: args.init.clone(),
        out: args.out.clone(),
        terminal: *terminal,
        exchange: launch.exchange(),
        ..TrainOptions::new(config)
    };
    if args.dry_run {
        return dry_run(options);
    }
    let interrupt = on_interrupt()?;
    if !launch.speaks() {
        frit::train::follow(options)?;
        return Ok(Ending::Done);
    }
    finish(frit::train::train(TrainOptions { interrupt, ..options })?, terminal, args.json)
}

/// Prints the data, the model, the memory and the estimated time; with `-v`, also every setting.
fn dry_run(options: TrainOptions) -> Result<Ending> {
    let DryRun { config, data, backend, time } = frit::train::dry_run(options)?;
    super::show::summary(&config, &data, backend.as_ref())?;
    // Everything but the time is known without a device.
    print_time(&time?)?;
    if log::log_enabled!(log::Level::Info) {
        out!("")?;
        out!("{}", config.to_toml()?.trim_end())?;
    }
    Ok(Ending::Done)
}

fn print_time(time: &StepTime) -> Result<()> {
    let [epoch, run] = time.seconds().map(lasting);
    let StepTime { step, per_epoch, total, device } = time;
    out!("time on {device}: {:.1} ms per step", 1e3 * step.as_secs_f64())?;
    out!("about {epoch} per epoch of {per_epoch} steps and {run} for all {total} steps, without evaluation and samples")
}

/// A flag that Ctrl-C and a request to terminate set.
pub(super) fn on_interrupt() -> Result<Arc<AtomicBool>> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let flag = interrupt.clone();
    signals::on_interrupt(move || flag.store(true, Ordering::Relaxed))?;
    Ok(interrupt)
}

/// Prints the summary and the result of a training.
pub(super) fn finish(trained: Trained, terminal: &Terminal, json: bool) -> Result<Ending> {
    let path = trained.path.display();
    let Some(metrics) = &trained.metrics else {
        terminal.say_interrupted(&interrupted(&trained.path));
        return Ok(Ending::Interrupted);
    };
    if !trained.was_complete {
        say_summary(&trained, terminal)?;
    }
    match json {
        true => put_json("train", serde_json::Value::Object(metrics.clone()))?,
        false => out!("{path}{}", last_line(metrics))?,
    }
    Ok(Ending::Done)
}

/// The message after an interrupted training.
pub(super) fn interrupted(run: &Path) -> String {
    format!("interrupted; saved in {}; continue with `frit resume {}`", run.display(), quoted(run))
}

/// Says how long training took, which epoch was the best, where the files are, and which commands come next.
fn say_summary(trained: &Trained, terminal: &Terminal) -> Result<()> {
    let Summary { epochs, steps, elapsed, best, samples, report, .. } = trained.summary()?;
    let count = |count: u64, of: &str| format!("{count} {of}{}", if count == 1 { "" } else { "s" });
    let took = elapsed.map(|seconds| format!(" in {}", lasting(seconds))).unwrap_or_default();
    let best_is_earlier = best.as_ref().is_some_and(|(.., epoch)| *epoch < epochs);
    let best = best.map(|(key, value, epoch)| {
        let unit = metric(&key).map_or("", |metric| metric.unit);
        format!("; best {} {} {unit}", name(&key), short(value)).trim_end().to_string() + &format!(" at epoch {epoch}")
    });
    let (epochs, steps) = (count(epochs, "epoch"), count(steps, "step"));
    terminal.say(&format!("trained {epochs}, {steps}{took}{}", best.unwrap_or_default()));
    let images = format!("{}s", trained.session.data.noun());
    for (name, path) in [(images.as_str(), samples), ("report", report)] {
        if let Some(path) = path {
            terminal.say(&format!("  {name}: {}", path.display()));
        }
    }
    let run = quoted(&trained.path) + if best_is_earlier { " --best" } else { "" };
    let model = &trained.session.model;
    let translates = model.translator().is_some();
    let corruption = trained.session.config.model.corruption();
    let (restores, masked) = (corruption.is_some(), matches!(corruption, Some(Corruption::Mask(_))));
    let samples = model.sampler().is_some() || model.sequencer().is_some();
    let draw = match (samples, model.reconstructor().is_some(), translates) {
        (true, ..) => format!("`frit sample {run}`, "),
        (_, true, _) => format!("`frit reconstruct {run}`, "),
        (.., true) if masked => format!("`frit restore {run} --images PHOTOS --mask MASK.png`, "),
        (.., true) if restores => format!("`frit restore {run} --images PHOTOS`, "),
        (.., true) => format!("`frit translate {run} --images PHOTOS`, "),
        _ => String::new(),
    };
    terminal.say(&format!("  next: {draw}`frit eval {run}`"));
    Ok(())
}

/// The first metric of the table: `: test −ELBO 105.50 nats/image`.
fn last_line(metrics: &Evaluation) -> String {
    let line =
        headline(metrics).map(|(metric, value)| format!(": test {} {} {}", metric.name, short(value), metric.unit));
    line.unwrap_or_default().trim_end().into()
}

/// The name of a recipe: of a file, without its extension.
fn recipe_name(recipe: &str) -> String {
    let stem = Path::new(recipe).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or_else(|| recipe.into())
}

/// The recipe and the configuration: the recipe's settings, then those of the command line. Of data in the recipe's
/// place, the recipe is one that suits them.
fn configuration(args: &args::Train, given: &str, terminal: &Terminal) -> Result<(String, Config)> {
    let is_recipe = recipes::text(&args.recipe).is_some() || !is_data(&args.recipe)?;
    let (recipe, config) = if is_recipe {
        (args.recipe.clone(), Config::load(&args.recipe)?)
    } else {
        ensure!(
            args.data.is_none(),
            "'{}' is data, and --data names data too; name a recipe (see `frit recipes`), or leave out --data",
            args.recipe
        );
        suiting(args, given, terminal)?
    };
    let mut config = args.settings.apply(config)?;
    let train = &mut config.train;
    train.save_every = args.save_every.unwrap_or(train.save_every);
    train.sample_every = args.sample_every.unwrap_or(train.sample_every);
    train.shuffle &= !args.no_shuffle;
    if let Some(source) = &args.data {
        let keeps_b = args.settings.gives(&config, "data.b");
        config.data.take(source, keeps_b);
    }
    if let Some(run) = &args.codes {
        let name = config.name();
        let ModelConfig::Prior(prior) = &mut config.model else {
            bail!("--codes is for the family prior, and {} is of the family {name}; leave it out", args.recipe)
        };
        prior.codes = find(Some(run), RUNS.as_ref())?.display().to_string();
    }
    if let Some(run) = &args.latents {
        let name = config.name();
        let ModelConfig::RealNvp(flow) = &mut config.model else {
            bail!("--latents is for the family realnvp, and {} is of the family {name}; leave it out", args.recipe)
        };
        flow.latents = find(Some(run), RUNS.as_ref())?.display().to_string();
    }
    if args.data.is_some() || args.settings.gives(&config, "data.source") {
        refuse_default_data(&config)?;
    }
    Ok((recipe, config))
}

/// The recipe for a data set, and its configuration; says in two lines why, and by which command the training is
/// repeated.
fn suiting(args: &args::Train, given: &str, terminal: &Terminal) -> Result<(String, Config)> {
    let source = &args.recipe;
    let path = Path::new(source);
    ensure!(
        !Run::is_at(path),
        "'{source}' is a run; continue it with `frit resume {0}`, or repeat it with `frit train {0}/config.toml`",
        quoted(path)
    );
    refuse_as_data(source)?;
    let options = args.settings.data(DataOptions { source: source.clone(), ..DataOptions::default() })?;
    ensure!(
        options.source == *source,
        "'{source}' is data, and --set data.source names data too; name a recipe (see `frit recipes`), or leave it out"
    );
    let Suited { recipe, settings, facts, reason } = suited(&options)?;
    let mut config = Config::load(recipe)?;
    config.data.take(source, false);
    let mut flags = String::new();
    for setting in &settings {
        config = config.with(setting)?;
        flags += &match setting.split_once('=') {
            Some((key, _)) if args.settings.gives(&config, key) => String::new(),
            Some(("data.size", size)) => format!(" --size {size}"),
            Some(("train.batch_size", images)) => format!(" --batch-size {images}"),
            _ => format!(" --set {setting}"),
        };
    }
    terminal.say(&format!("{source}: {facts}"));
    terminal.say(&format!("as `frit train {recipe} --data {}{flags}{given}`: {reason}", quoted(path)));
    Ok((recipe.into(), config))
}
