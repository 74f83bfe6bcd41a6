//! The sample grid of each epoch: the same latents or the same images every time.

use crate::eval::draw::{Images, Reconstructions, Sampling, usual_samples};
use crate::eval::passes::rows_that_fit;
use crate::eval::translation::{Translations, preview};
use crate::io::error::Result;
use crate::run::session::Session;
use image::DynamicImage;

/// The grid that a model can draw.
pub(crate) enum Preview {
    /// Samples of the prior, and reconstructions if the model has them.
    Samples(Sampling, Option<Reconstructions>),
    /// Reconstructions, of a model without a prior.
    Reconstructions(Reconstructions),
    /// Translations in every direction of a model.
    Translations(Vec<Translations>),
    /// None, of a model without images.
    None,
}

impl Preview {
    /// Prepares the passes.
    pub(crate) fn prepare(session: &mut Session) -> Result<Self> {
        let count = usual_samples(&session.data).min(rows_that_fit(session));
        let samples = Sampling::prepare(session, count, session.config.train.seed)?;
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

    /// Draws the grid, with the samples in it.
    pub(crate) fn draw(&self, session: &mut Session) -> Result<(Option<DynamicImage>, Option<Images>)> {
        match self {
            Self::Samples(samples, _) => {
                let images = samples.run(session)?;
                Ok((Some(images.grid()), Some(images)))
            }
            Self::Reconstructions(pairs) => Ok((Some(pairs.run(session)?), None)),
            Self::Translations(prepared) => Ok((Some(preview(session, prepared)?), None)),
            Self::None => Ok((None, None)),
        }
    }

    /// Draws the reconstructions of a model that also samples.
    pub(crate) fn reconstructions(&self, session: &mut Session) -> Result<Option<DynamicImage>> {
        match self {
            Self::Samples(_, Some(pairs)) => Ok(Some(pairs.run(session)?)),
            _ => Ok(None),
        }
    }
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
