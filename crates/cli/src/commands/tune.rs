//! `frit tune`: benchmarks the shader variants of a model on this device, and caches the fastest.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::{Result, bail};
use frit::config::Config;
use frit::data::DataSet;
use frit::run::device::{self, Choices};
use frit::run::epoch_plan::{EpochPlan, training};
use frit::run::session::spec;
use frit::terminal::Terminal;
use frit::train::{Inputs, Length};
use gpu_core::Device;
use gpu_core::tuning::{Trial, trials};
use gpu_core::{Backend, Call, DeviceChoice, VariantPolicy, class};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The speedup over the table's variant from which another one is chosen.
const WORTH: f64 = 1.05;

/// A class of calls, with the trials of its variants.
struct Tuned {
    class: String,
    trials: Vec<Trial>,
    /// The variant by the table, and the fastest.
    table: &'static str,
    best: &'static str,
}

pub(crate) fn tune(args: &args::Tune, terminal: &Terminal) -> Result<Ending> {
    let Inputs { config, data, .. } = Inputs::load(args.show.configuration()?, Length::default(), None)?;
    let (backend, why) = device::open(&args.device.options(DeviceChoice::Auto))?;
    let Backend::Gpu(device) = backend.with_policy(VariantPolicy::Table) else {
        bail!("the CPU executor has no shader variants; use --device gpu");
    };
    terminal.say(&format!("tuning {} on {why}", args.show.recipe));
    let work = work(&config, &data);
    let mut found = Vec::new();
    for (index, (class, step)) in work.into_iter().enumerate() {
        terminal.say(&format!("{:3}  {class}", index + 1));
        found.extend(try_all(&device, class, &step, args.device.half)?);
    }
    let half = args.device.half;
    let mut choices: Choices = device::tuned(&device.caps, half).unwrap_or_default();
    choices.extend(found.iter().map(|tuned| (tuned.class.clone(), tuned.best.to_string())));
    let path = device::keep(&device.caps, half, &choices)?;
    if args.show.json {
        put_json("tune", json!({ "device": device.caps.to_string(), "file": path, "classes": json_of(&found) }))?;
        return Ok(Ending::Done);
    }
    found.iter().try_for_each(print)?;
    let gains = found.iter().filter(|tuned| tuned.best != tuned.table).count();
    out!(
        "{} classes of calls, {gains} with another variant than the table's; saved to {}",
        found.len(),
        path.display()
    )?;
    Ok(Ending::Done)
}

/// One call of every class in a model's training steps, for full and partial batches.
fn work(config: &Config, data: &DataSet) -> BTreeMap<String, Call> {
    let model = config.build(&spec(config, data));
    let mut work = BTreeMap::new();
    for size in EpochPlan::new(config, data.train.count).sizes() {
        for phase in model.train(size.batch, &training(config, size, 0)) {
            for step in phase.schedule.calls() {
                if let Some(class) = class(step) {
                    work.entry(class).or_insert_with(|| step.clone());
                }
            }
        }
    }
    work
}

/// `None` if there is only one variant.
fn try_all(device: &Device, class: String, step: &Call, half: bool) -> Result<Option<Tuned>> {
    let trials = trials(device, step, half)?;
    let Some(table) = device.variant(step).map(|variant| variant.name) else { return Ok(None) };
    // Others must be faster by a margin, so that noise changes nothing.
    let handicap = |name| if name == table { 1.0 } else { WORTH };
    let timed = trials.iter().filter_map(|trial| Some((trial.name, trial.result.as_ref().ok()?.as_secs_f64())));
    let timed = timed.map(|(name, seconds)| (name, seconds * handicap(name)));
    let best = timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, _)| name);
    Ok(best.map(|best| Tuned { class, trials, table, best }))
}

fn print(tuned: &Tuned) -> Result<()> {
    out!("{}", tuned.class)?;
    let time = |name| tuned.trials.iter().find(|trial| trial.name == name).and_then(|trial| trial.result.as_ref().ok());
    for trial in &tuned.trials {
        let mark = match trial.name {
            name if name == tuned.best => "fastest",
            name if name == tuned.table => "table",
            _ => "",
        };
        match &trial.result {
            Ok(took) => out!("  {:34} {:10.3} ms  {mark}", trial.name, ms(*took))?,
            Err(why) => out!("  {:34} rejected: {why}", trial.name)?,
        }
    }
    if let (Some(table), Some(best)) = (time(tuned.table), time(tuned.best)) {
        out!("  speedup over the table: {:.2}", table.as_secs_f64() / best.as_secs_f64())?;
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn json_of(found: &[Tuned]) -> Value {
    let trial = |trial: &Trial| match &trial.result {
        Ok(took) => json!({ "name": trial.name, "ms": ms(*took) }),
        Err(why) => json!({ "name": trial.name, "refused": why }),
    };
    let class = |tuned: &Tuned| {
        json!({
            "class": tuned.class,
            "table": tuned.table,
            "best": tuned.best,
            "trials": tuned.trials.iter().map(trial).collect::<Vec<_>>(),
        })
    };
    found.iter().map(class).collect()
}
