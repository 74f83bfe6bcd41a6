//! `frit eval`: a trained model on the test set.

use crate::Ending;
use crate::args::{self, Trained};
use crate::commands::trained::{Opened, open};
use crate::evaluation::{ActiveUnits, TestLoss, importance_nll, summary};
use crate::judge::Judge;
use crate::measures::{
    Figures, about, bits, classes, counts_classes, discriminator, generative, pictures_to_draw, reconstruction,
    warn_of_errors,
};
use crate::report::metrics;
use crate::run::Run;
use crate::session::Session;
use crate::terminal::{Terminal, out};
use crate::wording::short;
use anyhow::{Result, bail, ensure};
use gpu_core::Backend;
use serde_json::{Map, Value, json};

/// Pictures drawn to count their classes.
const JUDGED: usize = 1_000;
/// The most draws per image.
const MOST: usize = 100_000;

pub(crate) fn eval(args: &args::Eval, terminal: &Terminal) -> Result<Ending> {
    ensure!(
        args.n.is_none() || args.generative,
        "-n is how many pictures are drawn for --generative; add --generative, or leave -n out"
    );
    if let Some(samples) = args.iw {
        ensure!((1..=MOST).contains(&samples), "--iw {samples} is not between 1 and {MOST}; try --iw 100");
    }
    let Opened { run, step, mut session, backend } = open(&args.trained, terminal)?;
    let asked = Asked { iw: args.iw, generative: args.generative, n: args.n, seed: args.seed };
    let mut figures = measure(&asked, &mut session, &backend, terminal)?;
    let Trained { best, average, checkpoint, .. } = args.trained;
    let which = match checkpoint {
        Some(_) => "kept",
        None if best => "best",
        None => "latest",
    };
    figures.extend(origin(&run, which, average, step));
    run.write_evaluation(&Value::Object(figures.clone()), terminal);
    match args.json {
        true => out!("{}", Value::Object(figures))?,
        false => print_table(&figures)?,
    }
    Ok(Ending::Done)
}

/// Which weights were measured: the checkpoint and its step, and where the run stood then, by which the report tells
/// whether it has gone on since.
pub(crate) fn origin(run: &Run, checkpoint: &str, average: bool, step: Option<u64>) -> Figures {
    Figures::from_iter([
        ("checkpoint".into(), json!(checkpoint)),
        ("step".into(), json!(step)),
        ("average".into(), json!(average)),
        ("run_step".into(), json!(metrics::read(&run.path).map_or(0, |metrics| metrics.steps))),
    ])
}

/// What is to be measured besides what always is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Draws for the importance-weighted bound.
    pub(crate) iw: Option<usize>,
    /// Whether pictures are drawn and measured against the test images.
    pub(crate) generative: bool,
    /// How many.
    pub(crate) n: Option<usize>,
    /// Seed of noise and pictures.
    pub(crate) seed: u64,
}

/// Measures a trained model on its test set.
pub(crate) fn measure(asked: &Asked, session: &mut Session, backend: &Backend, terminal: &Terminal) -> Result<Figures> {
    let drawn = asked.generative.then(|| pictures_to_draw(session, asked.n)).transpose()?;
    let test = TestLoss::prepare(session, asked.seed)?.run(session)?;
    let mut figures = summary(session, &test);
    figures.extend(reconstruction(session)?);
    figures.extend(bits(session, test.code_use));
    figures.extend(discriminator(session, asked.seed)?);
    let units = ActiveUnits::prepare(session)?.map(|units| units.run(session)).transpose()?;
    figures.insert("active_units".into(), json!(units.map(|(active, _)| active)));
    figures.insert("iw_nll".into(), json!(importance(asked, session)?));
    figures.insert("iw_samples".into(), json!(asked.iw));
    figures.extend(judged(asked.seed, drawn, session, backend, terminal)?);
    Ok(figures)
}

/// The importance-weighted bound, if asked for.
fn importance(asked: &Asked, session: &mut Session) -> Result<Option<f64>> {
    let Some(samples) = asked.iw else { return Ok(None) };
    match importance_nll(session, samples, asked.seed)? {
        None => bail!("{} has no importance-weighted bound; leave --iw out", session.config.name()),
        bound => Ok(bound),
    }
}

/// What a classifier says of the pictures drawn: of which classes they are, where that is counted, and how near so
/// many are to the data, where `drawn` says how many.
fn judged(
    seed: u64,
    drawn: Option<usize>,
    session: &mut Session,
    backend: &Backend,
    terminal: &Terminal,
) -> Result<Figures> {
    let counted = counts_classes(session);
    let mut figures = Figures::new();
    let purpose = match (counted, drawn) {
        (false, None) => return Ok(figures),
        (true, None) => "to count classes with",
        (false, Some(_)) => "to compare pictures in its features",
        (true, Some(_)) => "to count classes with, and to compare pictures in its features",
    };
    let judge = Judge::of(&session.data, backend, purpose, terminal)?;
    if drawn.is_some() {
        ensure!(
            judge.is_some(),
            "{} has no classes, or too small pictures, for the classifier whose features these figures are of; give \
             labelled data, or compare folders with `frit compare`",
            session.data.name
        );
    }
    let Some(mut judge) = judge else { return Ok(figures) };
    figures.insert("drawn_by_average".into(), json!(session.config.draws_by_average()));
    if counted {
        figures.extend(classes(session, &mut judge, JUDGED, seed)?);
        figures.insert("counted".into(), json!(JUDGED));
        figures.extend(about(&mut judge)?);
    }
    if let Some(count) = drawn {
        figures.extend(generative(session, &mut judge, count, seed)?);
    }
    warn_of_errors(&judge, terminal);
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
    ("class_agreement", "generated as asked for", "of them"),
    ("counted", "pictures counted", ""),
    ("frechet", "Fréchet distance", ""),
    ("frechet_floor", "  of real images", ""),
    ("kernel_distance", "kernel distance", ""),
    ("kernel_distance_floor", "  of real images", ""),
    ("kernel_distance_deviation", "its deviation", "between subsets"),
    ("kernel_distance_deviation_floor", "  of real images", "between subsets"),
    ("precision", "precision", "of the pictures drawn"),
    ("precision_floor", "  of real images", ""),
    ("recall", "recall", "of the test images"),
    ("recall_floor", "  of real images", ""),
    ("density", "density", ""),
    ("density_floor", "  of real images", ""),
    ("coverage", "coverage", "of the test images"),
    ("coverage_floor", "  of real images", ""),
    ("not_measured", "not measured", ""),
    ("drawn", "pictures drawn", ""),
    ("seed", "seed", ""),
    ("classifier", "classifier of these figures", ""),
    ("classifier_errors", "errors of the classifier", "of the test images"),
    ("cross_entropy", "cross-entropy", "nats/image"),
    ("errors", "errors", "of the test images"),
    ("pictures", "pictures", ""),
    ("images", "test images", ""),
    ("checkpoint", "checkpoint", ""),
    ("step", "of step", ""),
    ("average", "running average of the weights", ""),
    ("drawn_by_average", "drawn by the running average", ""),
    ("device", "device", ""),
];

fn print_table(summary: &Map<String, Value>) -> Result<()> {
    print_lines(summary, |_, unit| unit.into())
}

/// The table, with the unit that `unit_of` makes of a figure's key and its usual one.
pub(crate) fn print_lines(summary: &Map<String, Value>, unit_of: impl Fn(&str, &str) -> String) -> Result<()> {
    for (key, name, unit) in LINES {
        let text = match summary.get(*key) {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::Bool(true)) => "yes".into(),
            Some(Value::Number(number)) if number.is_f64() => short(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(counts)) => {
                counts.iter().map(|(class, count)| format!("{class}: {count}")).collect::<Vec<_>>().join("  ")
            }
            // Of two folders, the one and the other.
            Some(Value::Array(counts)) => counts.iter().map(Value::to_string).collect::<Vec<_>>().join(" and "),
            Some(other) => other.to_string(),
        };
        out!("{}", format!("{name:30} {text} {}", unit_of(key, unit)).trim_end())?;
    }
    Ok(())
}
