//! `frit sample` and `frit reconstruct`: pictures.

use crate::Ending;
use crate::args;
use crate::commands::trained::{Opened, open, open_to_draw};
use crate::evaluation::{Drawing, Reconstructions};
use crate::pictures::{single, write_png};
use crate::safe_file::could_not_save;
use crate::session::Session;
use crate::terminal::{Terminal, out};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// The most pictures in one file.
const MOST: usize = 10_000;
/// Test images that are reconstructed unless another number is asked for.
const DEFAULT: usize = 32;

pub(crate) fn sample(args: &args::Sample, terminal: &Terminal) -> Result<Ending> {
    ensure!((1..=MOST).contains(&args.n), "-n {} is not between 1 and {MOST}; ask for fewer pictures", args.n);
    let Opened { run, mut session, .. } = open_to_draw(&args.trained, terminal)?;
    let drawing = Drawing::prepare(&mut session, args.n, args.seed)?
        .context("a family with a prior draws; this is a fault of frit's")?;
    let drawing = match &args.class {
        Some(name) => drawing.of_class(class(&session, name)?),
        None => drawing,
    };
    let path = args.out.clone().unwrap_or_else(|| run.path.join("sample.png"));
    let images = drawing.pictures(&mut session)?;
    if let Some(folder) = &args.files {
        write_each(folder, &images, &session)?;
    }
    write_png(&path, &drawing.grid(&session, &images))?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
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

/// The class of that name, for a model that is told it.
fn class(session: &Session, name: &str) -> Result<usize> {
    ensure!(
        session.model.pins().labels.is_some(),
        "this model is not told classes, so none can be asked for; train cvae or cgan, or leave --class out"
    );
    let classes = &session.data.classes;
    let found = classes.iter().position(|class| class == name);
    found.with_context(|| format!("there is no class “{name}”; the run was trained on {}", classes.join(", ")))
}

pub(crate) fn reconstruct(args: &args::Reconstruct, terminal: &Terminal) -> Result<Ending> {
    let Opened { run, mut session, .. } = open(&args.trained, terminal)?;
    let images = session.data.test.count;
    let count = args.n.unwrap_or(images.min(DEFAULT));
    ensure!((1..=MOST).contains(&count), "-n {count} is not between 1 and {MOST}; ask for fewer pictures");
    ensure!(count <= images, "-n {count} is more than the {images} test images; ask for fewer");
    let path = args.out.clone().unwrap_or_else(|| run.path.join("reconstructions.png"));
    let family = session.config.name();
    let pairs = Reconstructions::prepare(&mut session, count)?;
    let pairs = pairs.with_context(|| format!("{family} reconstructs nothing; draw from it with `frit sample`"))?;
    write_png(&path, &pairs.run(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}
