//! Encoding of images to latent codes, and decoding.

use crate::eval::draw::{to_unit, with_drawing_weights};
use crate::eval::passes::{TestPass, rows_that_fit};
use crate::io::error::{Error, ErrorKind, Result, ensure};
use crate::run::session::Session;
use gpu_core::{Array, Buf, Dtype};
use models::ASKED_ROWS;
use models::capabilities::{CodeSpec, Decoder, Decoding, Encoder};
use unicode_normalization::UnicodeNormalization;

/// Decodes rows of latents, or of codebook indices, to images with values from 0 to 1. `classes` has the class of each
/// row, for a class-conditional model.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no decoder; [`ErrorKind::Device`] if the device fails.
///
/// # Panics
/// If classes are given for an unconditional model, or missing for a class-conditional one.
pub fn pictures(session: &mut Session, codes: &Array, classes: Option<&[u8]>) -> Result<Vec<f32>> {
    let width = code_width(session)?;
    decoded(session, codes, classes, width, |decoder, count| decoder.decode(count))
}

/// The same of latents; a VQ-VAE's are quantised.
///
/// # Errors
/// As for [`pictures`].
///
/// # Panics
/// As for [`pictures`].
pub fn pictures_of_latents(session: &mut Session, latents: &Array, classes: Option<&[u8]>) -> Result<Vec<f32>> {
    let width = latent_width(session)?;
    decoded(session, latents, classes, width, |decoder, count| decoder.decode_latents(count))
}

fn decoded(
    session: &mut Session,
    codes: &Array,
    classes: Option<&[u8]>,
    width: usize,
    decode: impl Fn(&dyn Decoder, usize) -> Decoding,
) -> Result<Vec<f32>> {
    assert_eq!(
        classes.is_some(),
        is_class_conditional(session),
        "classes are given exactly to a class-conditional model"
    );
    let rows = codes.len() / width;
    let most = ASKED_ROWS.min(rows_that_fit(session)).min(rows.max(1));
    let mut images = Vec::new();
    let mut prepared = None;
    for start in (0..rows).step_by(most) {
        let count = most.min(rows - start);
        let (program, given, output) = match prepared.filter(|(size, _)| *size == count) {
            Some((_, found)) => found,
            None => {
                let decoder = session.model.decoder().expect("its width was asked for");
                let Decoding { given, pass } = decode(decoder, count);
                let found =
                    (session.executor.prepare(&with_drawing_weights(session, pass.schedule))?, given, pass.outputs[0]);
                prepared = Some((count, found));
                found
            }
        };
        session.set_side_clock(0)?;
        if let Some(classes) = classes {
            session.ask_for(&classes[start..start + count])?;
        }
        session.executor.write(given, &rows_of(codes, start * width, given))?;
        let ticket = session.executor.submit(&[program], 1, &[output])?;
        images.extend(session.executor.wait(ticket)?.remove(0).to_f32());
    }
    Ok(to_unit(session, images))
}

/// True for a class-conditional model.
pub fn is_class_conditional(session: &Session) -> bool {
    session.model.buffers().first().labels.is_some()
}

/// Refuses an unconditional model.
///
/// # Errors
/// [`ErrorKind::Model`] for such a model.
pub(crate) fn require_classes(session: &Session) -> Result<()> {
    ensure!(is_class_conditional(session), Model, "{}", session.config.why_unconditional());
    Ok(())
}

/// The index of a class by its name, of a class-conditional model.
///
/// # Errors
/// [`ErrorKind::Model`] if the model is unconditional, [`ErrorKind::Data`] if there is no such class.
pub fn class(session: &Session, name: &str) -> Result<u8> {
    require_classes(session)?;
    let classes = &session.data.classes;
    // The same letters may be written composed, as a keyboard gives them, or decomposed, as some file systems do.
    let same = |class: &str| class.nfc().eq(name.nfc());
    let found = (0..=u8::MAX).zip(classes).find(|(_, class)| same(class)).map(|(number, _)| number);
    let known = || classes.join(", ");
    found.ok_or_else(|| Error::new(ErrorKind::Setting, format!("no class '{name}' (available: {})", known())))
}

/// The length of a code: latent dimensions, or codebook indices.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no decoder.
pub fn code_width(session: &Session) -> Result<usize> {
    Ok(decoder(session)?.code().width)
}

/// The length of a latent; of a VQ-VAE, the numbers before quantisation.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no decoder.
pub fn latent_width(session: &Session) -> Result<usize> {
    Ok(decoder(session)?.latent())
}

fn decoder(session: &Session) -> Result<&dyn Decoder> {
    let name = session.config.name();
    session.model.decoder().ok_or_else(|| {
        Error::new(ErrorKind::Model, format!("{name} has no decoder; use a run of an autoencoder or a GAN"))
    })
}

fn rows_of(codes: &Array, start: usize, given: Buf) -> Array {
    let range = start..start + given.len();
    match codes {
        Array::F32(values) => Array::F32(values[range].to_vec()),
        Array::F64(values) => Array::F64(values[range].to_vec()),
        Array::U32(words) => Array::U32(words[range].to_vec()),
    }
}

/// The codes of the test images in `rows`, with the length of one: posterior means and log variances, latents, or
/// codebook indices.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no encoder; [`ErrorKind::Device`] if the device fails.
pub fn codes(session: &mut Session, rows: Vec<usize>) -> Result<(Array, usize)> {
    let CodeSpec { width, dtype } = encoder(session)?.code();
    let words = dtype == Dtype::U32;
    let pass = |session: &Session, batch| session.model.encoder().expect("checked above").encode(batch);
    let pass = TestPass::prepare(session, rows, pass)?;
    if words {
        return Ok((Array::U32(pass.run_words(session)?), width));
    }
    Ok((Array::F32(pass.run(session)?.remove(0)), width))
}

/// The latents of the test images in `rows`, [rows, latent]: of a posterior the means, of a VQ-VAE the numbers before
/// quantisation.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no encoder or no decoder; [`ErrorKind::Device`] if the device fails.
pub fn latents(session: &mut Session, rows: Vec<usize>) -> Result<Vec<Vec<f32>>> {
    let (width, count) = (latent_width(session)?, rows.len());
    encoder(session)?;
    let pass = |session: &Session, batch| session.model.encoder().expect("checked above").latents(batch);
    let found = TestPass::prepare(session, rows, pass)?.run(session)?.remove(0);
    Ok(found.chunks_exact(found.len() / count).map(|row| row[..width].to_vec()).collect())
}

fn encoder(session: &Session) -> Result<&dyn Encoder> {
    let name = session.config.name();
    session.model.encoder().ok_or_else(|| {
        Error::new(ErrorKind::Model, format!("{name} has no encoder; use a run of an autoencoder, a VAE or a VQ-VAE"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::DataSet;
    use gpu_core::Backend;

    #[test]
    fn a_class_is_found_in_either_spelling_of_its_letters() {
        let config = Config::load("cvae").unwrap().with("vae.hidden=[2]").unwrap();
        let data = DataSet::black([2, 2, 1], vec!["katze".into(), "ku\u{308}he".into(), "M\u{f6}we".into()]);
        let session = Session::open(config, data.into(), &Backend::Cpu).unwrap();
        assert_eq!(class(&session, "k\u{fc}he").unwrap(), 1);
        assert_eq!(class(&session, "Mo\u{308}we").unwrap(), 2);
        assert!(class(&session, "kuhe").unwrap_err().to_string().contains("no class 'kuhe'"));
    }
}
