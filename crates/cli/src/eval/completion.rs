//! Completion of images whose unknown pixels are marked, by a model that was not trained for it: a search for latents
//! whose image fits the known pixels, or codes drawn for the unknown parts.

use crate::eval::baselines::filled_bytes;
use crate::eval::draw::{to_unit, with_drawing_weights};
use crate::eval::passes::TestPass;
use crate::eval::project::{ProjectOptions, project_known};
use crate::io::error::{Error, ErrorKind, Result, ensure};
use crate::run::session::Session;
use crate::terminal::Terminal;
use gpu_core::ops::categorical::Drawing;
use models::{ASKED_ROWS, Pass};

/// Options of [`complete_images`].
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct CompletionOptions {
    /// The search for latents, of a GAN, a VAE or an autoencoder.
    pub search: ProjectOptions,
    /// The distribution of codes, of a prior.
    pub drawing: Drawing,
    /// Seed of drawn codes.
    pub seed: u64,
}

/// Completes all test images of a session: values from 0 to 1, [n, height, width, channels]. `unknown` marks pixels, of
/// every image alike; the others are kept.
///
/// # Errors
/// [`ErrorKind::Model`] if the model neither searches for latents nor draws codes; [`ErrorKind::Data`] if no pixel is
/// known; [`ErrorKind::Device`] if the device fails.
///
/// # Panics
/// If `unknown` does not have one entry for each pixel.
pub fn complete_images(
    session: &mut Session,
    unknown: &[bool],
    options: &CompletionOptions,
    terminal: &Terminal,
) -> Result<Vec<f32>> {
    let data = session.data.clone();
    assert_eq!(unknown.len(), data.height * data.width, "a mask has one entry for each pixel");
    ensure!(unknown.contains(&false), Data, "the mask leaves no known pixel");
    let rows: Vec<usize> = (0..data.test.count).collect();
    let originals = data.test.values(&rows);
    // Encoders see unknown pixels too: they get the mean of their neighbours.
    let pixels = data.pixels();
    let size = [data.height, data.width, data.channels];
    let plausible = data.test.images.chunks_exact(pixels).flat_map(|image| filled_bytes(image, size, unknown));
    session.replace_tests(plausible.collect())?;
    let made = if session.model.projector().is_some() {
        let known: Vec<bool> = unknown.iter().flat_map(|&unknown| vec![!unknown; data.channels]).collect();
        project_known(session, &rows, &options.search, Some(&known), terminal)?.images
    } else if session.model.code_prior().is_some() {
        by_codes(session, rows, unknown, options)?
    } else {
        let message = format!("{} completes no images; use a run of a GAN, a VAE or a prior", session.config.name());
        return Err(Error::new(ErrorKind::Model, message));
    };
    let is_unknown = |at: usize| unknown[at % pixels / data.channels];
    let composed = originals.into_iter().zip(made).enumerate();
    Ok(composed.map(|(at, (known, made))| if is_unknown(at) { made.clamp(0.0, 1.0) } else { known }).collect())
}

/// Images with drawn codes in place of those whose part of the image has an unknown pixel.
fn by_codes(
    session: &mut Session,
    rows: Vec<usize>,
    unknown: &[bool],
    options: &CompletionOptions,
) -> Result<Vec<f32>> {
    let [height, width] = [session.data.height, session.data.width];
    let [of_rows, of_columns] = session.model.code_prior().expect("checked before").grid();
    let mut kept = vec![true; of_rows * of_columns];
    for (at, _) in unknown.iter().enumerate().filter(|(_, unknown)| **unknown) {
        let (row, column) = (at / width * of_rows / height, at % width * of_columns / width);
        kept[row * of_columns + column] = false;
    }
    let CompletionOptions { drawing, seed, .. } = *options;
    let pass = |session: &Session, batch: usize| {
        let prior = session.model.code_prior().expect("checked before");
        let pass = prior.complete(batch.min(ASKED_ROWS), seed, drawing, &kept);
        Pass { schedule: with_drawing_weights(session, pass.schedule), ..pass }
    };
    let mut outputs = TestPass::prepare(session, rows, pass)?.run(session)?;
    Ok(to_unit(session, outputs.remove(1)))
}
