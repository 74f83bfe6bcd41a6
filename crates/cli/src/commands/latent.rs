//! `frit interpolate` and `frit traverse`: interpolation and traversal of the latent space.

use crate::Ending;
use crate::args;
use crate::commands::trained::{open, open_on};
use crate::output::out;
use anyhow::{Result, ensure};
use frit::eval::draw::Images;
use frit::eval::latents::{class, code_width, codes, is_class_conditional, pictures};
use frit::eval::{Opened, OwnImages};
use frit::io::images::destination;
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::{Array, Dtype};
use models::latents::{linear, normals, spherical};
use std::path::Path;

/// The largest number of rows or columns.
const MAX: usize = 100;

pub(crate) fn interpolate(args: &args::Interpolate, terminal: &Terminal) -> Result<Ending> {
    check("--rows", args.rows, 1)?;
    check("--steps", args.steps, 2)?;
    let own = args.from.iter().chain(&args.to).cloned().collect::<Vec<_>>();
    let own = (!own.is_empty()).then(|| OwnImages { sources: own, class: args.class.clone() });
    let count = if own.is_some() { 1 } else { args.rows };
    let images = args.test_images || own.is_some();
    let Opened { run, mut session, .. } = open_on(&args.trained, own, terminal)?;
    let session = &mut session;
    let path = destination(args.out.as_deref(), &run.path, "interpolation.png")?;
    let width = latent_width(session)?;
    ensure!(
        args.from.is_none() || session.data.test.count == 2,
        "--from and --to have {} images; use one image file each",
        session.data.test.count
    );
    let images = images || !has_prior(session);
    let rows = if images { pairs(session, count)? } else { Vec::new() };
    let ends = match images {
        true => latents(session, rows.clone())?,
        false => normals(2 * args.rows * width, args.seed).chunks(width).map(<[f32]>::to_vec).collect(),
    };
    // One class per row: only the latent changes.
    let known = session.data.classes.len();
    let of_row = |row: usize| if images { label(session, rows[2 * row]) } else { (row % known) as u8 };
    let classes = classes(session, args.class.as_deref(), count, of_row)?;
    let way = if args.spherical { spherical } else { linear };
    let row = |ends: &[Vec<f32>]| {
        let point = |step: usize| way(&ends[0], &ends[1], step as f32 / (args.steps - 1) as f32);
        (0..args.steps).flat_map(point).collect::<Vec<f32>>()
    };
    let points: Vec<f32> = ends.chunks(2).flat_map(row).collect();
    draw(session, points, classes, args.steps, &path)
}

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
    let width = latent_width(session)?;
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
    let classes = classes(session, args.class.as_deref(), units.len(), of_row)?;
    draw(session, points, classes, args.steps, &path)
}

/// True if the model has a prior to sample from.
fn has_prior(session: &Session) -> bool {
    session.model.sampler().is_some()
}

/// The class of a test image.
fn label(session: &Session, image: usize) -> u8 {
    session.data.test.labels[image]
}

/// The class of each row, for class-conditional models: the named one, or `of_row`.
fn classes(
    session: &Session,
    name: Option<&str>,
    rows: usize,
    of_row: impl Fn(usize) -> u8,
) -> Result<Option<Vec<u8>>> {
    let asked = name.map(|name| class(session, name)).transpose()?;
    let of = |row| asked.unwrap_or_else(|| of_row(row));
    Ok(is_class_conditional(session).then(|| (0..rows).map(of).collect()))
}

fn check(flag: &str, n: usize, least: usize) -> Result<()> {
    ensure!((least..=MAX).contains(&n), "invalid value '{n}' for {flag}: expected {least} to {MAX}");
    Ok(())
}

/// The number of latent dimensions.
fn latent_width(session: &Session) -> Result<usize> {
    let words = session.model.decoder().is_some_and(|decoder| decoder.code().dtype == Dtype::U32);
    ensure!(!words, "codebook indices cannot be interpolated; use a run of a VAE, an autoencoder or a GAN");
    Ok(code_width(session)?)
}

/// Pairs of test images, one after another: of each class its share, by the seed of the run.
fn pairs(session: &Session, count: usize) -> Result<Vec<usize>> {
    let (test, needed) = (&session.data.test, 2 * count);
    let has = test.count;
    ensure!(needed <= has, "interpolation needs {needed} test images, but there are {has}; use fewer --rows");
    let drawn = test.subset(needed, session.config.train.seed);
    // From one half to the other: in data sorted by class, between classes.
    let (from, to) = drawn.split_at(count);
    Ok(from.iter().zip(to).flat_map(|(&from, &to)| [from, to]).collect())
}

/// The latents of test images; for posteriors, their means.
fn latents(session: &mut Session, rows: Vec<usize>) -> Result<Vec<Vec<f32>>> {
    let width = latent_width(session)?;
    let (found, columns) = codes(session, rows)?;
    Ok(found.to_f32().chunks_exact(columns).map(|row| row[..width].to_vec()).collect())
}

/// The latent of one test image.
fn latent(session: &mut Session, image: usize) -> Result<Vec<f32>> {
    let count = session.data.test.count;
    ensure!(image < count, "invalid value '{image}' for --image: expected 0 to {} (test images)", count - 1);
    Ok(latents(session, vec![image])?.remove(0))
}

/// The standard deviation of each latent dimension over the test images; 1 for models without an encoder.
fn deviations(session: &mut Session, width: usize) -> Result<Vec<f64>> {
    if session.model.encoder().is_none() {
        return Ok(vec![1.0; width]);
    }
    let rows = latents(session, (0..session.data.test.count).collect())?;
    let deviation = |unit: usize| {
        let mean =
            |of: &dyn Fn(f64) -> f64| rows.iter().map(|row| of(f64::from(row[unit]))).sum::<f64>() / rows.len() as f64;
        let middle = mean(&|x| x);
        mean(&|x| (x - middle).powi(2)).sqrt()
    };
    Ok((0..width).map(deviation).collect())
}

/// Decodes points in rows of `columns`, each row with its class for class-conditional models.
fn draw(
    session: &mut Session,
    points: Vec<f32>,
    classes: Option<Vec<u8>>,
    columns: usize,
    path: &Path,
) -> Result<Ending> {
    let each = classes.map(|rows| rows.into_iter().flat_map(|class| vec![class; columns]).collect::<Vec<u8>>());
    let images = pictures(session, &Array::F32(points), each.as_deref())?;
    Images::like(&session.data, images, columns).save(path)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}
