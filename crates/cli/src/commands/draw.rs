//! `frit sample` and `frit reconstruct`.

use crate::Ending;
use crate::args;
use crate::commands::trained::{MEASURE, open_on, open_to_draw};
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::eval::Opened;
use frit::eval::draw::{Images, Reconstructions, Sampling, usual_samples};
use frit::eval::latents::class;
use frit::io::files;
use frit::io::images::{destination, single, write_png};
use frit::terminal::Terminal;
use std::path::Path;

/// The largest number of images in one grid.
const MAX: usize = 10_000;
/// The default number of test images to reconstruct.
const DEFAULT: usize = 32;

pub(crate) fn sample(args: &args::Sample, terminal: &Terminal) -> Result<Ending> {
    ensure!(
        args.n.is_none_or(|n| (1..=MAX).contains(&n)),
        "invalid value '{}' for -n: expected 1 to {MAX}",
        args.n.unwrap_or_default()
    );
    let Opened { run, mut session, .. } = open_to_draw(&args.trained, terminal)?;
    let count = args.n.unwrap_or(usual_samples(&session.data));
    ensure!(
        args.files.is_none() || session.data.points.is_none(),
        "--files writes images, but the run draws points; leave it out"
    );
    let path = destination(args.out.as_deref(), &run.path, "sample.png")?;
    args.files.as_deref().map_or(Ok(()), check_for_pictures)?;
    let sampling = Sampling::require(&mut session, count, args.seed)?;
    let sampling = match &args.class {
        Some(name) => sampling.of_class(class(&session, name)?.into()),
        None => sampling,
    };
    let images = sampling.run(&mut session)?;
    if let Some(folder) = &args.files {
        write_each(folder, &images)?;
    }
    images.save(&path)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// Refuses a folder that already holds numbered images, which would mix with these.
fn check_for_pictures(folder: &Path) -> Result<()> {
    let numbered = |name: &str| {
        let number = name.strip_suffix(".png");
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let names = files::list(folder)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_string()));
    match names.into_iter().find(|name| numbered(name)) {
        Some(name) => bail!("{} already contains images, e.g. {name}; choose an empty folder", folder.display()),
        None => Ok(()),
    }
}

/// Writes each image to its own file in a folder.
fn write_each(folder: &Path, images: &Images) -> Result<()> {
    files::create_folder(folder)?;
    let pixels: usize = images.size.iter().product();
    for (number, image) in images.values.chunks_exact(pixels).enumerate() {
        write_png(&folder.join(format!("{number:05}.png")), &single(image, images.size))?;
    }
    Ok(())
}

pub(crate) fn reconstruct(args: &args::Reconstruct, terminal: &Terminal) -> Result<Ending> {
    let own = args.own.given();
    let most = if own.is_some() { MAX } else { DEFAULT };
    let Opened { run, mut session, .. } = open_on(&args.trained, own, terminal)?;
    let images = session.data.test.count;
    let usual = if session.data.points.is_some() { usual_samples(&session.data) } else { most };
    let count = args.n.unwrap_or(images.min(usual));
    let path = destination(args.out.as_deref(), &run.path, "reconstructions.png")?;
    let pairs = Reconstructions::prepare(&mut session, check_count(count, images)?)?;
    let pairs = pairs.with_context(|| {
        let instead = if session.model.sampler().is_some() { "use `frit sample`" } else { MEASURE };
        format!("{} has no encoder; {instead}", session.config.name())
    })?;
    write_png(&path, &pairs.run(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// Checks the number of images against the data set and the largest grid.
fn check_count(count: usize, images: usize) -> Result<usize> {
    match images {
        ..=MAX => ensure!(
            (1..=images).contains(&count),
            "invalid value '{count}' for -n: expected 1 to {images} (the number of images)"
        ),
        _ => ensure!((1..=MAX).contains(&count), "invalid value '{count}' for -n: expected 1 to {MAX}"),
    }
    Ok(count)
}
