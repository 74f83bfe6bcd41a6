//! `frit traverse`, and its share of `frit interpolate`: points of the latent space as rows of images.

use crate::Ending;
use crate::args;
use crate::commands::trained::open;
use crate::output::out;
use anyhow::{Result, ensure};
use frit::eval::Opened;
use frit::eval::draw::Images;
use frit::eval::latents::{class, code_width, is_class_conditional, latents, pictures_of_latents};
use frit::io::images::destination;
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::{Array, Dtype};
use std::path::Path;

/// The largest number of rows or columns.
const MAX: usize = 100;

pub(crate) fn traverse(args: &args::Traverse, terminal: &Terminal) -> Result<Ending> {
    check("--units", args.units, 1)?;
    check("--steps", args.steps, 2)?;
    let reach = args.reach;
    ensure!(
        reach > 0.0 && reach.is_finite(),
        "invalid value '{reach}' for --reach: expected a positive, finite number"
    );
    let Opened { run, mut session, .. } = open(&args.trained, terminal)?;
    let session = &mut session;
    let path = destination(args.out.as_deref(), &run.path, "traversal.png")?;
    let width = dimensions(session)?;
    let prior = has_prior(session);
    let image = args.image.or((!prior).then_some(0));
    let base = match image {
        Some(image) => latent(session, image)?,
        None => vec![0.0; width],
    };
    let deviations = deviations(session, width)?;
    // By variance over the test images; in their own order for models without an encoder.
    let mut units: Vec<usize> = (0..width).collect();
    units.sort_by(|&a, &b| deviations[b].total_cmp(&deviations[a]));
    units.truncate(args.units);
    let mut points = Vec::new();
    for &unit in &units {
        // Mean and deviation of the prior; without one, those of the test images.
        let (middle, scale) = if prior { (0.0, 1.0) } else { (base[unit], deviations[unit] as f32) };
        for step in 0..args.steps {
            let mut point = base.clone();
            point[unit] = middle + reach * scale * (2.0 * step as f32 / (args.steps - 1) as f32 - 1.0);
            points.extend(point);
        }
    }
    let of_row = |_| image.map_or(0, |image| label(session, image));
    let classes = row_classes(session, args.class.as_deref(), units.len(), of_row)?;
    draw(session, points, classes, args.steps, &path)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// True if the model has a prior to sample from.
pub(super) fn has_prior(session: &Session) -> bool {
    session.model.sampler().is_some()
}

/// The class of a test image.
pub(super) fn label(session: &Session, image: usize) -> u8 {
    session.data.test.labels[image]
}

/// The class of each row, for class-conditional models: the named one, or `of_row`.
pub(super) fn row_classes(
    session: &Session,
    name: Option<&str>,
    rows: usize,
    of_row: impl Fn(usize) -> u8,
) -> Result<Option<Vec<u8>>> {
    let asked = name.map(|name| class(session, name)).transpose()?;
    let of = |row| asked.unwrap_or_else(|| of_row(row));
    Ok(is_class_conditional(session).then(|| (0..rows).map(of).collect()))
}

pub(super) fn check(flag: &str, n: usize, least: usize) -> Result<()> {
    ensure!((least..=MAX).contains(&n), "invalid value '{n}' for {flag}: expected {least} to {MAX}");
    Ok(())
}

/// The number of latent dimensions to traverse.
fn dimensions(session: &Session) -> Result<usize> {
    let words = session.model.decoder().is_some_and(|decoder| decoder.code().dtype == Dtype::U32);
    ensure!(!words, "codebook indices cannot be traversed; use a run of a VAE, an autoencoder or a GAN");
    Ok(code_width(session)?)
}

/// The latent of one test image.
fn latent(session: &mut Session, image: usize) -> Result<Vec<f32>> {
    let count = session.data.tests();
    ensure!(image < count, "invalid value '{image}' for --image: expected 0 to {} (test images)", count - 1);
    Ok(latents(session, vec![image])?.remove(0))
}

/// The standard deviation of each latent dimension over the test images; 1 for models without an encoder.
fn deviations(session: &mut Session, width: usize) -> Result<Vec<f64>> {
    if session.model.encoder().is_none() {
        return Ok(vec![1.0; width]);
    }
    let rows = latents(session, (0..session.data.tests()).collect())?;
    let deviation = |unit: usize| {
        let mean =
            |of: &dyn Fn(f64) -> f64| rows.iter().map(|row| of(f64::from(row[unit]))).sum::<f64>() / rows.len() as f64;
        let middle = mean(&|x| x);
        mean(&|x| (x - middle).powi(2)).sqrt()
    };
    Ok((0..width).map(deviation).collect())
}

/// Decodes points in rows of `columns`, each row with its class for class-conditional models.
pub(super) fn decoded(
    session: &mut Session,
    points: Vec<f32>,
    classes: Option<Vec<u8>>,
    columns: usize,
) -> Result<Vec<f32>> {
    let each = classes.map(|rows| rows.into_iter().flat_map(|class| vec![class; columns]).collect::<Vec<u8>>());
    Ok(pictures_of_latents(session, &Array::F32(points), each.as_deref())?)
}

/// Draws such points as a grid.
pub(super) fn draw(
    session: &mut Session,
    points: Vec<f32>,
    classes: Option<Vec<u8>>,
    columns: usize,
    path: &Path,
) -> Result<()> {
    let images = decoded(session, points, classes, columns)?;
    Ok(Images::like(&session.data, images, columns).save(path)?)
}
