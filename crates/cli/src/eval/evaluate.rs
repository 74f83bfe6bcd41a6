//! Evaluation of one trained model.

use crate::eval::classifier::TrainedClassifier;
use crate::eval::features::{FeatureChoice, FeatureSpace};
use crate::eval::measures::{
    Evaluation, Reconstruction, about, bits, classes, counts_classes, discriminator, generative, images_to_sample,
    warn_of_errors,
};
use crate::eval::modes::{points, stacked_modes};
use crate::eval::passes::{ActiveUnits, TestLoss, importance_nll, summary};
use crate::eval::sequence::entropy;
use crate::eval::trained::{DataFacts, Weights, step_of};
use crate::eval::translation::translation_errors;
use crate::io::error::{Result, bail, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::Run;
use crate::run::metrics;
use crate::run::session::Session;
use crate::terminal::Terminal;
use gpu_core::Backend;
use serde_json::json;

/// Images generated to count their classes.
const COUNTED: usize = 1_000;
/// Importance samples per image, at most.
const MAX_IMPORTANCE_SAMPLES: usize = 100_000;

/// Optional parts of an evaluation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EvalOptions {
    /// Samples per image of the importance-weighted bound; `None` leaves the bound out.
    pub importance_samples: Option<usize>,
    /// Compares generated images with test images: Fréchet and kernel distance, precision, recall, density, coverage.
    pub generative: bool,
    /// Images to generate for that; `None` for as many as there are test images, up to 10,000.
    pub images: Option<usize>,
    /// The features in which they are compared.
    pub features: FeatureChoice,
    /// Seed of the noise.
    pub seed: u64,
}

/// Evaluates a model on the test set of its data.
///
/// Returns every metric by its key of [`METRICS`](crate::eval::metrics::METRICS). Losses are means over the test
/// images. A classifier or an autoencoder of the data is trained, or read from the cache, where classes are counted or
/// images compared.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting) for counts out of range, [`ErrorKind::Model`](crate::ErrorKind)
/// for a metric that the model does not have, [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
///
/// ```
/// use frit::eval::{EvalOptions, evaluate};
/// # use frit::{DeviceChoice, Terminal, config::Config, run::device::DeviceOptions, train::Setup};
/// # fn main() -> frit::Result<()> {
/// # let config = Config::load("ae")?.with("ae.hidden=[8]")?;
/// let setup = Setup::load(config, &DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() })?;
/// let mut session = setup.start()?;
/// let evaluation = evaluate(&mut session, &setup.backend, &EvalOptions::default(), &Terminal::new(true))?;
/// assert!(evaluation["recon"].as_f64().unwrap() > 0.0 && evaluation["psnr"].as_f64().unwrap() > 0.0);
/// # Ok(())
/// # }
/// ```
pub fn evaluate(
    session: &mut Session,
    backend: &Backend,
    options: &EvalOptions,
    terminal: &Terminal,
) -> Result<Evaluation> {
    ensure!(
        !options.generative || session.data.points.is_none(),
        Model,
        "{} are points, which no network compares; evaluate them without --generative",
        session.data.name
    );
    ensure!(
        !options.generative || session.data.sequence.is_none(),
        Model,
        "{} has sequences, which no network compares; evaluate them without --generative",
        session.data.name
    );
    let images = options.generative.then(|| images_to_sample(session, options.images)).transpose()?;
    let test = TestLoss::prepare(session, options.seed)?.run(session)?;
    let mut evaluation = summary(session, &test);
    if let Some(reconstruction) = Reconstruction::prepare(session)? {
        evaluation.extend(reconstruction.run(session)?);
    }
    evaluation.extend(bits(session, test.code_use));
    evaluation.extend(discriminator(session, options.seed)?);
    let units = ActiveUnits::prepare(session)?.map(|units| units.run(session)).transpose()?;
    evaluation.insert("active_units".into(), json!(units.map(|(active, _)| active)));
    evaluation.insert("iw_nll".into(), json!(importance(options, session)?));
    evaluation.insert("iw_samples".into(), json!(options.importance_samples));
    evaluation.extend(generated(options, images, session, backend, terminal)?);
    evaluation.extend(points(session, options.seed)?);
    evaluation.extend(entropy(&session.data));
    evaluation.extend(translation_errors(session, options.seed)?);
    evaluation.extend(stacked_modes(session, backend, options.seed, terminal)?);
    Ok(evaluation)
}

/// The origin of an evaluation: the checkpoint, its step, and the step that the run has reached, which may lie after
/// the last line of metrics, and whether the data is the run's.
pub fn origin(run: &Run, weights: Weights, average: bool, step: Option<u64>, data: &DataFacts) -> Evaluation {
    let recorded = metrics::read(&run.path).map_or(0, |metrics| metrics.steps);
    let latest = match weights {
        Weights::Latest => None,
        _ => Checkpoint::load(&run.latest()).ok().and_then(|latest| step_of(&latest)),
    };
    let reached = [step, latest].into_iter().flatten().fold(recorded, u64::max);
    Evaluation::from_iter([
        ("data_checksum".into(), json!(data.fingerprint)),
        ("same_data".into(), json!(data.same)),
        ("data_changes".into(), json!(data.difference)),
        ("checkpoint".into(), json!(weights.name())),
        ("step".into(), json!(step)),
        ("average".into(), json!(average)),
        ("run_step".into(), json!(reached)),
    ])
}

/// The importance-weighted bound, if it is wanted.
fn importance(options: &EvalOptions, session: &mut Session) -> Result<Option<f64>> {
    let Some(samples) = options.importance_samples else { return Ok(None) };
    ensure!(
        (1..=MAX_IMPORTANCE_SAMPLES).contains(&samples),
        Setting,
        "invalid number of importance samples {samples}: expected 1 to {MAX_IMPORTANCE_SAMPLES}"
    );
    match importance_nll(session, samples, options.seed)? {
        None => bail!(Model, "{} has no importance-weighted bound", session.config.name()),
        bound => Ok(bound),
    }
}

/// Metrics of generated images: counts of classes by a classifier of the data, where the model and the data have them,
/// and the comparison of `images` generated images with as many test images.
fn generated(
    options: &EvalOptions,
    images: Option<usize>,
    session: &mut Session,
    backend: &Backend,
    terminal: &Terminal,
) -> Result<Evaluation> {
    let counted = counts_classes(session);
    let mut evaluation = Evaluation::new();
    if !counted && images.is_none() {
        return Ok(evaluation);
    }
    let data = session.data.clone();
    let by_classifier = matches!(options.features, FeatureChoice::Auto | FeatureChoice::Classifier);
    let purpose = if counted && by_classifier && data.classes.len() > 1 {
        "to count classes and to compare images in its features"
    } else {
        "to compare images in its features"
    };
    let open = |_| FeatureSpace::open(&options.features, &data, backend, purpose, terminal);
    let mut space = images.map(open).transpose()?;
    let mut separate = None;
    if counted && !matches!(space, Some(FeatureSpace::Classifier(_))) {
        separate = TrainedClassifier::load_or_train(&data, backend, "to count classes", terminal)?;
    }
    let classifier = match &mut space {
        Some(FeatureSpace::Classifier(classifier)) => Some(classifier),
        _ => separate.as_mut(),
    };
    if classifier.is_none() && images.is_none() {
        return Ok(evaluation);
    }
    evaluation.insert("drawn_by_average".into(), json!(session.config.draws_by_average()));
    if let Some(classifier) = classifier {
        if counted {
            evaluation.extend(classes(session, classifier, COUNTED, options.seed)?);
            evaluation.insert("counted".into(), json!(COUNTED));
        }
        evaluation.extend(about(classifier)?);
        warn_of_errors(classifier, terminal);
    }
    if let (Some(count), Some(space)) = (images, &mut space) {
        evaluation.extend(generative(session, space, count, options.seed)?);
    }
    Ok(evaluation)
}
