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
        "{} has no section [target]; say there which figures of `frit eval` should lie where, as in neg_elbo = [105, 107]",
        args.show.recipe
    );
    let data = load(&config)?;
    config.resolve_decay(Steps::new(&config, data.train.count).total);
    config.check(&spec(&config, &data), data.train.count)?;
    let (backend, why) = device::open(&args.device)?;
    terminal.say(&format!("running on {why}"));
    fit_shard(&mut config, &data, binding_bytes(&backend))?;
    let mut session = Session::open(config, data, &backend)?;
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
        let line = |(name, found, [low, high], met): &Verdict| json!({ "figure": name, "value": found, "from": low, "to": high, "met": met });
        out!("{}", json!({ "targets": met.iter().map(line).collect::<Vec<_>>(), "seconds": seconds }))?;
    } else {
        for (name, found, [low, high], met) in &met {
            let verdict = if *met { "as it should be" } else { "OUTSIDE" };
            out!("{name:16} {:>10}  from {} to {}: {verdict}", short(*found), short(*low), short(*high))?;
        }
        out!("{} in {seconds:.0} s on {}", args.show.recipe, session.device)?;
    }
    Ok(if met.iter().all(|verdict| verdict.3) { Ending::Done } else { Ending::Failed })
}

/// A figure's name, its value, where it should lie, and whether it does.
type Verdict = (String, f64, [f64; 2], bool);

fn verdicts(targets: &BTreeMap<String, [f64; 2]>, figures: &Figures) -> Result<Vec<Verdict>> {
    let verdict = |(name, &[low, high]): (&String, &[f64; 2])| {
        let Some(found) = figures.get(name).and_then(Value::as_f64) else {
            let known: Vec<_> =
                figures.iter().filter(|(_, value)| value.is_number()).map(|(name, _)| &**name).collect();
            bail!("the target {name} is no figure of this model; use one of {}", known.join(", "));
        };
        Ok((name.clone(), found, [low, high], (low..=high).contains(&found)))
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
        let met = |range| verdicts(&target("kl", range), &figures).unwrap()[0].3;
        assert!(met([20.0, 21.0]) && met([20.5, 20.5]) && !met([20.6, 30.0]) && !met([0.0, 20.4]));
        let said = verdicts(&target("device", [0.0, 1.0]), &figures).unwrap_err().to_string();
        assert_eq!(said, "the target device is no figure of this model; use one of kl");
    }
}
