//! What `frit eval` measures besides the losses: reconstructions, codes, a discriminator's verdicts, and how near what
//! is drawn is to the data.

use crate::data::{DataSet, Split};
use crate::eval::classifier::TrainedClassifier;
use crate::eval::passes::{Codes, Drawing, TestPass, Tested, as_pictures, figures};
use crate::eval::quality::{self, not_measured, quality};
use crate::run::session::Session;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail, ensure};
use gpu_core::Backend;
use models::metrics::{mse, psnr, ssim};
use serde_json::{Map, Value, json};

/// Pictures drawn for the generative figures, at most.
const DRAWN: usize = 10_000;
/// A classifier that errs more often than this is a poor witness.
const POOR: f64 = 0.2;
/// Where a model without a prior comes this far.
const NO_PRIOR: &str = "a model with a prior was asked for; this is a fault of frit's";

/// Figures by name.
pub type Figures = Map<String, Value>;

/// The names of what `frit eval --generative` says in numbers of a model, found out before anything is trained.
///
/// # Errors
/// One sentence: there is no room for a classifier of the data.
pub fn names(session: &Session, backend: &Backend) -> Result<Vec<&'static str>> {
    let model = session.model.as_ref();
    let code_use =
        model.quantiser().map(|quantiser| Codes { perplexity: 1.0, used: 1, codes: quantiser.usage().test.len() });
    let tested = Tested { means: vec![0.0; model.columns().len()], code_use };
    let judge = TrainedClassifier::recipe(&session.data, backend)?.is_some();
    let draws = judge && model.sampler().is_some();
    let told = counts_classes(session) && model.buffers().first().labels.is_some();
    let discriminates = model.discriminator().is_some_and(|discriminator| discriminator.threshold().is_some());
    let parts: [(bool, &[&'static str]); 6] = [
        (model.posterior().is_some(), &["active_units"]),
        (model.reconstructor().is_some(), &["mse", "psnr", "ssim"]),
        (model.quantiser().is_some(), &["bits", "entropy_bits"]),
        (discriminates, &["d_accuracy", "d_precision", "d_recall"]),
        (draws && told, &["class_agreement"]),
        (draws, &quality::NAMES),
    ];
    let losses = figures(model, &tested).into_iter().map(|(name, _)| name);
    Ok(losses.chain(parts.iter().filter(|(has, _)| *has).flat_map(|(_, names)| *names).copied()).collect())
}

/// Mean squared error, peak signal-to-noise ratio and structural similarity of the test images' reconstructions, means
/// over the images; none where the model reconstructs nothing.
pub fn reconstruction(session: &mut Session) -> Result<Figures> {
    if session.model.reconstructor().is_none() {
        return Ok(Figures::new());
    }
    let pass = |session: &Session, batch| session.model.reconstructor().expect("asked above").reconstruct(batch);
    let outputs = TestPass::prepare(session, session.data.test.count, pass)?.run(session)?;
    let clamp = |images: Vec<f32>| images.into_iter().map(|x| x.clamp(0.0, 1.0)).collect::<Vec<f32>>();
    let mut pictures = outputs.into_iter().map(|images| clamp(as_pictures(session, images)));
    let [originals, copies] = [(); 2].map(|()| pictures.next().expect("an image and its reconstruction"));
    drop(pictures);
    let DataSet { height, width, channels, .. } = *session.data;
    let image = [height, width, channels];
    let mean = |values: Vec<f64>| json!(values.iter().sum::<f64>() / values.len() as f64);
    Ok(Figures::from_iter([
        ("mse".into(), mean(mse(&originals, &copies, image))),
        ("psnr".into(), mean(psnr(&originals, &copies, image))),
        ("ssim".into(), mean(ssim(&originals, &copies, image))),
    ]))
}

/// Bits that the codes of an image take: of one length each, and by their entropy over the test set.
pub fn bits(session: &Session, codes: Option<Codes>) -> Figures {
    let mut figures = Figures::new();
    if let (Some(quantiser), Some(Codes { perplexity, codes, .. })) = (session.model.quantiser(), codes) {
        let positions = quantiser.codes_per_image() as f64;
        figures.insert("bits".into(), json!(positions * (codes as f64).log2()));
        figures.insert("entropy_bits".into(), json!(positions * perplexity.log2()));
    }
    figures
}

/// How well a discriminator tells test images from as many generated ones: none where it does not say which is which.
pub fn discriminator(session: &mut Session, seed: u64) -> Result<Figures> {
    let Some(threshold) = session.model.discriminator().and_then(|discriminator| discriminator.threshold()) else {
        return Ok(Figures::new());
    };
    let pass = |session: &Session, batch| session.model.discriminator().expect("asked above").scores(batch, seed);
    let outputs = TestPass::prepare(session, session.data.test.count, pass)?.run(session)?;
    let real = |scores: &[f32]| scores.iter().filter(|&&score| f64::from(score) > threshold).count() as f64;
    let [hits, misses] = [real(&outputs[0]), real(&outputs[1])];
    let (reals, fakes) = (outputs[0].len() as f64, outputs[1].len() as f64);
    let share = |part: f64, of: f64| if of > 0.0 { json!(part / of) } else { Value::Null };
    Ok(Figures::from_iter([
        ("d_accuracy".into(), share(hits + fakes - misses, reals + fakes)),
        ("d_precision".into(), share(hits, hits + misses)),
        ("d_recall".into(), share(hits, reals)),
    ]))
}

/// How many pictures are drawn to be measured against test images: as many as were asked for, or as there are.
///
/// # Errors
/// One sentence: the model draws none, or there are not so many images.
pub fn pictures_to_draw(session: &Session, asked: Option<usize>) -> Result<usize> {
    let family = session.config.name();
    if session.model.sampler().is_none() {
        if session.model.reconstructor().is_none() {
            bail!("a {family} draws no pictures that --generative could measure; leave it out")
        }
        bail!("{family} has no prior to draw from; measure its reconstructions, without --generative")
    }
    let (test, train) = (session.data.test.count, session.data.train.count);
    let (most, part) = if train < test { (train, "training") } else { (test, "test") };
    let count = asked.unwrap_or(DRAWN.min(most));
    ensure!((2..=most).contains(&count), "-n {count} is not between 2 and the {most} {part} images; ask for so many");
    Ok(count)
}

/// How near `count` drawn pictures are to as many test images, and beside each figure, as `…_floor`, how near as many
/// training images are to these.
pub fn generative(session: &mut Session, judge: &mut TrainedClassifier, count: usize, seed: u64) -> Result<Figures> {
    let data = session.data.clone();
    let drawing = Drawing::prepare(session, count, seed)?.context(NO_PRIOR)?;
    let drawn: Vec<f32> = drawing.pictures(session)?.into_iter().map(|x| x.clamp(0.0, 1.0)).collect();
    let real = judge.features(&unit(&data.test, count, data.pixels()))?;
    let mut figures = quality(&real, &judge.features(&drawn)?, seed, "");
    figures.extend(quality(&real, &judge.features(&unit(&data.train, count, data.pixels()))?, seed, "_floor"));
    figures.insert("not_measured".into(), json!(not_measured(count)));
    figures.insert("drawn".into(), json!(count));
    figures.insert("seed".into(), json!(seed));
    figures.extend(about(judge)?);
    Ok(figures)
}

/// Which classifier made the features, and how good it is.
pub fn about(judge: &mut TrainedClassifier) -> Result<Figures> {
    let mark = judge.mark()?;
    Ok(Figures::from_iter([("classifier".into(), json!(mark)), ("classifier_errors".into(), json!(judge.errors))]))
}

/// Says so where the classifier is too poor for its figures to tell much.
pub fn warn_of_errors(judge: &TrainedClassifier, terminal: &Terminal) {
    if let Some(warning) = poor_witness(judge.errors, &judge.data().name) {
        terminal.say(&warning);
    }
}

fn poor_witness(errors: f64, data: &str) -> Option<String> {
    (errors > POOR).then(|| {
        format!(
            "warning: the classifier takes {:.0} % of the test images of {data} for another class, so what it sees of \
             pictures tells little; give data with more pictures, or with clearer classes",
            100.0 * errors
        )
    })
}

/// Whether the classes of what a model draws are counted.
pub fn counts_classes(session: &Session) -> bool {
    let (model, conditional) = (&session.model, session.model.buffers().first().labels.is_some());
    model.sampler().is_some() && (model.discriminator().is_some() || conditional)
}

/// How many of the pictures drawn are of each class, by its name; of a model that is told classes, also the share that
/// is of the class asked for.
pub fn classes(session: &mut Session, judge: &mut TrainedClassifier, count: usize, seed: u64) -> Result<Figures> {
    let pictures = Drawing::prepare(session, count, seed)?.context(NO_PRIOR)?.pictures(session)?;
    let found = judge.classes(&pictures)?;
    let names = &session.data.classes;
    let of = |class: usize| found.iter().filter(|&&found| found == class).count();
    let counts: Figures = names.iter().enumerate().map(|(class, name)| (name.clone(), json!(of(class)))).collect();
    let mut figures = Figures::from_iter([("class_counts".to_string(), Value::Object(counts))]);
    if session.model.buffers().first().labels.is_some() {
        let met = found.iter().enumerate().filter(|(row, found)| **found == row % names.len()).count();
        figures.insert("class_agreement".into(), json!(met as f64 / count as f64));
    }
    Ok(figures)
}

/// The first images of a part of the data, black being 0 and white 1.
pub fn unit(part: &Split, count: usize, pixels: usize) -> Vec<f32> {
    part.images[..count * pixels].iter().map(|&byte| f32::from(byte) / 255.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classifier_that_errs_in_more_than_a_fifth_is_warned_of() {
        assert_eq!(poor_witness(0.2, "digits"), None);
        assert!(poor_witness(0.34, "digits").unwrap().contains("takes 34 % of the test images of digits for another"));
    }
}
