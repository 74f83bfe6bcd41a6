//! `frit verify`: a recipe trained, and what it reached beside what it should reach.

use crate::Ending;
use crate::args;
use crate::commands::train::load;
use crate::commands::trained::step_of;
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::eval::measure::{Asked, measure, origin};
use frit::eval::measures::{Figures, names};
use frit::eval::quality;
use frit::io::format::short;
use frit::run::checkpoint::Checkpoint;
use frit::run::device;
use frit::run::environment::environment;
use frit::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard};
use frit::run::folder::Run;
use frit::run::session::{Session, spec};
use frit::terminal::Terminal;
use frit::train::progress::Progress;
use frit::train::training::{Outcome, Trainer};
use gpu_core::DeviceChoice;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tempfile::TempDir;

/// Trains a recipe as it stands and compares the figures that its section `target` names. Ends with 1 where one lies
/// outside.
pub(crate) fn verify(args: &args::Verify, terminal: &Terminal) -> Result<Ending> {
    let since = Instant::now();
    let mut config = args.show.configuration()?;
    let targets = config.target.clone();
    check_ranges(&targets, &args.show.recipe)?;
    let place = Place::of(args)?;
    let interrupts = Interrupts::listen(&place, *terminal)?;
    let data = load(&config)?;
    config.resolve_decay(EpochPlan::new(&config, data.train.count).total)?;
    config.check(&spec(&config, &data), data.train.count)?;
    let (backend, why) = device::open(&args.device.options(DeviceChoice::Auto))?;
    terminal.say(&format!("running on {why}"));
    fit_shard(&mut config, &data, binding_bytes(&backend))?;
    let mut session = Session::open(config, data.into(), &backend)?;
    check_names(&targets, &names(&session, &backend)?)?;
    session.initialise()?;
    let trainer = Trainer::new(&mut session, terminal, Progress::default(), |session| {
        let run = Run::create(&place.run)?;
        run.write_environment(&environment(&backend, session))?;
        Ok(run)
    })?;
    if interrupts.while_training(|flag| trainer.train(flag))? {
        terminal.say(&place.interrupted(&args.show.recipe));
        return Ok(Ending::Interrupted);
    }
    let generative = targets.keys().any(|name| quality::NAMES.contains(&name.as_str()));
    let mut figures = measure(&Asked { generative, ..Asked::default() }, &mut session, &backend, terminal)?;
    let run = Run::open_to_read(&place.run)?;
    figures.extend(origin(&run, "latest", false, step_of(&Checkpoint::load(&run.latest())?)));
    let met = verdicts(&targets, &figures);
    run.write_evaluation(&Value::Object(figures), terminal);
    let seconds = since.elapsed().as_secs_f64();
    if args.show.json {
        out!("{}", json!({ "targets": met, "seconds": seconds }))?;
    } else {
        met.iter().try_for_each(|verdict| out!("{}", verdict.line()))?;
        out!("{} in {seconds:.0} s on {}", args.show.recipe, session.device)?;
    }
    Ok(if met.iter().all(|verdict| verdict.met) { Ending::Done } else { Ending::Failed })
}

/// Where the run is: the folder asked for, or one that goes after, whatever ends the command.
struct Place {
    run: PathBuf,
    passing: Option<TempDir>,
}

impl Place {
    fn of(args: &args::Verify) -> Result<Self> {
        if let Some(run) = args.out.clone() {
            Run::refuse_existing(&run)?;
            return Ok(Self { run, passing: None });
        }
        let passing = tempfile::tempdir()?;
        Ok(Self { run: passing.path().join("run"), passing: Some(passing) })
    }

    fn interrupted(&self, recipe: &str) -> String {
        let path = self.run.display();
        match self.passing {
            Some(_) => format!("interrupted; start again with: frit verify {recipe}"),
            None => format!("interrupted; saved in {path}, go on with: frit resume {path}"),
        }
    }
}

/// What Ctrl-C and a request to end do: training ends with the step it is at, and anything else at once, the folder
/// that goes after being removed first.
struct Interrupts {
    seen: Arc<AtomicBool>,
    training: Arc<AtomicBool>,
}

impl Interrupts {
    fn listen(place: &Place, terminal: Terminal) -> Result<Self> {
        let listening = Self { seen: Arc::default(), training: Arc::default() };
        let (seen, training) = (listening.seen.clone(), listening.training.clone());
        let passing = place.passing.as_ref().map(|folder| folder.path().to_path_buf());
        let run = place.run.clone();
        let handler = move || {
            seen.store(true, Ordering::SeqCst);
            if !training.load(Ordering::SeqCst) {
                let stands = passing.is_none() && run.exists();
                let said = stands.then(|| format!("; {} stands as it is, for frit resume or frit eval", run.display()));
                terminal.say(&format!("interrupted{}", said.unwrap_or_default()));
                passing.iter().for_each(|folder| drop(fs::remove_dir_all(folder)));
                exit(Ending::INTERRUPTED.into());
            }
        };
        ctrlc::set_handler(handler)
            .context("the handler for Ctrl-C could not be installed; run frit from another shell")?;
        Ok(listening)
    }

    /// Trains. Returns whether an interrupt came meanwhile.
    fn while_training(&self, train: impl FnOnce(&AtomicBool) -> Result<Outcome>) -> Result<bool> {
        self.training.store(true, Ordering::SeqCst);
        let outcome = train(&self.seen);
        self.training.store(false, Ordering::SeqCst);
        // One that came with the last step left the end to this command.
        Ok(matches!(outcome?, Outcome::Interrupted) || self.seen.load(Ordering::SeqCst))
    }
}

/// Refuses a section of targets that says nothing, before anything is trained.
fn check_ranges(targets: &BTreeMap<String, [f64; 2]>, recipe: &str) -> Result<()> {
    ensure!(
        !targets.is_empty(),
        "{recipe} has no section [target]; say there which figures of `frit eval` should lie where, as in neg_elbo = \
         [105, 107]"
    );
    for (name, [from, to]) in targets {
        ensure!(
            from.is_finite() && to.is_finite(),
            "the target {name} goes from {from} to {to}, which are not both numbers; give the least and the greatest \
             value"
        );
        ensure!(
            from <= to,
            "the target {name} goes from {from} to {to}, so nothing can meet it; give the lesser number first"
        );
    }
    Ok(())
}

/// Refuses targets that the model has no figures for.
fn check_names(targets: &BTreeMap<String, [f64; 2]>, known: &[&str]) -> Result<()> {
    match targets.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("the target {name} is no figure of this model; use one of {}", known.join(", ")),
        None => Ok(()),
    }
}

/// What a figure came to beside its target.
#[derive(Debug, Serialize)]
struct Verdict {
    figure: String,
    /// Null where it was not measured, or is not finite.
    value: Option<f64>,
    from: f64,
    to: f64,
    met: bool,
}

impl Verdict {
    fn line(&self) -> String {
        let Self { figure, value, from, to, met } = self;
        let verdict = if *met { "as it should be" } else { "OUTSIDE" };
        let value = value.map_or("none".into(), short);
        format!("{figure:16} {value:>10}  from {} to {}: {verdict}", short(*from), short(*to))
    }
}

fn verdicts(targets: &BTreeMap<String, [f64; 2]>, figures: &Figures) -> Vec<Verdict> {
    let verdict = |(name, &[from, to]): (&String, &[f64; 2])| {
        let value = figures.get(name).and_then(Value::as_f64);
        let met = value.is_some_and(|value| (from..=to).contains(&value));
        Verdict { figure: name.clone(), value, from, to, met }
    };
    targets.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str, range: [f64; 2]) -> BTreeMap<String, [f64; 2]> {
        BTreeMap::from([(name.to_string(), range)])
    }

    #[test]
    fn a_figure_is_met_within_its_range() {
        let figures = Figures::from_iter([("kl".to_string(), json!(20.5)), ("recall".into(), json!(f64::NAN))]);
        let met = |name: &str, range| verdicts(&target(name, range), &figures)[0].met;
        assert!(met("kl", [20.0, 21.0]) && met("kl", [20.5, 20.5]));
        assert!(!met("kl", [20.6, 30.0]) && !met("kl", [0.0, 20.4]) && !met("recall", [0.0, 1.0]));
        assert!(verdicts(&target("recall", [0.0, 1.0]), &figures)[0].line().contains("none  from 0.000 to 1.000: OUT"));
    }

    #[test]
    fn what_can_never_be_met_is_refused() {
        let said = |targets: BTreeMap<_, _>| check_ranges(&targets, "vae").unwrap_err().to_string();
        assert!(said(BTreeMap::new()).starts_with("vae has no section [target];"));
        assert!(said(target("kl", [300.0, 200.0])).contains("target kl goes from 300 to 200"));
        for range in [[0.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert!(said(target("kl", range)).contains("not both numbers"));
        }
        let said = check_names(&target("nmse", [0.0, 1.0]), &["recon", "kl"]).unwrap_err().to_string();
        assert_eq!(said, "the target nmse is no figure of this model; use one of recon, kl");
    }
}
