//! Scores of a discriminator.

use crate::layers::{Mode, Saved, Stack, Value};
use gpu_core::{Buf, Schedule};

/// D(x), or D(x, y): a score for each image.
pub(super) fn score(
    discriminator: &Stack,
    s: &mut Schedule,
    images: Value,
    y: Option<Buf>,
    mode: Mode,
) -> (Buf, Vec<Saved>) {
    let input = y.map_or(images, |y| images.beside(s, "x_y", y));
    let (scores, saved) = discriminator.forward(s, input, mode);
    (scores.buf, saved)
}
