//! `frit sample` and `frit reconstruct`: pictures.

use crate::Ending;
use crate::args;
use crate::commands::trained::{MEASURE, Opened, open, open_to_draw};
use crate::output::out;
use anyhow::{Context, Result, ensure};
use frit::eval::latents::class;
use frit::eval::passes::{Drawing, Reconstructions};
use frit::io::atomic_write::could_not_save;
use frit::io::images::{destination, single, write_png};
use frit::run::session::Session;
use frit::terminal::Terminal;
use std::io::ErrorKind;
use std::path::Path;

/// The most pictures in one file.
const MAX: usize = 10_000;
/// Test images that are reconstructed unless another number is asked for.
const DEFAULT: usize = 32;

pub(crate) fn sample(args: &args::Sample, terminal: &Terminal) -> Result<Ending> {
    ensure!((1..=MAX).contains(&args.n), "-n {} is not between 1 and {MAX}; give a number that is", args.n);
    let Opened { run, mut session, .. } = open_to_draw(&args.trained, terminal)?;
    let path = destination(args.out.as_deref(), &run.path, "sample.png")?;
    args.files.as_deref().map_or(Ok(()), check_for_pictures)?;
    let drawing = Drawing::prepare(&mut session, args.n, args.seed)?
        .context("a family with a prior draws; this is a fault of frit's")?;
    let drawing = match &args.class {
        Some(name) => drawing.of_class(class(&session, name)?.into()),
        None => drawing,
    };
    let images = drawing.pictures(&mut session)?;
    if let Some(folder) = &args.files {
        write_each(folder, &images, &session)?;
    }
    write_png(&path, &drawing.grid(&session, &images))?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// Sees to it that a folder has no pictures of another draw, which would be taken for some of this one.
fn check_for_pictures(folder: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| could_not_save(folder, &error))?,
    };
    let numbered = |name: &str| {
        let number = name.strip_suffix(".png");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    for entry in entries {
        let name = entry.map_err(|error| could_not_save(folder, &error))?.file_name();
        ensure!(
            !name.to_str().is_some_and(numbered),
            "{} holds pictures already, such as {}, and would hold those of two draws; give another folder, or remove \
             them",
            folder.display(),
            name.display()
        );
    }
    Ok(())
}

/// Writes every picture into a folder, which may be there already.
fn write_each(folder: &Path, images: &[f32], session: &Session) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| could_not_save(folder, &error))?;
    let size = [session.data.height, session.data.width, session.data.channels];
    for (number, picture) in images.chunks_exact(session.data.pixels()).enumerate() {
        write_png(&folder.join(format!("{number:05}.png")), &single(picture, size))?;
    }
    Ok(())
}

pub(crate) fn reconstruct(args: &args::Reconstruct, terminal: &Terminal) -> Result<Ending> {
    let Opened { run, mut session, .. } = open(&args.trained, terminal)?;
    let images = session.data.test.count;
    let count = args.n.unwrap_or(images.min(DEFAULT));
    let path = destination(args.out.as_deref(), &run.path, "reconstructions.png")?;
    let pairs = Reconstructions::prepare(&mut session, check_count(count, images)?)?;
    let pairs = pairs.with_context(|| {
        let instead = match session.model.sampler() {
            None => MEASURE,
            Some(_) => "draw from it with `frit sample`",
        };
        format!("{} reconstructs nothing; {instead}", session.config.name())
    })?;
    write_png(&path, &pairs.run(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// So many of the test images, if there are so many, and no more than a picture has room for.
fn check_count(count: usize, images: usize) -> Result<usize> {
    match images {
        ..=MAX => ensure!(
            (1..=images).contains(&count),
            "-n {count} is not between 1 and the {images} test images; give a number that is"
        ),
        _ => ensure!((1..=MAX).contains(&count), "-n {count} is not between 1 and {MAX}; give a number that is"),
    }
    Ok(count)
}
