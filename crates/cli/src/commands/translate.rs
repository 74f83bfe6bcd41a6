//! `frit translate` and `frit restore`.

use crate::Ending;
use crate::args::{self, To, Trained};
use crate::commands::draw::check_count;
use crate::commands::trained::{open, open_on, open_to_decode};
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::data::{OwnPicture, pictures};
use frit::eval::completion::{CompletionOptions, complete_images};
use frit::eval::translation::Translations;
use frit::eval::translator::{Translated, translate_images};
use frit::eval::{Opened, OwnImages};
use frit::io::files::create_folder;
use frit::io::images::{destination, over_alpha, single, write_png};
use frit::run::session::Session;
use frit::terminal::Terminal;
use models::Side;
use std::path::{Path, PathBuf};

/// Test images in a grid.
const DEFAULT: usize = 16;

impl From<To> for Side {
    fn from(to: To) -> Self {
        match to {
            To::A => Self::A,
            To::B => Self::B,
        }
    }
}

pub(crate) fn translate(args: &args::Translate, terminal: &Terminal) -> Result<Ending> {
    let to = args.to.into();
    if args.images.is_empty() {
        return grid(&args.trained, to, args.n, args.out.as_deref(), "translations.png", terminal);
    }
    let Opened { run, mut session, .. } = open_to_translate(&args.trained, terminal)?;
    let given = read(&args.images, &session, terminal)?;
    let translated = translate_images(&mut session, to, &given, None)?;
    say_resized(&given, &translated, terminal);
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("translated"));
    let masks = translated.iter().all(|image| image.size[2] == 1);
    ensure!(!args.alpha || masks, "--alpha needs a model whose second set has grey images; leave it out");
    write(&folder, &given, &translated, args.alpha)
}

pub(crate) fn restore(args: &args::Restore, terminal: &Terminal) -> Result<Ending> {
    if args.images.is_empty() {
        return grid(&args.trained, Side::B, args.n, args.out.as_deref(), "restorations.png", terminal);
    }
    let Opened { run, mut session, .. } = open_to_decode(&args.trained, terminal)?;
    if session.model.translator().is_none() {
        drop(session);
        return complete(args, terminal);
    }
    let given = read(&args.images, &session, terminal)?;
    let mask = args.mask.as_deref().map(|path| mask(path, &session)).transpose()?;
    let restored = translate_images(&mut session, Side::B, &given, mask.as_ref())?;
    say_resized(&given, &restored, terminal);
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("restored"));
    write(&folder, &given, &restored, false)
}

/// Completes images by a model that was not trained to restore: the unknown pixels alone change.
fn complete(args: &args::Restore, terminal: &Terminal) -> Result<Ending> {
    let own = OwnImages { sources: args.images.clone(), class: args.class.clone() };
    let Opened { run, mut session, .. } = open_on(&args.trained, Some(own), terminal)?;
    let path = args.mask.as_deref();
    let path = path.context("the model completes images: name the unknown pixels with --mask MASK.png")?;
    let (height, width) = (session.data.height, session.data.width);
    let unknown: Vec<bool> = mask(path, &session)?.fitted([height, width], 1).pixels.iter().map(|&x| x > 127).collect();
    ensure!(unknown.contains(&true), "{path} is black, so no pixel is unknown; make unknown pixels white");
    let values = complete_images(&mut session, &unknown, &CompletionOptions::default(), terminal)?;
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("restored"));
    create_folder(&folder)?;
    let size = [height, width, session.data.channels];
    for (number, image) in values.chunks_exact(session.data.pixels()).enumerate() {
        write_png(&folder.join(format!("{number:05}.png")), &single(image, size))?;
    }
    out!("{}", folder.display())?;
    Ok(Ending::Done)
}

/// Opens a model that translates, without its data.
fn open_to_translate(trained: &Trained, terminal: &Terminal) -> Result<Opened> {
    let opened = open_to_decode(trained, terminal)?;
    require(&opened.session)?;
    Ok(opened)
}

fn require(session: &Session) -> Result<()> {
    let name = session.config.name();
    session
        .model
        .translator()
        .map(drop)
        .with_context(|| format!("{name} translates no images; train cyclegan or paired"))
}

/// Draws test images above their translations and the true images, or the translations back.
fn grid(
    trained: &Trained,
    to: Side,
    count: Option<usize>,
    out: Option<&Path>,
    name: &str,
    terminal: &Terminal,
) -> Result<Ending> {
    let Opened { run, mut session, .. } = open(trained, terminal)?;
    require(&session)?;
    let images = session.data.tests();
    let count = check_count(count.unwrap_or(images.min(DEFAULT)), images)?;
    let path = destination(out, &run.path, name)?;
    let family = session.config.name();
    let translations = Translations::prepare(&mut session, count, to)?;
    let translations = translations.with_context(|| format!("{family} does not translate to {}", to.name()))?;
    write_png(&path, &translations.draw(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// The images of all sources.
fn read(sources: &[String], session: &Session, terminal: &Terminal) -> Result<Vec<OwnPicture>> {
    let mut all: Vec<OwnPicture> = Vec::new();
    for source in sources {
        let (found, skipped) = pictures(source, &session.config.data)?;
        skipped.iter().for_each(|skipped| terminal.say(&format!("left out: {skipped}")));
        for picture in found {
            if let Some(other) = all.iter().find(|other| out_name(other) == out_name(&picture)) {
                bail!("two images would be written to {}; give them in two calls", out_name(other).display());
            }
            all.push(picture);
        }
    }
    Ok(all)
}

fn mask(path: &str, session: &Session) -> Result<OwnPicture> {
    let (mut found, _) = pictures(path, &session.config.data)?;
    ensure!(found.len() == 1, "--mask takes one image, but {path} has {}", found.len());
    Ok(found.remove(0))
}

/// The path of an image below the output folder.
fn out_name(picture: &OwnPicture) -> PathBuf {
    picture.name.with_extension("png")
}

/// Says in a line how many images were resized.
fn say_resized(given: &[OwnPicture], translated: &[Translated], terminal: &Terminal) {
    let pairs = given.iter().zip(translated).map(|(given, translated)| (given.size, translated.size));
    let resized: Vec<_> = pairs.filter(|(from, to)| from[..2] != to[..2]).collect();
    if let Some((from, to)) = resized.first() {
        terminal.say(&format!(
            "resized {} of {} images (e.g. {}×{} to {}×{})",
            resized.len(),
            given.len(),
            from[0],
            from[1],
            to[0],
            to[1]
        ));
    }
}

/// Writes each translation under the name of its image; with `alpha` as the opacity of that image.
fn write(folder: &Path, given: &[OwnPicture], translated: &[Translated], alpha: bool) -> Result<Ending> {
    for (picture, image) in given.iter().zip(translated) {
        let path = folder.join(out_name(picture));
        create_folder(path.parent().unwrap_or(folder))?;
        let drawn = match alpha {
            true => over_alpha(&image.source.pixels, image.source.size, &image.values),
            false => single(&image.values, image.size),
        };
        write_png(&path, &drawn)?;
    }
    out!("{}", folder.display())?;
    Ok(Ending::Done)
}
