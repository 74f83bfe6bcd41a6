//! The sample grid of each epoch: the same latents or the same images every time.

use crate::eval::draw::{Images, Reconstructions, Sampling, training_images, usual_samples};
use crate::eval::passes::rows_that_fit;
use crate::eval::sequence::{SequenceSampling, preview as of_sequences};
use crate::eval::translation::{Translations, preview};
use crate::io::error::Result;
use crate::io::images::write_png;
use crate::run::folder::Run;
use crate::run::session::Session;
use gpu_core::ops::categorical::Drawing;
use image::DynamicImage;
use std::path::PathBuf;

/// The grid that a model can draw.
pub(crate) enum Preview {
    /// Samples of the prior, and reconstructions if the model has them.
    Samples(Sampling, Option<Reconstructions>),
    /// Reconstructions, of a model without a prior.
    Reconstructions(Reconstructions),
    /// Translations in every direction of a model.
    Translations(Vec<Translations>),
    /// Sequences.
    Sequences(SequenceSampling),
    /// None, of a model without images.
    None,
}

impl Preview {
    /// Prepares the passes.
    pub(crate) fn prepare(session: &mut Session) -> Result<Self> {
        let sequences = SequenceSampling::prepare(session, of_sequences(&session.data).count, seed(session), WHOLE)?;
        if let Some(sequences) = sequences {
            return Ok(Self::Sequences(sequences));
        }
        let count = usual_samples(&session.data).min(rows_that_fit(session));
        let samples = Sampling::prepare(session, count, seed(session))?;
        let pairs = Reconstructions::prepare(session, count.min(session.data.tests()))?;
        let translations = translations(session)?;
        if !translations.is_empty() {
            return Ok(Self::Translations(translations));
        }
        Ok(match (samples, pairs) {
            (Some(samples), pairs) => Self::Samples(samples, pairs),
            (None, Some(pairs)) => Self::Reconstructions(pairs),
            (None, None) => Self::None,
        })
    }

    /// Draws the samples of a number, an epoch or a step, and saves them in the run folder. Returns the path of the
    /// grid, and the samples in it.
    pub(crate) fn save(
        &self,
        session: &mut Session,
        run: &Run,
        number: u64,
    ) -> Result<(Option<PathBuf>, Option<Images>)> {
        let (grid, images) = match self {
            Self::Samples(samples, _) => {
                let images = samples.run(session)?;
                (images.grid(), Some(images))
            }
            Self::Reconstructions(pairs) => (pairs.run(session)?, None),
            Self::Translations(prepared) => (preview(session, prepared)?, None),
            Self::Sequences(sampling) => {
                let sequences = sampling.run(session, &of_sequences(&session.data.clone()))?;
                let path = run.sample(number).with_extension(sequences.kind.ending());
                sequences.save(&path, &session.data.classes)?;
                return Ok((None, None));
            }
            Self::None => return Ok((None, None)),
        };
        let path = run.sample(number);
        write_png(&path, &grid)?;
        Ok((Some(path), images))
    }

    /// Draws the reconstructions of a model that also samples.
    pub(crate) fn reconstructions(&self, session: &mut Session) -> Result<Option<DynamicImage>> {
        match self {
            Self::Samples(_, Some(pairs)) => Ok(Some(pairs.run(session)?)),
            _ => Ok(None),
        }
    }
}

/// Saves a grid of training images; none of sequences.
pub(crate) fn save_reals(session: &Session, run: &Run) -> Result<()> {
    let data = &session.data;
    match data.sequence {
        Some(_) => Ok(()),
        None => write_png(&run.reals(), &training_images(data, usual_samples(data), seed(session)).grid()),
    }
}

/// All codes, by their probabilities.
const WHOLE: Drawing = Drawing { temperature: 1.0, top: 0 };

fn seed(session: &Session) -> u64 {
    session.config.train.seed
}

/// Images of each direction in a preview.
const TRANSLATED: usize = 16;

fn translations(session: &mut Session) -> Result<Vec<Translations>> {
    let targets = session.model.translator().map_or(&[][..], |translator| translator.targets());
    let seed = session.config.train.seed;
    let count = TRANSLATED.min(session.data.tests()).min(rows_that_fit(session));
    let prepared = targets.iter().map(|&to| Translations::prepare(session, count, to, seed));
    Ok(prepared.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
