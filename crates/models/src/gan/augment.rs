//! Random changes of all images that the discriminator sees, real and generated (DiffAugment: Zhao et al., 2020). With
//! few training images it otherwise learns them by heart.

use crate::layers::Value;
use crate::micro_batch::MicroBatch;
use gpu_core::ops::augment::{self, Augment, DRAWS};
use gpu_core::ops::philox;
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};
use serde::{Deserialize, Serialize};

/// A change of images.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Brightness, saturation and contrast.
    Colour,
    /// Moves by up to an eighth of the size.
    Translation,
    /// Sets a window of half the size to zero.
    Cutout,
}

impl Change {
    /// All changes.
    pub const ALL: &[Self] = &[Self::Colour, Self::Translation, Self::Cutout];
}

/// The images of a step that are changed, each by separate numbers.
#[derive(Clone, Copy)]
pub(super) enum Images {
    Real,
    /// Those of the discriminator's step.
    Fake,
    /// Those of the generator's step.
    Generated,
}

/// Images as the discriminator sees them, and the numbers that changed them, if any did.
pub(super) struct Seen {
    pub(super) images: Value,
    draws: Option<Buf>,
}

/// The random numbers of a step's changes.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    pub(super) rows: MicroBatch,
    pub(super) clock: Buf,
    pub(super) seed: u64,
}

/// Changes the images of a micro-batch.
pub(super) fn see(s: &mut Schedule, list: &[Change], images: Value, which: Images, draws: Draws) -> Seen {
    if list.is_empty() {
        return Seen { images, draws: None };
    }
    let (label, before) = match which {
        Images::Real => ("augment_real", 0),
        Images::Fake => ("augment_fake", 1),
        Images::Generated => ("augment", 2),
    };
    let Draws { rows, clock, seed } = draws;
    let first = DRAWS * (before * rows.batch + rows.first);
    let (size, interval) = ([rows.rows, DRAWS], [0.0, 1.0]);
    let of_draws = format!("{label}.draws");
    let draws = philox::uniform_from(s, &of_draws, size, first, clock, seed, Stream::Augment, interval);
    let changed = augment::forward(s, label, images.buf, draws, changes(list));
    Seen { images: Value::plain(changed), draws: Some(draws) }
}

/// The gradient of generated images before their activation, from that of the images seen.
pub(super) fn see_backward(s: &mut Schedule, list: &[Change], seen: &Seen, images: Value, dseen: Buf) -> Buf {
    let Some(draws) = seen.draws else { return dseen };
    let of_images = dseen.reshape(images.buf.shape);
    let dimages = augment::backward(s, "backward_augment", of_images, draws, changes(list), images.gate());
    dimages.reshape(dseen.shape)
}

fn changes(list: &[Change]) -> Augment {
    let has = |change| list.contains(&change);
    Augment { colour: has(Change::Colour), translation: has(Change::Translation), cutout: has(Change::Cutout) }
}
