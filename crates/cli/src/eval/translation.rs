//! Test images beside their translations, and the errors of translations that have a true image.

use crate::data::{DataSet, Sides, Split};
use crate::eval::baselines::{filtered, mean_image, nearest};
use crate::eval::draw::{to_unit, with_drawing_weights};
use crate::eval::measures::Evaluation;
use crate::eval::metrics::TRANSLATED;
use crate::eval::passes::TestPass;
use crate::eval::plane::Plane;
use crate::io::error::Result;
use crate::io::images;
use crate::run::session::Session;
use image::DynamicImage;
use models::metrics::{mse, ssim};
use models::{Corruption, Pass, Side};
use serde_json::{Value, json};

/// Training images among which the nearest one is searched for, and of which the mean is taken, at most.
const MAX_TRAINING: usize = 4_096;
/// Columns of a grid of images above their translations.
const COLUMNS: usize = 16;

/// Test images and their translations to a side, prepared once and drawn as often as wanted.
pub struct Translations {
    pass: TestPass,
    to: Side,
    count: usize,
}

impl Translations {
    /// Prepares `count` test images, drawn by the seed of the run, and their translations to a side; `None` if the
    /// model does not translate to it. `seed` is that of a corruption. They are drawn with the running average of the
    /// weights if the configuration says so.
    pub fn prepare(session: &mut Session, count: usize, to: Side, seed: u64) -> Result<Option<Self>> {
        let Some(translator) = session.model.translator() else { return Ok(None) };
        if !translator.targets().contains(&to) {
            return Ok(None);
        }
        let pass = |session: &Session, batch| {
            let pass = session.model.translator().expect("checked above").translate(batch, to, seed);
            Pass { schedule: with_drawing_weights(session, pass.schedule), ..pass }
        };
        let rows = session.data.test_rows(count, session.config.train.seed);
        Ok(Some(Self { pass: TestPass::prepare(session, rows, pass)?, to, count }))
    }

    /// The images, their translations, and the true images or the translations back. Of masked images, known pixels
    /// stay.
    pub fn run(&self, session: &mut Session) -> Result<[Plane; 3]> {
        let mut outputs = self.pass.run(session)?.into_iter().map(|values| to_unit(session, values));
        let mut next = || outputs.next().expect("a translation has three outputs");
        let [source, output, third] = [next(), next(), next()];
        let sets = &session.model.buffers().sets;
        let input = session.model.translator().expect("checked above").source(self.to);
        let [h, w, _] = input;
        let size = |values: &[f32]| [h, w, values.len() / (self.count * h * w)];
        debug_assert!(sets.iter().all(|set| set.spec.image[..2] == input[..2]));
        let [source, mut output, third] = [source, output, third].map(|values| Plane { size: size(&values), values });
        if matches!(session.config.model.corruption(), Some(Corruption::Mask(_))) {
            output.keep_known(&source);
        }
        Ok([source, output, third])
    }

    /// Draws one image: rows of images, each above a row of translations and one of true images or of translations
    /// back.
    pub fn draw(&self, session: &mut Session) -> Result<DynamicImage> {
        Ok(columns(&self.run(session)?, self.count))
    }
}

/// Rows of images above the rows of others that belong to them, in colour if one of them is.
fn columns(planes: &[Plane], count: usize) -> DynamicImage {
    let [h, w, _] = planes[0].size;
    let grey = planes.iter().all(|plane| plane.size[2] == 1);
    let values: Vec<Vec<f32>> =
        planes.iter().map(|plane| if grey { plane.values.clone() } else { plane.in_colour() }).collect();
    let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    images::rows_of(&values, count, [h, w, if grey { 1 } else { 3 }], count.min(COLUMNS))
}

/// Draws translations in all directions of a model, one below the other.
///
/// # Errors
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
pub fn preview(session: &mut Session, prepared: &[Translations]) -> Result<DynamicImage> {
    let drawn = prepared.iter().map(|translations| translations.draw(session)).collect::<Result<Vec<_>>>()?;
    Ok(images::below(&drawn))
}

/// Errors of translations of all test images against the true ones, by direction: `to_b` and `to_a`, each with a row
/// for the translations and for what they are compared with. Empty for a model without true images.
///
/// # Errors
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
pub fn translation_errors(session: &mut Session, seed: u64) -> Result<Evaluation> {
    let mut evaluation = Evaluation::new();
    let Some(translator) = session.model.translator() else { return Ok(evaluation) };
    let targets = translator.targets();
    let corrupted = session.data.sides.is_none();
    if !corrupted && !matches!(session.data.sides, Some(Sides::Paired { .. })) {
        return Ok(evaluation);
    }
    let count = session.data.tests();
    for &to in targets {
        let Some(translations) = Translations::prepare(session, count, to, seed)? else { continue };
        let [input, output, third] = translations.run(session)?;
        let data = session.data.clone();
        let truth = if corrupted { third } else { test_images(session, &data, to) };
        let mut rows = serde_json::Map::new();
        rows.insert(TRANSLATED.into(), errors(&output.values, &truth));
        let alike = input.with_channels(truth.size[2]);
        rows.insert("input".into(), errors(&alike.values, &truth));
        if corrupted {
            let corruption = session.config.model.corruption();
            if let Some((name, values)) = corruption.and_then(|of| filtered(&input, truth.size, of)) {
                rows.insert(name.into(), errors(&values, &truth));
            }
        } else {
            let training = training_images(session, &data, to);
            rows.insert("nearest".into(), errors(&nearest(&alike.values, &training), &truth));
            rows.insert("mean".into(), errors(&mean_image(&training, count), &truth));
        }
        if to == Side::B {
            for key in ["l1", "psnr", "ssim"] {
                evaluation.insert(key.into(), rows[TRANSLATED][key].clone());
            }
        }
        evaluation.insert(format!("to_{}", to.name()), Value::Object(rows));
    }
    Ok(evaluation)
}

/// The mean absolute error, PSNR and SSIM, means over the images. PSNR is at most that of half a grey level: that of an
/// exact image is infinite.
fn errors(values: &[f32], truth: &Plane) -> Value {
    let clamped: Vec<f32> = values.iter().map(|x| x.clamp(0.0, 1.0)).collect();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let difference = clamped.iter().zip(&truth.values).map(|(a, b)| f64::from((a - b).abs()));
    let l1 = difference.sum::<f64>() / clamped.len() as f64;
    let least = (0.5f64 / 255.0).powi(2);
    let noise = mse(&clamped, &truth.values, truth.size).into_iter();
    let decibels = noise.map(|error| -10.0 * error.max(least).log10()).collect();
    json!({ "l1": l1, "psnr": mean(decibels), "ssim": mean(ssim(&clamped, &truth.values, truth.size)) })
}

fn test_images(session: &Session, data: &DataSet, side: Side) -> Plane {
    let rows: Vec<usize> = (0..data.tests()).collect();
    plane(session, data, side, &data.test, Some(&rows))
}

/// At most [`MAX_TRAINING`] training images, at equal distances in their order.
fn training_images(session: &Session, data: &DataSet, side: Side) -> Plane {
    let count = data.side_count(&data.train, side.index());
    let rows: Vec<usize> = (0..count).step_by(count.div_ceil(MAX_TRAINING).max(1)).collect();
    plane(session, data, side, &data.train, Some(&rows))
}

fn plane(session: &Session, data: &DataSet, side: Side, split: &Split, rows: Option<&[usize]>) -> Plane {
    let bytes = data.side(split, side.index(), rows);
    let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    Plane { values, size: session.model.buffers().sets[side.index()].spec.image }
}
