//! `frit translate` and `frit restore`.

use crate::Ending;
use crate::args::{self, To, Trained};
use crate::commands::draw::check_count;
use crate::commands::trained::{open, open_on, open_to_decode, run_folder};
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::config::data::DataOptions;
use frit::data::{OwnPicture, own_picture, picture_files, read_given};
use frit::eval::completion::{CompletionOptions, complete_images};
use frit::eval::translation::Translations;
use frit::eval::translator::{BLACK, Translated, output_channels, translate_images};
use frit::eval::{Opened, OwnImages};
use frit::io::files::create_folder;
use frit::io::images::{destination, over_alpha, single, write_png};
use frit::run::epoch_plan::binding_bytes;
use frit::run::folder::Run;
use frit::run::session::Session;
use frit::terminal::Terminal;
use models::{Corruption, ModelConfig, Side};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Test images in a grid.
const DEFAULT: usize = 16;
/// Images that are in memory at once.
const AT_ONCE: usize = 64;
/// The complaint about a model of completion without a mask.
const MASK: &str = "the model completes images: name the unknown pixels with --mask MASK.png";

impl From<To> for Side {
    fn from(to: To) -> Self {
        match to {
            To::A => Self::A,
            To::B => Self::B,
        }
    }
}

/// The use of a run for images.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Translation,
    Restoration { masked: bool },
    Other,
}

/// The kind of a run, and the name of its family.
fn kind(trained: &Trained, terminal: &Terminal) -> Result<(Kind, &'static str)> {
    let run = run_folder(trained.run.as_deref(), terminal)?;
    let model = Run::open_to_read(&run)?.config()?.model;
    let kind = match (&model, model.corruption()) {
        (_, Some(corruption)) => Kind::Restoration { masked: matches!(corruption, Corruption::Mask(_)) },
        (ModelConfig::CycleGan(_) | ModelConfig::Paired(_), None) => Kind::Translation,
        _ => Kind::Other,
    };
    Ok((kind, model.family().name()))
}

pub(crate) fn translate(args: &args::Translate, terminal: &Terminal) -> Result<Ending> {
    let to = Side::from(args.to);
    match kind(&args.trained, terminal)? {
        (Kind::Translation, _) => {}
        (Kind::Restoration { .. }, _) => bail!("the run restores images; use `frit restore`"),
        (Kind::Other, name) => bail!("{name} translates no images; train cyclegan or paired"),
    }
    if args.images.is_empty() {
        return grid(&args.trained, to, args.n, args.out.as_deref(), "translations.png", terminal);
    }
    let opened = open_to_decode(&args.trained, terminal)?;
    let session = &opened.session;
    let is_mask =
        output_channels(session, to)? == 1 && session.model.buffers().sets[to.other().index()].spec.image[2] == 3;
    ensure!(!args.alpha || is_mask, "--alpha needs a model that makes grey masks of colour images; leave it out");
    let folder = args.out.clone().unwrap_or_else(|| opened.run.path.join("translated"));
    each(opened, to, &args.images, None, (&folder, args.alpha), terminal)
}

pub(crate) fn restore(args: &args::Restore, terminal: &Terminal) -> Result<Ending> {
    let (kind, name) = kind(&args.trained, terminal)?;
    let masked = match kind {
        Kind::Translation => bail!("{name} translates images; use `frit translate`"),
        Kind::Restoration { masked } => masked,
        Kind::Other if args.images.is_empty() => {
            bail!("{name} was not trained to restore: name images with --images, and their unknown pixels with --mask")
        }
        Kind::Other => return complete(args, terminal),
    };
    ensure!(args.class.is_none(), "--class is for class-conditional models, and {name} is none; leave it out");
    if args.images.is_empty() {
        return grid(&args.trained, Side::B, args.n, args.out.as_deref(), "restorations.png", terminal);
    }
    ensure!(!masked || args.mask.is_some(), "{MASK}");
    let opened = open_to_decode(&args.trained, terminal)?;
    let options = opened.session.config.data.clone();
    let mask = args.mask.as_deref().map(|path| mask(path, &options)).transpose()?;
    let folder = args.out.clone().unwrap_or_else(|| opened.run.path.join("restored"));
    each(opened, Side::B, &args.images, mask.as_ref(), (&folder, false), terminal)
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
    let images = session.data.tests();
    let count = check_count(count.unwrap_or(images.min(DEFAULT)), images)?;
    let path = destination(out, &run.path, name)?;
    output_channels(&session, to)?;
    let seed = session.config.train.seed;
    let translations = Translations::prepare(&mut session, count, to, seed)?.context("checked before")?;
    write_png(&path, &translations.draw(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// Translates the images of all sources, some at a time, and writes each under its name; with `alpha` as the opacity of
/// the image.
fn each(
    opened: Opened,
    to: Side,
    sources: &[String],
    unknown: Option<&OwnPicture>,
    (folder, alpha): (&Path, bool),
    terminal: &Terminal,
) -> Result<Ending> {
    let Opened { mut session, backend, .. } = opened;
    let files = files(sources)?;
    let (mut resized, mut done) = (Vec::new(), 0);
    for some in files.chunks(AT_ONCE) {
        let read = pictures(some, &session, terminal);
        let made = translate_images(&mut session, to, &read, unknown, binding_bytes(&backend))?;
        for (picture, image) in read.iter().zip(&made) {
            write(&folder.join(out_name(&picture.name)), image, alpha)?;
            if picture.size[..2] != image.size[..2] {
                resized.push((picture.size, image.size));
            }
        }
        done += read.len();
    }
    ensure!(done > 0, "no image of {} can be read", sources.join(", "));
    if let Some((from, to)) = resized.first() {
        let count = resized.len();
        let sizes = format!("{}×{} to {}×{}", from[0], from[1], to[0], to[1]);
        terminal.say(&format!("resized {count} of {done} images (e.g. {sizes})"));
    }
    out!("{}", folder.display())?;
    Ok(Ending::Done)
}

/// The image files of all sources, with the names of their results, which differ.
fn files(sources: &[String]) -> Result<Vec<(PathBuf, PathBuf)>> {
    let (mut all, mut names) = (Vec::new(), HashSet::new());
    for source in sources {
        for (file, name) in picture_files(source)? {
            let out = out_name(&name);
            if !names.insert(out.clone()) {
                bail!("two images would be written to {}; give them in two calls", out.display());
            }
            all.push((file, name));
        }
    }
    Ok(all)
}

/// Reads images, and names those that cannot be read.
fn pictures(files: &[(PathBuf, PathBuf)], session: &Session, terminal: &Terminal) -> Vec<OwnPicture> {
    let read = files.iter().map(|(file, name)| own_picture(file, name, &session.config.data));
    read.filter_map(|found| found.map_err(|skipped| terminal.say(&format!("left out: {skipped}"))).ok()).collect()
}

/// The image of a mask, of any size.
fn mask(path: &str, options: &DataOptions) -> Result<OwnPicture> {
    let file = Path::new(path);
    own_picture(file, file, options).map_err(|skipped| anyhow::anyhow!("{skipped}"))
}

/// The path of a result below the output folder.
fn out_name(name: &Path) -> PathBuf {
    name.with_extension("png")
}

fn write(path: &Path, image: &Translated, alpha: bool) -> Result<()> {
    create_folder(path.parent().unwrap_or(path))?;
    let drawn = match alpha {
        true => over_alpha(&image.source.pixels, image.source.size, &image.values),
        false => single(&image.values, image.size),
    };
    Ok(write_png(path, &drawn)?)
}

/// Completes images by a model that was not trained to restore: the unknown pixels alone change.
fn complete(args: &args::Restore, terminal: &Terminal) -> Result<Ending> {
    let path = args.mask.as_deref().context(MASK)?;
    let files = files(&args.images)?;
    // One source each, so that every result has a name.
    let sources = files.iter().map(|(file, _)| file.display().to_string()).collect();
    let own = OwnImages { sources, class: args.class.clone() };
    let Opened { run, mut session, .. } = open_on(&args.trained, Some(own), terminal)?;
    let size @ [height, width, _] = [session.data.height, session.data.width, session.data.channels];
    // Fitted as the images are.
    let options =
        DataOptions { size: if height == width { height } else { 0 }, channels: 1, ..session.config.data.clone() };
    let given = read_given(path, &options)?;
    let [found_height, found_width, _] = given.size;
    ensure!(
        given.size[..2] == size[..2] && given.images.count == 1,
        "--mask takes one image of {height}×{width}, as images of the run are (got {} of {found_height}×{found_width})",
        given.images.count
    );
    let unknown: Vec<bool> = given.images.images.iter().map(|&byte| byte > 127).collect();
    ensure!(unknown.contains(&true), "{BLACK}");
    let values = complete_images(&mut session, &unknown, &CompletionOptions::default(), terminal)?;
    let folder = args.out.clone().unwrap_or_else(|| run.path.join("restored"));
    for ((_, name), image) in files.iter().zip(values.chunks_exact(session.data.pixels())) {
        let path = folder.join(out_name(name));
        create_folder(path.parent().unwrap_or(&folder))?;
        write_png(&path, &single(image, size))?;
    }
    out!("{}", folder.display())?;
    Ok(Ending::Done)
}
