//! Metrics of samples whose law is known: points of a density, and stacked images, whose modes can be counted.

use crate::data::{DataSet, triples};
use crate::eval::classifier::TrainedClassifier;
use crate::eval::draw::{Sampling, with_drawing_weights};
use crate::eval::measures::{Evaluation, about, warn_of_errors};
use crate::eval::passes::TestPass;
use crate::io::error::Result;
use crate::run::session::Session;
use crate::terminal::Terminal;
use gpu_core::Backend;
use models::Pass;
use models::metrics::{divergence, modes, sliced_wasserstein};
use rayon::prelude::*;
use serde_json::json;

/// Directions of the sliced Wasserstein distance.
const DIRECTIONS: usize = 64;
/// Stacked images generated to count their modes, as in the literature.
const COUNTED: usize = 26_000;
/// Stacked images that are classified at once.
const AT_ONCE: usize = 1_000;

/// Metrics of as many generated points as there are test points, and the entropy of their density; empty for images.
///
/// # Errors
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
pub fn points(session: &mut Session, seed: u64) -> Result<Evaluation> {
    let Some(density) = session.data.points else { return Ok(Evaluation::new()) };
    let mut evaluation = Evaluation::from_iter([("entropy".into(), json!(density.entropy()))]);
    if let Some([mean, error]) = neg_log_density(session)? {
        evaluation.insert("nll".into(), json!(mean));
        evaluation.insert("nll_error".into(), json!(error));
    }
    let data = session.data.clone();
    let count = data.test.count.min(data.train.count);
    let Some(sampling) = Sampling::prepare(session, count, seed)? else { return Ok(evaluation) };
    let drawn = sampling.run(session)?.values;
    let rows: Vec<usize> = (0..count).collect();
    let [test, train] = [&data.test, &data.train].map(|split| data.values(split, &rows));
    for (key, other) in [("sliced_wasserstein", &drawn), ("sliced_wasserstein_floor", &train)] {
        evaluation.insert(key.into(), json!(sliced_wasserstein(&test, other, DIRECTIONS)));
    }
    if let Some(sigma) = density.deviation() {
        let centres = density.modes();
        let found = modes(&drawn, &centres, sigma);
        evaluation.insert("modes".into(), json!(found.found));
        evaluation.insert("all_modes".into(), json!(centres.len()));
        evaluation.insert("within_3_sigma".into(), json!(found.within));
        evaluation.insert("mode_kl".into(), json!(found.kl));
        evaluation.insert("mode_kl_floor".into(), json!(modes(&test, &centres, sigma).kl));
    }
    evaluation.insert("drawn".into(), json!(count));
    evaluation.insert("drawn_by_average".into(), json!(session.config.draws_by_average()));
    Ok(evaluation)
}

/// The mean of −log p over the test points, in nats, and its standard error; `None` if the model has no density. The
/// weights are those that samples are drawn with.
fn neg_log_density(session: &mut Session) -> Result<Option<[f64; 2]>> {
    if session.model.log_density().is_none() {
        return Ok(None);
    }
    let pass = |session: &Session, batch| {
        let pass = session.model.log_density().expect("checked above").neg_log_density(batch);
        Pass { schedule: with_drawing_weights(session, pass.schedule), ..pass }
    };
    let rows = TestPass::of_all(session, pass)?.run(session)?.remove(0);
    let mean = |of: &dyn Fn(f64) -> f64| rows.iter().map(|&x| of(x.into())).sum::<f64>() / rows.len() as f64;
    let middle = mean(&|x| x);
    Ok(Some([middle, (mean(&|x| (x - middle).powi(2)) / rows.len() as f64).sqrt()]))
}

/// Counts the modes of stacked images that a model generates: the classes of the three grey images in each, by a
/// classifier of the set that they are made of. Empty for other data and for models without a prior.
///
/// # Errors
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
pub fn stacked_modes(session: &mut Session, backend: &Backend, seed: u64, terminal: &Terminal) -> Result<Evaluation> {
    let (Some(base), true) = (session.data.stacked.clone(), session.model.sampler().is_some()) else {
        return Ok(Evaluation::new());
    };
    let Some(mut classifier) = TrainedClassifier::load_or_train(&base, backend, "to count modes", terminal)? else {
        terminal.say(&format!("warning: {} has no classes, so no modes are counted", base.name));
        return Ok(Evaluation::new());
    };
    warn_of_errors(&classifier, terminal);
    let drawn = Sampling::require(session, COUNTED, seed)?.run(session)?.values;
    let mut evaluation = count(&base, &drawn, |images| classifier.classes(images))?;
    evaluation.insert("drawn_by_average".into(), json!(session.config.draws_by_average()));
    evaluation.insert("counted".into(), json!(COUNTED));
    evaluation.extend(about(&mut classifier)?);
    Ok(evaluation)
}

/// The modes of stacked images with values from 0 to 1, by the classes of grey ones, and of as many real images by
/// their labels.
fn count(
    base: &DataSet,
    images: &[f32],
    mut classes_of: impl FnMut(&[f32]) -> Result<Vec<usize>>,
) -> Result<Evaluation> {
    let (classes, width) = (base.classes.len(), 3 * base.pixels());
    let mut found = Vec::with_capacity(images.len() / width);
    for images in images.chunks(AT_ONCE * width) {
        let mut of_colour = |colour: usize| {
            let plane: Vec<f32> = images.iter().skip(colour).step_by(3).copied().collect();
            classes_of(&plane)
        };
        let [red, green, blue] = [of_colour(0)?, of_colour(1)?, of_colour(2)?];
        found.extend((0..red.len()).map(|image| mode([red[image], green[image], blue[image]], classes)));
    }
    let label = |row: usize| usize::from(base.test.labels[row]);
    let real = triples(found.len(), 1, base.test.count).map(|rows| mode(rows.map(label), classes));
    let shares = shares(&base.train.labels, classes);
    let [drawn, real] = [found, real.collect()].map(|modes| counts(&modes, shares.len()));
    Ok(Evaluation::from_iter([
        ("modes".into(), json!(drawn.iter().filter(|&&count| count > 0).count())),
        ("all_modes".into(), json!(shares.iter().filter(|&&share| share > 0.0).count())),
        ("mode_kl".into(), json!(divergence(&drawn, &shares))),
        ("mode_kl_floor".into(), json!(divergence(&real, &shares))),
    ]))
}

/// The number of a mode, from the class of each colour.
fn mode(colours: [usize; 3], classes: usize) -> usize {
    colours.iter().fold(0, |mode, class| mode * classes + class)
}

fn counts(modes: &[usize], all: usize) -> Vec<usize> {
    let mut counts = vec![0; all];
    modes.iter().for_each(|&mode| counts[mode] += 1);
    counts
}

/// The share of each mode of stacked images whose three parts are drawn from images with such labels.
fn shares(labels: &[u8], classes: usize) -> Vec<f64> {
    let labels: Vec<usize> = labels.iter().map(|&label| label.into()).collect();
    let of_class: Vec<f64> = counts(&labels, classes).iter().map(|&count| count as f64 / labels.len() as f64).collect();
    let all = (0..classes.pow(3)).map(|mode| [mode / (classes * classes), mode / classes % classes, mode % classes]);
    all.map(|colours| colours.map(|class| of_class[class]).iter().product()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use std::collections::HashMap;

    /// With a classifier that knows every image.
    #[test]
    fn real_images_have_all_modes_and_copies_of_one_have_one() {
        let data = DataSet::load(&DataOptions { stacked: 8_000, size: 8, ..DataOptions::default() }).unwrap();
        let base = data.stacked.clone().unwrap();
        let bytes = |image: &[f32]| image.iter().map(|x| (255.0 * x).round() as u8).collect::<Vec<u8>>();
        let known: HashMap<&[u8], u8> =
            (0..base.train.count).map(|row| (base.train.image(row), base.train.labels[row])).collect();
        let of = |images: &[f32]| {
            Ok(images.chunks_exact(base.pixels()).map(|image| known[&bytes(image)[..]].into()).collect())
        };
        let rows: Vec<usize> = (0..8_000).collect();
        let real = count(&base, &data.values(&data.train, &rows), of).unwrap();
        let number = |found: &Evaluation, key: &str| found[key].as_f64().unwrap();
        // Of 1,000 equally likely modes, 8,000 draws miss 1,000 e⁻⁸, or 0.3; their KL is about 999 / 16,000.
        assert!((997.0..=1000.0).contains(&number(&real, "modes")), "{real:?}");
        for key in ["mode_kl", "mode_kl_floor"] {
            assert!((number(&real, key) - 0.064).abs() < 0.015, "{key} of {real:?}");
        }
        let stuck = count(&base, &data.values(&data.train, &[7; 50]), of).unwrap();
        assert_eq!(number(&stuck, "modes"), 1.0);
        assert!((number(&stuck, "mode_kl") - 1000f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn shares_are_products() {
        let found = shares(&[0, 0, 0, 1], 2);
        assert_eq!((found[0], found[1], found[7]), (0.75f64.powi(3), 0.75 * 0.75 * 0.25, 0.25f64.powi(3)));
        assert_eq!(mode([1, 0, 1], 2), 5);
        assert_eq!(counts(&[0, 2, 2], 3), [1, 0, 2]);
    }
}
