//! `frit verify`: a recipe trained, and what it reached beside what it should reach.

use crate::Ending;
use crate::args;
use crate::commands::eval::{Asked, measure};
use crate::commands::train::load;
use crate::device;
use crate::measures::Figures;
use crate::progress::Progress;
use crate::run::Run;
use crate::session::{Session, spec};
use crate::steps::{Steps, binding_bytes, fit_shard};
use crate::terminal::{Terminal, out};
use crate::training::{Outcome, Trainer};
use crate::wording::short;
use anyhow::{Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Figures that need pictures drawn.
const GENERATIVE: [&str; 6] = ["frechet", "kernel_distance", "precision", "recall", "density", "coverage"];

/// Trains a recipe as it stands and compares the figures that its section `target` names. Ends with 1 where one lies
/// outside.
pub(crate) fn verify(args: &args::Verify, terminal: &Terminal) -> Result<Ending> {
    let since = Instant::now();
    let mut config = args.show.configuration()?;
    let targets = config.target.clone();
    ensure!(
        !targets.is_empty(),
        "{} has no section [target]; say there which figures of `frit eval` should lie where, as in neg_elbo = [105, \
         107]",
        args.show.recipe
    );
    let data = load(&config)?;
    config.resolve_decay(Steps::new(&config, data.train.count).total)?;
    config.check(&spec(&config, &data), data.train.count)?;
    let (backend, why) = device::open(&args.device)?;
    terminal.say(&format!("running on {why}"));
    fit_shard(&mut config, &data, binding_bytes(&backend))?;
    let mut session = Session::open(config, data.into(), &backend)?;
    session.initialise()?;
    let place = tempfile::tempdir()?;
    let path = args.out.clone().unwrap_or_else(|| place.path().join("run"));
    let trainer = Trainer::new(&mut session, terminal, Progress::default(), |_| Run::create(&path))?;
    if let Outcome::Interrupted = trainer.train(&AtomicBool::new(false))? {
        bail!("the training was interrupted; start `frit verify` again");
    }
    let generative = targets.keys().any(|name| GENERATIVE.contains(&name.as_str()));
    let figures = measure(&Asked { generative, ..Asked::default() }, &mut session, &backend, terminal)?;
    let seconds = since.elapsed().as_secs_f64();
    let met = verdicts(&targets, &figures)?;
    if args.show.json {
        out!("{}", json!({ "targets": met, "seconds": seconds }))?;
    } else {
        for Verdict { figure, value, from, to, met } in &met {
            let verdict = if *met { "as it should be" } else { "OUTSIDE" };
            let [value, from, to] = [value, from, to].map(|x| short(*x));
            out!("{figure:16} {value:>10}  from {from} to {to}: {verdict}")?;
        }
        out!("{} in {seconds:.0} s on {}", args.show.recipe, session.device)?;
    }
    Ok(if met.iter().all(|verdict| verdict.met) { Ending::Done } else { Ending::Failed })
}

/// What a figure came to beside its target.
#[derive(Debug, Serialize)]
struct Verdict {
    figure: String,
    value: f64,
    from: f64,
    to: f64,
    met: bool,
}

fn verdicts(targets: &BTreeMap<String, [f64; 2]>, figures: &Figures) -> Result<Vec<Verdict>> {
    let verdict = |(name, &[from, to]): (&String, &[f64; 2])| {
        let Some(value) = figures.get(name).and_then(Value::as_f64) else {
            let known: Vec<_> =
                figures.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| &**name).collect();
            bail!("the target {name} is no figure of this model; use one of {}", known.join(", "));
        };
        Ok(Verdict { figure: name.clone(), value, from, to, met: (from..=to).contains(&value) })
    };
    targets.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_met_within_its_range_and_must_be_known() {
        let figures = Figures::from_iter([("kl".to_string(), json!(20.5)), ("device".into(), json!("cpu"))]);
        let target = |name: &str, range| BTreeMap::from([(name.to_string(), range)]);
        let met = |range| verdicts(&target("kl", range), &figures).unwrap()[0].met;
        assert!(met([20.0, 21.0]) && met([20.5, 20.5]) && !met([20.6, 30.0]) && !met([0.0, 20.4]));
        let said = verdicts(&target("device", [0.0, 1.0]), &figures).unwrap_err().to_string();
        assert_eq!(said, "the target device is no figure of this model; use one of kl");
    }
}
