//! Settings of a WaveNet.

use crate::data::SetSpec;
use crate::validate::{Check, count, ensure, load, up_to};
use serde::{Deserialize, Serialize};

/// Different codes: a code is a byte.
pub(super) const CODES: usize = 256;
/// Sequences that are drawn at once, at most.
pub const SEQUENCE_ROWS: usize = 16;

/// Settings of a WaveNet over sequences of bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WavenetConfig {
    /// Codes of a training window, at most the length of a piece of the data.
    pub length: usize,
    /// Channels of a layer.
    pub width: usize,
    /// Channels of the skip connections, whose sum the output layers see.
    pub skip: usize,
    /// Channels of the hidden output layer.
    pub output: usize,
    /// Taps of every convolution.
    pub kernel: usize,
    /// Layers of a block, with dilations of 1, 2, 4, ….
    pub layers: usize,
    /// Blocks.
    pub blocks: usize,
    /// Gives the class to every layer, if the data has classes.
    pub class_conditional: bool,
}

impl Default for WavenetConfig {
    fn default() -> Self {
        Self { length: 512, width: 32, skip: 64, output: 64, kernel: 2, layers: 6, blocks: 1, class_conditional: true }
    }
}

/// Taps of a convolution, at most.
const MAX_KERNEL: usize = 16;
/// Layers of a block, at most: dilations up to 32,768.
const MAX_LAYERS: usize = 16;
/// Layers of all blocks, at most.
const MAX_TOTAL: usize = 256;

/// Numbers of the past of all layers of the sequences that are drawn at once, at most.
const MAX_PAST: usize = 1 << 25;

impl WavenetConfig {
    /// The dilations of the layers, from the first on.
    pub(super) fn dilations(&self) -> impl Iterator<Item = usize> {
        let layers = self.layers;
        (0..self.blocks * layers).map(move |layer| 1 << (layer % layers))
    }

    /// Earlier codes that a distribution depends on.
    pub fn receptive(&self) -> usize {
        self.kernel + (self.kernel - 1) * self.dilations().sum::<usize>()
    }

    /// True if layers see the class of such data.
    pub(super) fn has_classes(&self, spec: &SetSpec) -> bool {
        self.class_conditional && spec.classes >= 2
    }

    /// Checks the settings for such data, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        let [height, piece, channels] = spec.image;
        ensure(height == 1 && channels == 1 && spec.points.is_none(), "data.source", || {
            "must be text, sound or ar2 for the family wavenet: a .txt file, or a folder of .txt or .wav files".into()
        })?;
        ensure((2..=piece).contains(&self.length), "length", || {
            format!("must be between 2 and data.length, which is {piece} (got {})", self.length)
        })?;
        count("width", self.width)?;
        count("skip", self.skip)?;
        count("output", self.output)?;
        ensure((2..=MAX_KERNEL).contains(&self.kernel), "kernel", || {
            format!("must be between 2 and {MAX_KERNEL} (got {})", self.kernel)
        })?;
        up_to("layers", self.layers, MAX_LAYERS)?;
        ensure((1..=MAX_TOTAL).contains(&self.blocks.saturating_mul(self.layers)), "blocks", || {
            format!("must be at least 1, and make at most {MAX_TOTAL} layers (got {})", self.blocks)
        })?;
        let Self { width, skip, output, kernel, layers, blocks, .. } = *self;
        let of_layer = width * (2 * kernel * width + width + skip);
        let weights = blocks * layers * of_layer + (skip + CODES) * output + (kernel * width + CODES) * width;
        // Test pieces go through the model whole.
        let reach = (kernel - 1) << (layers - 1);
        let past = 2 * blocks * (reach + 1) * SEQUENCE_ROWS * width;
        ensure(past <= MAX_PAST, "layers", || {
            format!("makes a past of {past} numbers to draw from (at most {MAX_PAST}); use fewer layers or taps")
        })?;
        let numbers = [piece * 2 * width, (piece + reach) * width, piece * skip, piece * output, piece * CODES];
        load("width", "skip, output, kernel, layers and blocks", &numbers, weights, batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: SetSpec = SetSpec { train: 9, test: 2, image: [1, 64, 1], classes: 1, variance: 0.1, points: None };

    fn problem(config: WavenetConfig) -> String {
        config.check(&TEXT, 4).unwrap_err().to_string()
    }

    #[test]
    fn a_distribution_depends_on_a_window_of_codes() {
        let config = WavenetConfig { kernel: 2, layers: 4, blocks: 2, ..WavenetConfig::default() };
        assert_eq!(config.dilations().collect::<Vec<_>>(), [1, 2, 4, 8, 1, 2, 4, 8]);
        assert_eq!(config.receptive(), 32);
        assert_eq!(WavenetConfig { kernel: 3, layers: 1, blocks: 1, ..config }.receptive(), 5);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let usual = || WavenetConfig { length: 64, ..WavenetConfig::default() };
        assert!(usual().check(&TEXT, 4).is_ok());
        let long = problem(WavenetConfig { length: 65, ..usual() });
        assert_eq!(long, "length must be between 2 and data.length, which is 64 (got 65)");
        assert_eq!(problem(WavenetConfig { kernel: 1, ..usual() }), "kernel must be between 2 and 16 (got 1)");
        assert!(problem(WavenetConfig { layers: 17, ..usual() }).contains("between 1 and 16 (got 17)"));
        assert!(problem(WavenetConfig { blocks: 43, ..usual() }).contains("at most 256 layers (got 43)"));
        let images = SetSpec { image: [8, 8, 1], ..TEXT };
        let message = usual().check(&images, 4).unwrap_err().to_string();
        assert!(message.starts_with("data.source must be text, sound or ar2"), "{message}");
    }
}
