//! Settings of a gated PixelCNN of images.

use crate::data::SetSpec;
use crate::validate::{Check, count, ensure, load, up_to};
use gpu_core::ops::fsq::Levels;
use serde::{Deserialize, Serialize};

/// Settings of a gated PixelCNN of images.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PixelCnnConfig {
    /// Levels of grey of a pixel; 2 for black and white.
    pub levels: usize,
    /// Draws one of a pixel's two nearest levels, so that their mean is the pixel's; otherwise the nearest is taken.
    pub dither: bool,
    /// Channels of a layer.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Height and width of the window that a layer sees, odd: the pixels above and to the left within it.
    pub kernel: usize,
    /// Channels of the hidden output layer.
    pub output: usize,
    /// Gives the class to every layer, if the data has classes.
    pub class_conditional: bool,
}

impl Default for PixelCnnConfig {
    fn default() -> Self {
        Self { levels: 2, dither: true, width: 32, layers: 8, kernel: 5, output: 64, class_conditional: false }
    }
}

/// Layers, at most.
const MAX_LAYERS: usize = 256;
/// The window of a layer, at most.
const MAX_KERNEL: usize = 31;
/// Codes of an image, at most: each is drawn by separate calls.
pub(crate) const MAX_POSITIONS: usize = 1024;

impl PixelCnnConfig {
    /// Checks the settings for such images, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        let [h, w, channels] = spec.image;
        ensure(spec.points.is_none() && channels == 1, "data.source", || {
            format!("must have grey images (got {channels} channels)")
        })?;
        let [least, most] = Levels::RANGE;
        ensure((least..=most).contains(&self.levels), "levels", || {
            format!("must be between {least} and {most} (got {})", self.levels)
        })?;
        ensure(h * w <= MAX_POSITIONS, "data.size", || {
            format!("makes {} pixels (at most {MAX_POSITIONS}, each is drawn by separate calls); use fewer", h * w)
        })?;
        let Self { width, layers, kernel, output, levels, .. } = *self;
        check_network([width, layers, kernel, output], levels, h * w, batch)
    }
}

/// Checks the sizes of a network, width, layers, kernel and output, for images of such numbers of positions and codes.
pub(crate) fn check_network(sizes: [usize; 4], codes: usize, positions: usize, batch: usize) -> Check {
    let [width, layers, kernel, output] = sizes;
    count("width", width)?;
    up_to("layers", layers, MAX_LAYERS)?;
    count("output", output)?;
    ensure(!kernel.is_multiple_of(2) && kernel <= MAX_KERNEL, "kernel", || {
        format!("must be odd and at most {MAX_KERNEL} (got {kernel})")
    })?;
    let seen = kernel.div_ceil(2) * (kernel + 1);
    let weights = layers * width * width * (2 * seen + 5) + (width + codes) * output;
    let numbers = [positions * (4 * width), positions * output, positions * codes];
    load("width", "layers, kernel and output", &numbers, weights, batch)
}
