//! `frit eval`: a trained model on the test set.

use crate::Ending;
use crate::args;
use crate::commands::trained::{Opened, open};
use crate::config::Family;
use crate::evaluation::{Drawing, TestLoss, active_units, importance_nll, summary};
use crate::judge::Judge;
use crate::session::Session;
use crate::terminal::{Terminal, out};
use crate::wording::short;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

/// Pictures drawn to count their classes.
const JUDGED: usize = 1_000;
/// The most draws per image.
const MOST: usize = 100_000;

pub(crate) fn eval(args: &args::Eval, terminal: &Terminal) -> Result<Ending> {
    if let Some(samples) = args.iw {
        ensure!((1..=MOST).contains(&samples), "--iw {samples} is not between 1 and {MOST}; try --iw 100");
    }
    let Opened { mut session, backend, .. } = open(&args.trained, terminal)?;
    let test = TestLoss::prepare(&mut session, args.seed)?.run(&mut session)?;
    let mut summary = summary(&session, &test);
    summary.insert("active_units".into(), json!(active_units(&mut session)?));
    let bound = match args.iw {
        None => None,
        Some(samples) => match importance_nll(&mut session, samples, args.seed)? {
            None => bail!("{} has no importance-weighted bound; leave --iw out", session.config.name()),
            bound => bound,
        },
    };
    summary.insert("iw_nll".into(), json!(bound));
    summary.insert("iw_samples".into(), json!(args.iw));
    if session.config.family == Family::Gan
        && let Some(mut judge) = Judge::of(&session.data, &backend, terminal)?
    {
        summary.insert("class_counts".into(), class_counts(&mut session, &mut judge, args.seed)?);
        summary.insert("classifier_errors".into(), json!(judge.errors));
    }
    if args.json {
        out!("{}", Value::Object(summary))?;
    } else {
        print_table(&summary)?;
    }
    Ok(Ending::Done)
}

/// How many of the pictures drawn are of each class, by its name.
fn class_counts(session: &mut Session, judge: &mut Judge, seed: u64) -> Result<Value> {
    let drawing = Drawing::prepare(session, JUDGED, seed)?;
    let pictures = drawing.context("a GAN has a prior; this is a fault of frit's")?.pictures(session)?;
    let counts = judge.count(&pictures)?;
    let named = session.data.classes.iter().cloned().zip(counts.into_iter().map(|count| json!(count)));
    Ok(Value::Object(named.collect()))
}

fn print_table(summary: &Map<String, Value>) -> Result<()> {
    let lines = [
        ("neg_elbo", "test −ELBO", "nats/image"),
        ("recon", "reconstruction", "nats/image"),
        ("kl", "KL", "nats/image"),
        ("iw_nll", "importance-weighted −log p(x)", "nats/image"),
        ("active_units", "active units", ""),
        ("nmse", "squared error", "of the pixels' variance"),
        ("commitment", "commitment", ""),
        ("perplexity", "perplexity of the codes", ""),
        ("used_codes", "codes used", ""),
        ("codes", "codes", ""),
        ("d_loss", "discriminator's loss", ""),
        ("g_loss", "generator's loss", ""),
        ("d_real", "D of test images", ""),
        ("d_fake", "D of generated images", ""),
        ("class_counts", "generated images by class", ""),
        ("classifier_errors", "errors of the classifier", "of the test images"),
        ("cross_entropy", "cross-entropy", "nats/image"),
        ("errors", "errors", "of the test images"),
        ("images", "test images", ""),
        ("device", "device", ""),
    ];
    for (key, name, unit) in lines {
        let text = match summary.get(key) {
            None | Some(Value::Null) => continue,
            Some(Value::Number(number)) if number.is_f64() => short(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(counts)) => {
                counts.iter().map(|(class, count)| format!("{class}: {count}")).collect::<Vec<_>>().join("  ")
            }
            Some(other) => other.to_string(),
        };
        out!("{}", format!("{name:30} {text} {unit}").trim_end())?;
    }
    Ok(())
}
