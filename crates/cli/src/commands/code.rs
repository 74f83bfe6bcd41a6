//! `frit encode` and `frit decode`: images as codes, and codes as pictures.

use crate::Ending;
use crate::args;
use crate::commands::trained::{Opened, open};
use crate::output::out;
use anyhow::{Context, Result, bail, ensure};
use frit::data::{DataSet, classes_of_npy, is_npy, numbers_of_npy, write_classes, write_npy};
use frit::eval::latents::{class, code_width, codes, is_class_conditional, pictures};
use frit::io::atomic_write;
use frit::io::images::{destination, grid, write_png};
use frit::io::tokens::{Tokens, crc32};
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::{Array, Dtype};
use std::path::Path;

/// The most pictures in one file.
const MAX: usize = 10_000;
/// How the names of files of latents end, and those of packed codes.
const NUMBERS: &str = "npy";
const WORDS: &str = "frit";

pub(crate) fn encode(args: &args::Encode, terminal: &Terminal) -> Result<Ending> {
    let Opened { run, mut session, .. } = open(&args.trained, terminal)?;
    let images = session.data.test.count;
    let count = args.n.unwrap_or(images);
    ensure!(
        (1..=images).contains(&count),
        "-n {count} is not between 1 and the {images} test images; give a number that is"
    );
    let (found, width) = codes(&mut session, count)?;
    let (ending, bytes) = match &found {
        Array::U32(words) => (WORDS, tokens(&mut session, words.clone(), width)?.to_bytes()),
        numbers => (NUMBERS, write_npy(&[count, width], &numbers.to_f32())),
    };
    let path = args.out.clone().unwrap_or_else(|| run.path.join("codes").with_extension(ending));
    check_ending(&path, ending, session.config.name())?;
    atomic_write::write(&path, &bytes)?;
    out!("{}", path.display())?;
    if is_class_conditional(&session) {
        let beside = path.with_extension("classes.npy");
        atomic_write::write(&beside, &write_classes(&session.data.test.labels[..count]))?;
        out!("{}", beside.display())?;
        terminal.say(&format!(
            "this model is told classes: those of the images are in {0}; decode with --classes {0}",
            beside.display()
        ));
    }
    Ok(Ending::Done)
}

/// Sees to it that a file of one kind of codes is not named as one of the other.
fn check_ending(path: &Path, ending: &str, family: &str) -> Result<()> {
    let (what, other) = if ending == WORDS { ("packed codes", NUMBERS) } else { ("a NumPy array", WORDS) };
    ensure!(
        path.extension().is_none_or(|found| found != other),
        "{} ends in .{other}, and {family} is encoded as {what}; give a name that ends in .{ending}",
        path.display()
    );
    Ok(())
}

pub(crate) fn decode(args: &args::Decode, terminal: &Terminal) -> Result<Ending> {
    let Opened { run, mut session, .. } = open(&args.trained, terminal)?;
    let path = destination(args.out.as_deref(), &run.path, "decoded.png")?;
    let name = args.codes.display().to_string();
    let file = read(&args.codes)?;
    let width = code_width(&session)?;
    let dtype = session.model.decoder().context("what has codes decodes them")?.code().dtype;
    check_kind(&file, &name, dtype, session.config.name())?;
    let given = match dtype {
        Dtype::U32 => Array::U32(known(Tokens::parse(&file, &name)?, &mut session, &name)?),
        Dtype::F32 => Array::F32(latents(&file, &name, width)?),
    };
    let count = given.len() / width;
    ensure!(
        (1..=MAX).contains(&count),
        "{name} holds {count} codes, and between 1 and {MAX} are drawn; give a file of so many"
    );
    let classes = classes(args, &session, count)?;
    let images = pictures(&mut session, &given, classes.as_deref())?;
    let DataSet { height, width, channels, .. } = *session.data;
    let columns = (count as f64).sqrt().ceil() as usize;
    write_png(&path, &grid(&images, count, height, width, channels, columns))?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} could not be read; check the path", path.display()))
}

/// Sees to it that codes of a codebook do not go to a model that decodes latents, nor latents to one of a codebook.
fn check_kind(file: &[u8], name: &str, decoded: Dtype, family: &str) -> Result<()> {
    let latents = decoded == Dtype::F32;
    ensure!(
        !(latents && Tokens::are_in(file)),
        "{name} holds codes of a VQ-VAE's codebook, and this run is of {family}, which decodes latents; give the run \
         that encoded it"
    );
    ensure!(
        latents || !is_npy(file),
        "{name} holds latents, and this run is of {family}, which decodes codes of its codebook; give the run that \
         encoded it"
    );
    Ok(())
}

/// The class of each of so many codes, where the model is told classes.
fn classes(args: &args::Decode, session: &Session, count: usize) -> Result<Option<Vec<u8>>> {
    match (&args.class, &args.classes) {
        (Some(name), _) => Ok(Some(vec![class(session, name)?; count])),
        (None, Some(_)) if !is_class_conditional(session) => {
            bail!("this model is not told classes; leave --classes out, or give a run of cvae or cgan")
        }
        (None, Some(path)) => {
            let name = path.display().to_string();
            let classes = classes_of_npy(&read(path)?, &name, count)?;
            let (most, known) = (classes.iter().max().copied().unwrap_or(0), session.data.classes.len());
            ensure!(
                usize::from(most) < known,
                "{name} holds the class {most}, and the run knows {known} classes, counted from 0; give classes of \
                 those"
            );
            Ok(Some(classes))
        }
        (None, None) if is_class_conditional(session) => bail!(
            "this model is told the class of each code; give --classes with the file that `frit encode` wrote beside \
             the codes, or --class with the name of one class for all"
        ),
        (None, None) => Ok(None),
    }
}

/// Codes with the mark of the codebook that they are of.
fn tokens(session: &mut Session, words: Vec<u32>, per_image: usize) -> Result<Tokens> {
    let found = session.parameter_bufs().into_iter().find(|(name, _)| name == "codebook.weight");
    let (_, codebook) = found.context("a model of codes has a codebook; this is a fault of frit's")?;
    let values = session.executor.read(codebook)?.to_f32();
    let mark = crc32(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    Ok(Tokens { per_image, codes: codebook.shape.rows(), codebook: mark, tokens: words })
}

/// The codes of a file, if they are of the run's codebook.
fn known(file: Tokens, session: &mut Session, name: &str) -> Result<Vec<u32>> {
    let own = tokens(session, Vec::new(), code_width(session)?)?;
    ensure!(
        (file.per_image, file.codes, file.codebook) == (own.per_image, own.codes, own.codebook),
        "{name} was encoded by another codebook, whose codes mean other things; give the run that encoded it"
    );
    Ok(file.tokens)
}

/// Latents from an .npy file of rows of `width` numbers, or of posteriors, of which the means are taken.
fn latents(file: &[u8], name: &str, width: usize) -> Result<Vec<f32>> {
    let (shape, numbers) = numbers_of_npy(file, name)?;
    let columns = shape.last().copied().unwrap_or(0);
    ensure!(
        shape.len() == 2 && (columns == width || columns == 2 * width),
        "{name} has the shape {shape:?}, and rows of {width} numbers are decoded, or of {}, means before log \
         variances; give such a file",
        2 * width
    );
    Ok(numbers.chunks_exact(columns).flat_map(|row| &row[..width]).copied().collect())
}
