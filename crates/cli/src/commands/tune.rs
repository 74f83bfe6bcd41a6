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
    /// The variant by the table, the fastest one, and the one chosen.
    table: &'static str,
    fastest: &'static str,
    chosen: &'static str,
}

pub(crate) fn tune(args: &args::Tune, terminal: &Terminal) -> Result<Ending> {
    let Inputs { config, data, .. } = Inputs::load(args.show.configuration()?, Length::default(), None)?;
    let (backend, why) = device::open(&args.device.options(DeviceChoice::Auto))?;
    let Backend::Gpu(device) = backend.with_policy(VariantPolicy::Table) else {
        bail!("the CPU has no shader variants; use --device gpu");
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
    choices.extend(found.iter().map(|tuned| (tuned.class.clone(), tuned.chosen.to_string())));
    let path = device::keep(&device.caps, half, &choices)?;
    if args.show.json {
        put_json("tune", json!({ "device": device.caps.to_string(), "file": path, "classes": json_of(&found) }))?;
        return Ok(Ending::Done);
    }
    found.iter().try_for_each(print)?;
    let gains = found.iter().filter(|tuned| tuned.chosen != tuned.table).count();
    out!(
        "{} classes of calls, {gains} with a variant other than the built-in one; saved to {}",
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
    Ok(pick(&trials, table).map(|(fastest, chosen)| Tuned { class, trials, table, fastest, chosen }))
}

/// The fastest variant, and the one to use: the table's, unless another is faster by a margin, so that noise changes
/// nothing. `None` if none ran.
fn pick(trials: &[Trial], table: &str) -> Option<(&'static str, &'static str)> {
    let handicap = |name| if name == table { 1.0 } else { WORTH };
    let timed = || trials.iter().filter_map(|trial| Some((trial.name, trial.result.as_ref().ok()?.as_secs_f64())));
    let least = |timed: &mut dyn Iterator<Item = (&'static str, f64)>| timed.min_by(|a, b| a.1.total_cmp(&b.1));
    let fastest = least(&mut timed())?.0;
    let chosen = least(&mut timed().map(|(name, seconds)| (name, seconds * handicap(name))))?.0;
    Some((fastest, chosen))
}

fn print(tuned: &Tuned) -> Result<()> {
    out!("{}", tuned.class)?;
    let time = |name| tuned.trials.iter().find(|trial| trial.name == name).and_then(|trial| trial.result.as_ref().ok());
    for trial in &tuned.trials {
        match &trial.result {
            Ok(took) => out!("  {:34} {:10.3} ms  {}", trial.name, ms(*took), marks(tuned, trial.name))?,
            Err(why) => out!("  {:34} rejected: {why}", trial.name)?,
        }
    }
    if let (Some(table), Some(chosen)) = (time(tuned.table), time(tuned.chosen)) {
        let kept = if tuned.chosen == tuned.table && tuned.fastest != tuned.table {
            format!("; the built-in variant stays, because none is faster by {:.0} %", 100.0 * (WORTH - 1.0))
        } else {
            String::new()
        };
        out!("  speedup over the built-in variant: {:.2}{kept}", table.as_secs_f64() / chosen.as_secs_f64())?;
    }
    Ok(())
}

/// Marks of a variant: of the table, the fastest, the one chosen.
fn marks(tuned: &Tuned, name: &str) -> String {
    let all = [(tuned.table, "table"), (tuned.fastest, "fastest"), (tuned.chosen, "chosen")];
    all.into_iter().filter(|(of, _)| *of == name).map(|(_, mark)| mark).collect::<Vec<_>>().join(", ")
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
            "fastest": tuned.fastest,
            "chosen": tuned.chosen,
            "trials": tuned.trials.iter().map(trial).collect::<Vec<_>>(),
        })
    };
    found.iter().map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table's variant takes 100 µs, another one `micros`.
    fn tuned(micros: u64) -> Tuned {
        let trial = |name, micros| Trial { name, result: Ok(Duration::from_micros(micros)) };
        let broken = Trial { name: "broken", result: Err("it does not compile".into()) };
        let trials = vec![trial("table", 100), trial("other", micros), broken];
        let (fastest, chosen) = pick(&trials, "table").expect("two ran");
        Tuned { class: "a class".into(), trials, table: "table", fastest, chosen }
    }

    #[test]
    fn another_variant_is_chosen_only_if_it_is_faster_by_a_margin() {
        let marked = |micros| ["table", "other"].map(|name| marks(&tuned(micros), name));
        assert_eq!(marked(120), ["table, fastest, chosen", ""]);
        assert_eq!(marked(97), ["table, chosen", "fastest"]);
        assert_eq!(marked(90), ["table", "fastest, chosen"]);
        assert_eq!(pick(&tuned(90).trials[2..], "table"), None);
    }
}
