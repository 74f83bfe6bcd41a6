//! The picture that shows how far training has come: drawn the same way every time.

use crate::eval::passes::{Drawing, Reconstructions, rows_that_fit};
use crate::run::session::Session;
use anyhow::Result;
use image::DynamicImage;

/// Pictures in it.
pub const GRID: usize = 64;

/// What is drawn.
pub enum Grid {
    /// The same latents decoded, and where the model reconstructs too, the same images reconstructed.
    Samples(Drawing, Option<Reconstructions>),
    /// Where there is no prior, the same images reconstructed.
    Reconstructions(Reconstructions),
    /// Where there are no pictures either.
    None,
}

impl Grid {
    /// Prepares what the model can draw.
    pub fn prepare(session: &mut Session) -> Result<Self> {
        let count = GRID.min(rows_that_fit(session));
        let drawing = Drawing::prepare(session, count, session.config.train.seed)?;
        let pairs = Reconstructions::prepare(session, count.min(session.data.test.count))?;
        Ok(match (drawing, pairs) {
            (Some(drawing), pairs) => Self::Samples(drawing, pairs),
            (None, Some(pairs)) => Self::Reconstructions(pairs),
            (None, None) => Self::None,
        })
    }

    /// Draws it: the picture, if there is one, and the numbers of what was drawn from a prior.
    pub fn draw(&self, session: &mut Session) -> Result<(Option<DynamicImage>, Option<Vec<f32>>)> {
        match self {
            Self::Samples(drawing, _) => {
                let images = drawing.pictures(session)?;
                Ok((Some(drawing.grid(session, &images)), Some(images)))
            }
            Self::Reconstructions(pairs) => Ok((Some(pairs.run(session)?), None)),
            Self::None => Ok((None, None)),
        }
    }

    /// Reconstructions beside samples.
    pub fn beside(&self, session: &mut Session) -> Result<Option<DynamicImage>> {
        match self {
            Self::Samples(_, Some(pairs)) => Ok(Some(pairs.run(session)?)),
            _ => Ok(None),
        }
    }
}
