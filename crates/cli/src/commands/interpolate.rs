//! `frit interpolate`: interpolation between latents, as an image and as an animation.

use crate::Ending;
use crate::args;
use crate::commands::code::latents_of_file;
use crate::commands::latent::{check, decoded, draw, has_prior, label, row_classes};
use crate::commands::trained::{check_truncation, open_on, open_to_decode};
use crate::output::out;
use anyhow::{Result, ensure};
use frit::data::DataSet;
use frit::eval::latents::{class, is_class_conditional, latent_width, latents};
use frit::eval::{Opened, OwnImages, prior};
use frit::io::animation::{Animation, MAX_RATE};
use frit::io::images::{destination, grid};
use frit::run::session::Session;
use frit::terminal::Terminal;
use models::latents::{linear, spherical};
use std::path::Path;

/// The largest number of rows.
const MAX: usize = 100;
/// Frames from one image to the next, and frames per second, by default.
const FRAMES: usize = 20;
const RATE: u32 = 20;
/// The largest number of images in an animation.
const MAX_IMAGES: usize = 10_000;

/// An interpolation, with its position from 0 to 1.
type Way = fn(&[f32], &[f32], f32) -> Vec<f32>;

/// A latent to begin or end at, and its class, which counts for class-conditional models only.
#[derive(Clone)]
struct End {
    z: Vec<f32>,
    class: u8,
}

/// The ends of the rows.
struct Rows {
    rows: Vec<[End; 2]>,
    /// True if each row begins at the end of the one before.
    joined: bool,
}

pub(crate) fn interpolate(args: &args::Interpolate, terminal: &Terminal) -> Result<Ending> {
    check("--rows", args.rows, 1)?;
    check("--steps", args.steps, 2)?;
    check_truncation(args.trunc)?;
    let animations = args.animation.files()?;
    let Opened { run, mut session, .. } = match args.seeds.is_some() || args.codes.is_some() {
        true => open_to_decode(&args.trained, terminal)?,
        false => open_on(&args.trained, own_images(args), terminal)?,
    };
    let session = &mut session;
    ensure!(
        animations.is_empty() || session.data.points.is_none(),
        "the run draws points: an animation is of images; leave out --gif and --apng"
    );
    let path = destination(args.out.as_deref(), &run.path, "interpolation.png")?;
    let width = latent_width(session)?;
    let taken = animations.iter().find(|(_, file)| *file == path.as_path());
    ensure!(taken.is_none(), "{} is the name of the image too; give the animation another", path.display());
    let rows = rows(args, session, width)?;
    if !animations.is_empty() {
        args.animation.check(&rows.tracks())?;
    }
    let way = if args.spherical { spherical } else { linear };
    let points: Vec<f32> = rows.rows.iter().flat_map(|row| leg(row, way, args.steps - 1, args.steps)).collect();
    // One class per row: only the latent changes.
    let classes = row_classes(session, None, rows.rows.len(), |row| rows.rows[row][0].class)?;
    draw(session, points, classes, args.steps, &path)?;
    out!("{}", path.display())?;
    for (animation, path) in animations {
        animate(session, &rows.tracks(), way, &args.animation, animation, path)?;
        out!("{}", path.display())?;
    }
    Ok(Ending::Done)
}

/// The user's images, if there are any.
fn own_images(args: &args::Interpolate) -> Option<OwnImages> {
    let sources: Vec<String> = args.images.iter().chain(&args.from).chain(&args.to).cloned().collect();
    (!sources.is_empty()).then(|| OwnImages { sources, class: args.class.clone() })
}

/// The ends of the rows, by the arguments.
fn rows(args: &args::Interpolate, session: &mut Session, width: usize) -> Result<Rows> {
    let asked = args.class.as_deref().map(|name| class(session, name)).transpose()?;
    let split = |latents: Vec<f32>| latents.chunks_exact(width).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let known = session.data.classes.len();
    if let Some(path) = &args.codes {
        let named = asked.is_some() || !is_class_conditional(session);
        ensure!(named, "this model is class-conditional: pass --class NAME for the codes of --codes");
        return Rows::joined(split(latents_of_file(path, width)?), |_| asked.unwrap_or(0), "--codes");
    }
    if let Some(seeds) = &args.seeds {
        let latents = prior::of_seeds(session, &seeds.0, args.trunc)?.to_f32();
        return Rows::joined(split(latents), |_| asked.unwrap_or(0), "--seeds");
    }
    let count = session.data.tests();
    if own_images(args).is_some() {
        ensure!(args.from.is_none() || count == 2, "--from and --to have {count} images; use one image file each");
        let (model, name) = (&session.model, session.config.name());
        ensure!(
            model.encoder().is_some() || model.projector().is_none(),
            "{name} has no encoder; find the latents with `frit project`, and pass its file with --codes"
        );
        let latents = latents(session, (0..count).collect())?;
        return Rows::joined(latents, |image| asked.unwrap_or_else(|| label(session, image)), "--images");
    }
    if args.test_images || !has_prior(session) {
        ensure!(args.trunc.is_none(), "test images have no latents to truncate; leave out --trunc");
        let images = pairs(session, args.rows)?;
        let latents = latents(session, images.clone())?;
        return Ok(Rows::apart(latents, |row| asked.unwrap_or_else(|| label(session, images[2 * row]))));
    }
    let latents = prior::ends(session, 2 * args.rows, args.seed, args.trunc)?.to_f32();
    Ok(Rows::apart(split(latents), |row| asked.unwrap_or((row % known) as u8)))
}

/// Pairs of test images, one after another: of each class its share, by the seed of the run.
fn pairs(session: &Session, count: usize) -> Result<Vec<usize>> {
    let (has, needed) = (session.data.tests(), 2 * count);
    ensure!(needed <= has, "interpolation needs {needed} test images, but there are {has}; use fewer --rows");
    let drawn = session.data.test_rows(needed, session.config.train.seed);
    // From one half to the other: in data sorted by class, between classes.
    let (from, to) = drawn.split_at(count);
    Ok(from.iter().zip(to).flat_map(|(&from, &to)| [from, to]).collect())
}

impl Rows {
    /// Rows from each latent to the next.
    fn joined(latents: Vec<Vec<f32>>, class: impl Fn(usize) -> u8, flag: &str) -> Result<Self> {
        let count = latents.len();
        ensure!((2..=MAX + 1).contains(&count), "{flag} has {count} to interpolate between; expected 2 to {}", MAX + 1);
        let ends: Vec<End> = latents.into_iter().enumerate().map(|(at, z)| End { z, class: class(at) }).collect();
        Ok(Self { rows: ends.windows(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect(), joined: true })
    }

    /// Rows between pairs of latents, each of one class.
    fn apart(latents: Vec<Vec<f32>>, class: impl Fn(usize) -> u8) -> Self {
        let pair =
            |(row, pair): (usize, &[Vec<f32>])| [0, 1].map(|end| End { z: pair[end].clone(), class: class(row) });
        Self { rows: latents.chunks_exact(2).enumerate().map(pair).collect(), joined: false }
    }

    /// The rows of an animation that are shown at once, each closed: it ends where it began.
    fn tracks(&self) -> Vec<Vec<[End; 2]>> {
        let back = |first: &[End; 2], last: &[End; 2]| [last[1].clone(), first[0].clone()];
        if self.joined {
            let (first, last) = (&self.rows[0], &self.rows[self.rows.len() - 1]);
            return vec![self.rows.iter().cloned().chain([back(first, last)]).collect()];
        }
        self.rows.iter().map(|row| vec![row.clone(), back(row, row)]).collect()
    }
}

/// `count` latents of a row from its beginning on, `parts` of which lead to its end.
fn leg([from, to]: &[End; 2], way: Way, parts: usize, count: usize) -> Vec<f32> {
    (0..count).flat_map(|step| way(&from.z, &to.z, step as f32 / parts as f32)).collect()
}

impl args::Animation {
    /// The files to write, by format.
    fn files(&self) -> Result<Vec<(Animation, &Path)>> {
        let asked = [(Animation::Gif, &self.gif), (Animation::Apng, &self.apng)];
        let files: Vec<_> = asked.into_iter().filter_map(|(kind, path)| Some((kind, path.as_deref()?))).collect();
        for (animation, path) in &files {
            animation.check_name(path)?;
        }
        let unused = files.is_empty() && (self.frames.is_some() || self.fps.is_some());
        ensure!(!unused, "--frames and --fps are for an animation; add --gif or --apng");
        ensure!(self.frames() > 0, "invalid value '0' for --frames: expected at least 1");
        let fps = self.fps();
        ensure!((1..=MAX_RATE).contains(&fps), "invalid value '{fps}' for --fps: expected 1 to {MAX_RATE}");
        Ok(files)
    }

    fn frames(&self) -> usize {
        self.frames.unwrap_or(FRAMES)
    }

    fn fps(&self) -> u32 {
        self.fps.unwrap_or(RATE)
    }

    /// Checks the number of images.
    fn check(&self, tracks: &[Vec<[End; 2]>]) -> Result<()> {
        let images = tracks.iter().map(Vec::len).sum::<usize>().saturating_mul(self.frames());
        ensure!(
            images <= MAX_IMAGES,
            "the animation has {images} images; use fewer --frames or rows (at most {MAX_IMAGES} images)"
        );
        Ok(())
    }
}

/// Writes an animation: one frame after another of all tracks, which have the same number of rows.
fn animate(
    session: &mut Session,
    tracks: &[Vec<[End; 2]>],
    way: Way,
    args: &args::Animation,
    animation: Animation,
    path: &Path,
) -> Result<()> {
    let legs: Vec<&[End; 2]> = tracks.iter().flatten().collect();
    let points: Vec<f32> = legs.iter().flat_map(|row| leg(row, way, args.frames(), args.frames())).collect();
    let classes = row_classes(session, None, legs.len(), |leg| legs[leg][0].class)?;
    let images = decoded(session, points, classes, args.frames())?;
    let DataSet { height, width, channels, .. } = *session.data;
    let pixels = session.data.pixels();
    let columns = (tracks.len() as f64).sqrt().ceil() as usize;
    let count = tracks[0].len() * args.frames();
    let frame = |number: usize| {
        let of_track = |track: usize| &images[(track * count + number) * pixels..][..pixels];
        let shown: Vec<f32> = (0..tracks.len()).flat_map(of_track).copied().collect();
        grid(&shown, tracks.len(), height, width, channels, columns)
    };
    let frames: Vec<_> = (0..count).map(frame).collect();
    Ok(animation.write(path, &frames, args.fps())?)
}
