//! Codes of the caller's as pictures, and images' codes.

use crate::eval::passes::{TestPass, as_drawn, as_pictures, rows_that_fit};
use crate::run::session::Session;
use anyhow::{Context, Result, ensure};
use gpu_core::{Array, Buf, Dtype};
use models::ASKED_ROWS;
use models::capabilities::Decoding;

/// Pictures of rows of a latent or of words, whichever `codes` are; numbers in [0, 1]. `classes` has the class of each
/// row, where the model is told classes.
///
/// # Panics
/// Where classes are given of a model that is told none, or the other way round.
pub fn pictures(session: &mut Session, codes: &Array, classes: Option<&[u8]>) -> Result<Vec<f32>> {
    assert_eq!(
        classes.is_some(),
        is_class_conditional(session),
        "a model is told the classes that it was trained with"
    );
    let width = code_width(session)?;
    let rows = codes.len() / width;
    let most = ASKED_ROWS.min(rows_that_fit(session)).min(rows.max(1));
    let mut images = Vec::new();
    let mut prepared = None;
    for start in (0..rows).step_by(most) {
        let count = most.min(rows - start);
        let (program, given, output) = match prepared.filter(|(size, _)| *size == count) {
            Some((_, found)) => found,
            None => {
                let Decoding { given, pass } = session.model.decoder().context("a model that decodes")?.decode(count);
                let found = (session.executor.prepare(&as_drawn(session, pass.schedule))?, given, pass.outputs[0]);
                prepared = Some((count, found));
                found
            }
        };
        session.set_side_clock(0)?;
        if let Some(classes) = classes {
            session.ask_for(&classes[start..start + count])?;
        }
        session.executor.write(given, &part(codes, start * width, given))?;
        let ticket = session.executor.submit(&[program], 1, &[output])?;
        images.extend(session.executor.wait(ticket)?.remove(0).to_f32());
    }
    Ok(as_pictures(session, images))
}

/// Whether the model is told the class of each picture.
pub fn is_class_conditional(session: &Session) -> bool {
    session.model.buffers().first().labels.is_some()
}

/// The class of that name, of a model that is told it.
pub fn class(session: &Session, name: &str) -> Result<u8> {
    ensure!(
        is_class_conditional(session),
        "this model is not told classes, so none can be asked for; train cvae or cgan, or leave --class out"
    );
    let classes = &session.data.classes;
    let found = (0..=u8::MAX).zip(classes).find(|(_, class)| *class == name).map(|(number, _)| number);
    found.with_context(|| format!("there is no class “{name}”; the run was trained on {}", classes.join(", ")))
}

/// Numbers or words of one code.
pub fn code_width(session: &Session) -> Result<usize> {
    let decoder = session.model.decoder().with_context(|| {
        format!("{} decodes nothing; give a run of a model that draws or reconstructs", session.config.name())
    })?;
    Ok(decoder.code().width)
}

fn part(codes: &Array, start: usize, given: Buf) -> Array {
    let range = start..start + given.len();
    match codes {
        Array::F32(values) => Array::F32(values[range].to_vec()),
        Array::F64(values) => Array::F64(values[range].to_vec()),
        Array::U32(words) => Array::U32(words[range].to_vec()),
    }
}

/// The codes of the first `count` test images: numbers of posteriors or latents, or words.
pub fn codes(session: &mut Session, count: usize) -> Result<(Array, usize)> {
    let encoder = session.model.encoder();
    let encoder = encoder
        .with_context(|| format!("{} encodes nothing; give a run of an autoencoder's family", session.config.name()))?;
    let (words, width) = (encoder.code().dtype == Dtype::U32, encoder.code().width);
    let pass = |session: &Session, batch| session.model.encoder().expect("asked above").encode(batch);
    let pass = TestPass::prepare(session, count, pass)?;
    if words {
        return Ok((Array::U32(pass.run_words(session)?), width));
    }
    Ok((Array::F32(pass.run(session)?.remove(0)), width))
}
