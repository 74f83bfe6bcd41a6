//! `frit encode` and `frit decode`: images to latent codes and back.

use crate::Ending;
use crate::args;
use crate::commands::trained::{open_on, open_to_decode};
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::data::{classes_of_npy, is_npy, numbers_of_npy, write_classes, write_npy};
use frit::eval::Opened;
use frit::eval::draw::Images;
use frit::eval::latents::{class, code_width, codes, is_class_conditional, pictures};
use frit::io::files;
use frit::io::images::destination;
use frit::io::tokens::{Header, Tokens, crc32};
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::{Array, Dtype};
use std::path::{Path, PathBuf};

/// The largest number of images in one grid.
const MAX: usize = 10_000;
/// The extension of files of latents, and of packed codes.
const NUMBERS: &str = "npy";
const WORDS: &str = "frit";

pub(crate) fn encode(args: &args::Encode, terminal: &Terminal) -> Result<Ending> {
    let Opened { run, mut session, .. } = open_on(&args.trained, args.own.given(), terminal)?;
    let images = session.data.tests();
    let count = args.n.unwrap_or(images);
    ensure!(
        (1..=images).contains(&count),
        "invalid value '{count}' for -n: expected 1 to {images} (the number of images)"
    );
    let (found, width) = codes(&mut session, (0..count).collect())?;
    let (ending, bytes) = match &found {
        Array::U32(words) => (WORDS, tokens(&mut session, words.clone(), width)?.to_bytes()),
        numbers => (NUMBERS, write_npy(&[count, width], &numbers.to_f32())),
    };
    let path = args.out.clone().unwrap_or_else(|| run.path.join("codes").with_extension(ending));
    check_ending(&path, ending, session.config.name())?;
    let labels = is_class_conditional(&session).then(|| session.data.test.labels[..count].to_vec());
    let written = write_with_classes(&path, &bytes, labels)?;
    written.iter().try_for_each(|path| out!("{}", path.display()))?;
    if let [_, beside] = &written[..] {
        terminal.say(&format!("wrote the classes of the images to {0}; decode with --classes {0}", beside.display()));
    }
    Ok(Ending::Done)
}

/// Writes codes, and the labels of a class-conditional model next to them. Returns the paths.
pub(super) fn write_with_classes(path: &Path, codes: &[u8], labels: Option<Vec<u8>>) -> Result<Vec<PathBuf>> {
    files::write(path, codes)?;
    let Some(labels) = labels else { return Ok(vec![path.into()]) };
    let beside = path.with_extension("classes.npy");
    files::write(&beside, &write_classes(&labels))?;
    Ok(vec![path.into(), beside])
}

/// Refuses an extension of the other kind of codes.
fn check_ending(path: &Path, ending: &str, family: &str) -> Result<()> {
    let (what, other) = if ending == WORDS { ("packed codes", NUMBERS) } else { ("a NumPy array", WORDS) };
    ensure!(
        path.extension().is_none_or(|found| found != other),
        "cannot write {what} to {}: {family} needs a file name ending in .{ending}",
        path.display()
    );
    Ok(())
}

pub(crate) fn decode(args: &args::Decode, terminal: &Terminal) -> Result<Ending> {
    // Before a device is opened.
    let name = args.codes.display().to_string();
    let file = read(&args.codes)?;
    let Opened { run, mut session, .. } = open_to_decode(&args.trained, terminal)?;
    let path = destination(args.out.as_deref(), &run.path, "decoded.png")?;
    let width = code_width(&session)?;
    let dtype = session.model.decoder().context("internal error: the model has no decoder")?.code().dtype;
    check_kind(&file, &name, dtype, session.config.name())?;
    let given = match dtype {
        Dtype::U32 => Array::U32(known(&file, &mut session, &name)?),
        Dtype::F32 => Array::F32(latents(&file, &name, width)?),
    };
    let count = given.len() / width;
    ensure!((1..=MAX).contains(&count), "{name} has {count} codes; expected 1 to {MAX}");
    let classes = classes(args, &session, count)?;
    let images = pictures(&mut session, &given, classes.as_deref())?;
    let columns = (count as f64).sqrt().ceil() as usize;
    Images::like(&session.data, images, columns).save(&path)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    Ok(files::read(path, files::BINARY)?)
}

/// Refuses codebook indices for a model of continuous latents, and the other way round.
fn check_kind(file: &[u8], name: &str, decoded: Dtype, family: &str) -> Result<()> {
    let latents = decoded == Dtype::F32;
    ensure!(
        !(latents && Tokens::are_in(file)),
        "{name} holds codebook indices of a VQ-VAE, but this run's {family} decodes continuous latents; use the run \
         that encoded the file"
    );
    ensure!(
        latents || !is_npy(file),
        "{name} holds continuous latents, but this run's {family} decodes codebook indices; use the run that encoded \
         the file"
    );
    Ok(())
}

/// The class of each code, for class-conditional models.
fn classes(args: &args::Decode, session: &Session, count: usize) -> Result<Option<Vec<u8>>> {
    match (&args.class, &args.classes) {
        (Some(name), _) => Ok(Some(vec![class(session, name)?; count])),
        (None, Some(_)) if !is_class_conditional(session) => {
            bail!("{}; leave out --classes", session.config.why_unconditional())
        }
        (None, Some(path)) => {
            let name = path.display().to_string();
            let classes = classes_of_npy(&read(path)?, &name, count)?;
            let (most, known) = (classes.iter().max().copied().unwrap_or(0), session.data.classes.len());
            ensure!(
                usize::from(most) < known,
                "{name} has class index {most}, but the run has {known} classes (0 to {})",
                known - 1
            );
            Ok(Some(classes))
        }
        (None, None) if is_class_conditional(session) => bail!(
            "this model is class-conditional: pass --classes FILE (written by `frit encode`), or --class NAME for all \
             codes"
        ),
        (None, None) => Ok(None),
    }
}

/// Indices of codes with the checksum of what decodes them.
fn tokens(session: &mut Session, words: Vec<u32>, per_image: usize) -> Result<Tokens> {
    let quantiser = session.model.quantiser().context("internal error: the model has no quantiser")?;
    let (codes, decoded_by) = (quantiser.codes(), quantiser.decoded_by());
    let found = session.parameter_bufs().into_iter().find(|(name, _)| name == decoded_by);
    let (_, weights) = found.with_context(|| format!("internal error: the model has no {decoded_by}"))?;
    let values = session.executor.read(weights)?.to_f32();
    let mark = crc32(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    Ok(Tokens { per_image, codes, codebook: mark, tokens: words })
}

/// The indices of a file, checked against the run's codes before they are unpacked.
fn known(file: &[u8], session: &mut Session, name: &str) -> Result<Vec<u32>> {
    let header = Header::parse(file, name)?;
    let own = tokens(session, Vec::new(), code_width(session)?)?;
    ensure!(
        (header.per_image, header.codes, header.codebook) == (own.per_image, own.codes, own.codebook),
        "{name} was encoded with another model; use the run that encoded it"
    );
    ensure!(header.images <= MAX, "{name} has the codes of {} images; expected 1 to {MAX}", header.images);
    Ok(header.unpack(file, name)?.tokens)
}

/// The latents of a file, by its path.
pub(super) fn latents_of_file(path: &Path, width: usize) -> Result<Vec<f32>> {
    let (file, name) = (read(path)?, path.display().to_string());
    ensure!(!Tokens::are_in(&file), "{name} holds codebook indices, which cannot be interpolated");
    latents(&file, &name, width)
}

/// Latents from an .npy file [n, width], or the means of posteriors [n, 2 · width].
fn latents(file: &[u8], name: &str, width: usize) -> Result<Vec<f32>> {
    let (shape, numbers) = numbers_of_npy(file, name)?;
    let columns = shape.last().copied().unwrap_or(0);
    ensure!(
        shape.len() == 2 && (columns == width || columns == 2 * width),
        "{name} has shape {shape:?}; expected [n, {width}], or [n, {}] of means and log variances",
        2 * width
    );
    Ok(numbers.chunks_exact(columns).flat_map(|row| &row[..width]).copied().collect())
}
