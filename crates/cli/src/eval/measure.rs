//! The measurements of `frit eval`: everything about one trained model.

use crate::eval::classifier::TrainedClassifier;
use crate::eval::measures::{
    Figures, about, bits, classes, counts_classes, discriminator, generative, pictures_to_draw, reconstruction,
    warn_of_errors,
};
use crate::eval::passes::{ActiveUnits, TestLoss, importance_nll, summary};
use crate::run::folder::Run;
use crate::run::metrics;
use crate::run::session::Session;
use crate::terminal::Terminal;
use anyhow::{Result, bail, ensure};
use gpu_core::Backend;
use serde_json::json;

/// Pictures drawn to count their classes.
const JUDGED: usize = 1_000;

/// Which weights were measured: the checkpoint and its step, and where the run stood then, by which the report tells
/// whether it has gone on since.
pub fn origin(run: &Run, checkpoint: &str, average: bool, step: Option<u64>) -> Figures {
    Figures::from_iter([
        ("checkpoint".into(), json!(checkpoint)),
        ("step".into(), json!(step)),
        ("average".into(), json!(average)),
        ("run_call".into(), json!(metrics::read(&run.path).map_or(0, |metrics| metrics.steps))),
    ])
}

/// What is to be measured besides what always is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Draws for the importance-weighted bound.
    pub iw: Option<usize>,
    /// Whether pictures are drawn and measured against the test images.
    pub generative: bool,
    /// How many.
    pub n: Option<usize>,
    /// Seed of noise and pictures.
    pub seed: u64,
}

/// Measures a trained model on its test set.
pub fn measure(asked: &Asked, session: &mut Session, backend: &Backend, terminal: &Terminal) -> Result<Figures> {
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
    let judge = TrainedClassifier::of(&session.data, backend, purpose, terminal)?;
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
