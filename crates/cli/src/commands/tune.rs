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
use frit::run::step_timer::StepTimer;
use frit::run::tuning::{Candidate, Effect, accept};
use frit::terminal::Terminal;
use frit::train::{Inputs, Length, Setup};
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
    /// Calls of the class in a step of each size.
    calls: usize,
    trials: Vec<Trial>,
    /// The variant by the table, the fastest one, and the one chosen.
    table: &'static str,
    fastest: &'static str,
    chosen: &'static str,
}

pub(crate) fn tune(args: &args::Tune, terminal: &Terminal) -> Result<Ending> {
    let inputs = Inputs::load(args.show.configuration()?, Length::default(), None)?;
    let mut setup = inputs.open(&args.device.options(DeviceChoice::Auto), terminal)?;
    setup.backend = setup.backend.with_policy(VariantPolicy::Table);
    let Backend::Gpu(device) = &setup.backend else {
        bail!("the CPU has no shader variants; use --device gpu");
    };
    let half = args.device.half;
    let mut found = Vec::new();
    for (index, (class, (call, calls))) in work(&setup.config, &setup.data).into_iter().enumerate() {
        terminal.say(&format!("{:3}  {class}", index + 1));
        found.extend(try_all(device, class, &call, calls, half)?);
    }
    let built_in: Choices = found.iter().map(|tuned| (tuned.class.clone(), tuned.table.to_string())).collect();
    terminal.say("comparing whole training steps");
    let (accepted, effects) = accept(built_in, candidates(&found), |choices| timer(&setup, choices))?;
    for tuned in &mut found {
        tuned.settle(&accepted[&tuned.class]);
    }
    let mut choices: Choices = device::tuned(&device.caps, half).unwrap_or_default();
    choices.extend(accepted);
    let path = device::keep(&device.caps, half, &choices)?;
    if args.show.json {
        let (classes, variants) = (json_of(&found), json_of_effects(&effects));
        let device = device.caps.to_string();
        put_json("tune", json!({ "device": device, "file": path, "classes": classes, "variants": variants }))?;
        return Ok(Ending::Done);
    }
    found.iter().try_for_each(print)?;
    effects.iter().try_for_each(print_effect)?;
    let gains = found.iter().filter(|tuned| tuned.chosen != tuned.table).count();
    out!(
        "{} classes of calls, {gains} with a variant other than the built-in one; saved to {}",
        found.len(),
        path.display()
    )?;
    Ok(Ending::Done)
}

/// The variants that won a class, the largest gain in a step first.
fn candidates(found: &[Tuned]) -> Vec<Candidate> {
    let mut candidates: Vec<(f64, Candidate)> = Vec::new();
    for tuned in found.iter().filter(|tuned| tuned.chosen != tuned.table) {
        let place = candidates.iter().position(|(_, candidate)| candidate.variant == tuned.chosen);
        let place = place.unwrap_or_else(|| {
            candidates.push((0.0, Candidate { variant: tuned.chosen, classes: Vec::new() }));
            candidates.len() - 1
        });
        let (gain, candidate) = &mut candidates[place];
        *gain += tuned.gain();
        candidate.classes.push(tuned.class.clone());
    }
    candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    candidates.into_iter().map(|(_, candidate)| candidate).collect()
}

/// A timer of the training steps with those variants.
fn timer(setup: &Setup, choices: &Choices) -> frit::Result<StepTimer> {
    let backend = setup.backend.clone().with_policy(VariantPolicy::tuned(choices.clone()));
    let setup = Setup { config: setup.config.clone(), data: setup.data.clone(), backend, frozen: setup.frozen.clone() };
    StepTimer::start(setup.start()?, &EpochPlan::new(&setup.config, setup.data.epoch_images()))
}

impl Tuned {
    /// The time of a variant, if it ran.
    fn time(&self, name: &str) -> Option<Duration> {
        self.trials.iter().find(|trial| trial.name == name)?.result.as_ref().ok().copied()
    }

    /// Seconds that the chosen variant saves in a step, by its calls timed alone.
    fn gain(&self) -> f64 {
        let times = self.time(self.table).zip(self.time(self.chosen));
        self.calls as f64 * times.map_or(0.0, |(table, chosen)| table.as_secs_f64() - chosen.as_secs_f64())
    }

    /// Goes back to the table's variant if the chosen one was not accepted.
    fn settle(&mut self, accepted: &str) {
        if self.chosen != accepted {
            self.chosen = self.table;
        }
    }
}

/// One call of every class in a model's training steps, for full and partial batches, with the number of such calls.
fn work(config: &Config, data: &DataSet) -> BTreeMap<String, (Call, usize)> {
    let model = config.build(&spec(config, data));
    let mut work = BTreeMap::new();
    for size in EpochPlan::new(config, data.epoch_images()).sizes() {
        for phase in model.train(size.batch, &training(config, size, 0)) {
            for step in phase.schedule.calls() {
                if let Some(class) = class(step) {
                    work.entry(class).or_insert_with(|| (step.clone(), 0)).1 += phase.times;
                }
            }
        }
    }
    work
}

/// `None` if there is only one variant.
fn try_all(device: &Device, class: String, step: &Call, calls: usize, half: bool) -> Result<Option<Tuned>> {
    let trials = trials(device, step, half)?;
    let Some(table) = device.variant(step).map(|variant| variant.name) else { return Ok(None) };
    Ok(pick(&trials, table).map(|(fastest, chosen)| Tuned { class, calls, trials, table, fastest, chosen }))
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
    for trial in &tuned.trials {
        match &trial.result {
            Ok(took) => out!("  {:34} {:10.3} ms  {}", trial.name, ms(*took), marks(tuned, trial.name))?,
            Err(why) => out!("  {:34} rejected: {why}", trial.name)?,
        }
    }
    if let (Some(table), Some(chosen)) = (tuned.time(tuned.table), tuned.time(tuned.chosen)) {
        out!("  speedup over the built-in variant: {:.2}", table.as_secs_f64() / chosen.as_secs_f64())?;
    }
    Ok(())
}

fn print_effect(effect: &Effect) -> Result<()> {
    let [without, with] = effect.step.map(ms);
    let verdict = if effect.accepted { "accepted" } else { "not accepted" };
    let Candidate { variant, classes } = &effect.candidate;
    let count = match classes.len() {
        1 => "1 class".to_string(),
        n => format!("{n} classes"),
    };
    out!("{variant:36} in {count}: {without:.3} ms a step without it, {with:.3} ms with it; {verdict}")
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

fn json_of_effects(effects: &[Effect]) -> Value {
    let effect = |effect: &Effect| {
        let [without, with] = effect.step.map(ms);
        let Candidate { variant, classes } = &effect.candidate;
        json!({
            "variant": variant,
            "classes": classes,
            "ms_without": without,
            "ms_with": with,
            "accepted": effect.accepted,
        })
    };
    effects.iter().map(effect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call for which the table's variant takes 100 µs, another one `micros`.
    fn tuned(micros: u64) -> Tuned {
        let trial = |name, micros| Trial { name, result: Ok(Duration::from_micros(micros)) };
        let broken = Trial { name: "broken", result: Err("it does not compile".into()) };
        let trials = vec![trial("table", 100), trial("other", micros), broken];
        let (fastest, chosen) = pick(&trials, "table").expect("two ran");
        Tuned { class: format!("{micros}"), calls: 2, trials, table: "table", fastest, chosen }
    }

    #[test]
    fn another_variant_is_chosen_only_if_it_is_faster_by_a_margin() {
        let marked = |micros| ["table", "other"].map(|name| marks(&tuned(micros), name));
        assert_eq!(marked(120), ["table, fastest, chosen", ""]);
        assert_eq!(marked(97), ["table, chosen", "fastest"]);
        assert_eq!(marked(90), ["table", "fastest, chosen"]);
        assert_eq!(pick(&tuned(90).trials[2..], "table"), None);
    }

    #[test]
    fn candidates_are_ordered_by_what_they_save() {
        let chosen = |micros, chosen| Tuned { chosen, ..tuned(micros) };
        let found = [chosen(60, "table"), chosen(80, "other"), chosen(70, "third"), chosen(70, "other")];
        // "third" was not timed.
        let candidates = candidates(&found);
        let named: Vec<_> = candidates.iter().map(|Candidate { variant, classes }| (*variant, classes.len())).collect();
        assert_eq!(named, [("other", 2), ("third", 1)]);
        assert!((found[1].gain() - 40e-6).abs() < 1e-12);
    }

    #[test]
    fn a_class_goes_back_to_the_table_if_the_step_is_not_faster() {
        let [mut kept, mut dropped] = [tuned(50), tuned(50)];
        kept.settle("other");
        dropped.settle("table");
        assert_eq!([kept.chosen, dropped.chosen], ["other", "table"]);
    }
}
