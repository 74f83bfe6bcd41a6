//! `frit eval`: a trained model on the test set.

use crate::Ending;
use crate::args;
use crate::commands::trained::{Opened, open};
use crate::config::Family;
use crate::evaluation::{ActiveUnits, TestLoss, importance_nll, summary};
use crate::judge::Judge;
use crate::measures::{Figures, about, bits, class_counts, discriminator, generative, reconstruction};
use crate::session::Session;
use crate::terminal::{Terminal, out};
use crate::wording::short;
use anyhow::{Context, Result, bail, ensure};
use gpu_core::Backend;
use serde_json::{Map, Value, json};

/// Pictures drawn to count their classes.
const JUDGED: usize = 1_000;
/// Pictures drawn for the generative figures, at most.
const DRAWN: usize = 10_000;
/// The most draws per image.
const MOST: usize = 100_000;

pub(crate) fn eval(args: &args::Eval, terminal: &Terminal) -> Result<Ending> {
    if let Some(samples) = args.iw {
        ensure!((1..=MOST).contains(&samples), "--iw {samples} is not between 1 and {MOST}; try --iw 100");
    }
    let Opened { run, mut session, backend } = open(&args.trained, terminal)?;
    let session = &mut session;
    let test = TestLoss::prepare(session, args.seed)?.run(session)?;
    let mut summary = summary(session, &test);
    summary.extend(reconstruction(session)?);
    summary.extend(bits(session, test.code_use));
    summary.extend(discriminator(session, args.seed)?);
    let units = ActiveUnits::prepare(session)?.map(|units| units.run(session)).transpose()?;
    summary.insert("active_units".into(), json!(units.map(|(active, _)| active)));
    summary.insert("iw_nll".into(), json!(importance(args, session)?));
    summary.insert("iw_samples".into(), json!(args.iw));
    summary.extend(judged(args, session, &backend, terminal)?);
    run.write_evaluation(&Value::Object(summary.clone()), terminal);
    if args.json {
        out!("{}", Value::Object(summary))?;
    } else {
        print_table(&summary)?;
    }
    Ok(Ending::Done)
}

/// The importance-weighted bound, if asked for.
fn importance(args: &args::Eval, session: &mut Session) -> Result<Option<f64>> {
    let Some(samples) = args.iw else { return Ok(None) };
    match importance_nll(session, samples, args.seed)? {
        None => bail!("{} has no importance-weighted bound; leave --iw out", session.config.name()),
        bound => Ok(bound),
    }
}

/// What a classifier says of the pictures drawn.
fn judged(args: &args::Eval, session: &mut Session, backend: &Backend, terminal: &Terminal) -> Result<Figures> {
    let gan = session.config.family == Family::Gan;
    let mut figures = Figures::new();
    if !gan && !args.generative {
        return Ok(figures);
    }
    let judge = Judge::of(&session.data, backend, terminal)?;
    if args.generative {
        ensure!(
            judge.is_some(),
            "{} has no classes, or too small pictures, for the classifier whose features these figures are of; give \
             labelled data, or compare folders with `frit compare`",
            session.data.name
        );
    }
    let Some(mut judge) = judge else { return Ok(figures) };
    if gan {
        figures.insert("class_counts".into(), class_counts(session, &mut judge, JUDGED, args.seed)?);
        figures.extend(about(&mut judge)?);
    }
    if args.generative {
        let count = args.n.unwrap_or(DRAWN.min(session.data.test.count).min(session.data.train.count));
        figures.extend(generative(session, &mut judge, count, args.seed).context("--generative")?);
    }
    Ok(figures)
}

/// Names and units of what is measured, in the order of the table.
pub(crate) const LINES: &[(&str, &str, &str)] = &[
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
    ("bits", "bits of an image's codes", "bits/image"),
    ("entropy_bits", "the same by their entropy", "bits/image"),
    ("mse", "mean squared error", "a pixel, of 1"),
    ("psnr", "peak signal to noise", "dB"),
    ("ssim", "structural similarity", ""),
    ("d_loss", "discriminator's loss", ""),
    ("g_loss", "generator's loss", ""),
    ("d_real", "D of test images", ""),
    ("d_fake", "D of generated images", ""),
    ("d_accuracy", "accuracy of D", "of test and generated images"),
    ("d_precision", "precision of D", "of those it takes for real"),
    ("d_recall", "recall of D", "of the test images"),
    ("class_counts", "generated images by class", ""),
    ("frechet", "Fréchet distance", ""),
    ("frechet_floor", "  of real images", ""),
    ("kernel_distance", "kernel distance", ""),
    ("kernel_distance_floor", "  of real images", ""),
    ("precision", "precision", "of the pictures drawn"),
    ("precision_floor", "  of real images", ""),
    ("recall", "recall", "of the test images"),
    ("recall_floor", "  of real images", ""),
    ("density", "density", ""),
    ("density_floor", "  of real images", ""),
    ("coverage", "coverage", "of the test images"),
    ("coverage_floor", "  of real images", ""),
    ("drawn", "pictures drawn", ""),
    ("seed", "seed", ""),
    ("classifier", "classifier of these figures", ""),
    ("classifier_errors", "errors of the classifier", "of the test images"),
    ("cross_entropy", "cross-entropy", "nats/image"),
    ("errors", "errors", "of the test images"),
    ("pictures", "pictures", ""),
    ("images", "test images", ""),
    ("device", "device", ""),
];

pub(crate) fn print_table(summary: &Map<String, Value>) -> Result<()> {
    for (key, name, unit) in LINES {
        let text = match summary.get(*key) {
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
