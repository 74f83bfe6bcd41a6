//! Settings of image-to-image translation.

use crate::data::DataSpec;
use crate::layers::halvings;
use crate::validate::{self, Check, at_most, count, ensure, load, not_negative, positive, up_to};
use gpu_core::ops::attention::MAX_POSITIONS;
use gpu_core::ops::corrupt::{Corruption, InvalidCorruption};
use gpu_core::ops::gan_loss::GanLoss;
use serde::{Deserialize, Serialize};

/// The corruption that a model learns to undo, or `none`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Corrupt(pub Option<Corruption>);

const NONE: &str = "none";

impl TryFrom<String> for Corrupt {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == NONE {
            return Ok(Self(None));
        }
        let corruption = text.parse::<Corruption>().map_err(|invalid| format!("{invalid}; or {NONE}"))?;
        Ok(Self(Some(corruption)))
    }
}

impl From<Corrupt> for String {
    fn from(Corrupt(corruption): Corrupt) -> Self {
        corruption.map_or_else(|| NONE.into(), |corruption| corruption.to_string())
    }
}

/// Settings of a `CycleGAN`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CycleGanConfig {
    /// Channels of a generator at the size of the image, doubled with each halving.
    pub width: usize,
    /// Halvings of the image in a generator.
    pub halvings: usize,
    /// Residual blocks of a generator; 0 for six, or nine for images of 256 pixels and more.
    pub blocks: usize,
    /// Gives the image to the last convolution of a generator too, beside its features.
    pub skip: bool,
    /// Channels of a discriminator's first layer, doubled with each halving.
    pub discriminator_width: usize,
    /// Halvings of the image in a discriminator: each makes its patches about twice as large.
    pub discriminator_halvings: usize,
    /// The loss on the scores of patches.
    pub loss: GanLoss,
    /// Weight of the error of images translated there and back.
    pub cycle_weight: f32,
    /// Weight of the error of images of the target set, which are to stay as they are; 0 for none.
    pub identity_weight: f32,
    /// Earlier translations from which a discriminator's are drawn; 0 for those of the step alone.
    pub pool: usize,
}

impl Default for CycleGanConfig {
    fn default() -> Self {
        Self {
            width: 64,
            halvings: 2,
            blocks: 0,
            skip: false,
            discriminator_width: 64,
            discriminator_halvings: 2,
            loss: GanLoss::LeastSquares,
            cycle_weight: 10.0,
            identity_weight: 5.0,
            pool: 50,
        }
    }
}

/// Residual blocks, at most.
const MAX_BLOCKS: usize = 64;
/// Earlier translations, at most.
const MAX_POOL: usize = 4096;
/// Height and width from which a generator has more blocks.
const LARGE: usize = 256;
/// Rows and columns of the border of a generator's first layer.
const BORDER: usize = 3;

impl CycleGanConfig {
    /// Residual blocks of a generator for such images.
    pub(super) fn blocks(&self, [h, w, _]: [usize; 3]) -> usize {
        match self.blocks {
            0 if h.min(w) >= LARGE => 9,
            0 => 6,
            blocks => blocks,
        }
    }

    /// Checks the settings for such data, in batches of `batch`.
    pub(super) fn check(&self, spec: &DataSpec, batch: usize) -> Check {
        let [Some(a), Some(b)] = [0, 1].map(|side| spec.sets.get(side).map(|set| set.image)) else {
            return Ok(());
        };
        images_only(spec)?;
        let [h, w, _] = a;
        ensure([h, w] == [b[0], b[1]], "data.size", || {
            format!("must be set: images of A are {h}×{w}, those of B {}×{}", b[0], b[1])
        })?;
        ensure(self.identity_weight == 0.0 || a[2] == b[2], "identity_weight", || {
            format!("must be 0: images of A have {} channels, those of B {}", a[2], b[2])
        })?;
        not_negative("cycle_weight", self.cycle_weight)?;
        not_negative("identity_weight", self.identity_weight)?;
        at_most("blocks", self.blocks, MAX_BLOCKS)?;
        at_most("pool", self.pool, MAX_POOL)?;
        ensure(self.loss != GanLoss::Wasserstein, "loss", || {
            "must not be wasserstein, which needs a discriminator of bounded slope".into()
        })?;
        ensure(h.min(w) > BORDER, "data.size", || format!("must be above {BORDER} (got {h}×{w})"))?;
        patches(self.discriminator_width, self.discriminator_halvings, a)?;
        validate::halvings("halvings", a, self.halvings, false)?;
        ensure(
            halvings(a, self.halvings).last().is_some_and(|size| size.iter().all(|&size| size > 1)),
            "halvings",
            || format!("must leave at least 2×2 pixels of {h}×{w} (got {})", self.halvings),
        )?;
        let widest = channels("width", self.width, self.halvings)?;
        let [small_h, small_w] = halvings(a, self.halvings)[self.halvings];
        let blocks = self.blocks(a);
        let seen = if self.skip { a[2].max(b[2]) } else { 0 };
        let weights =
            2 * (18 * widest.pow(2) * blocks + 12 * widest.pow(2) + 98 * (self.width + seen) * a[2].max(b[2]));
        let at_ends = (h + 2 * BORDER) * (w + 2 * BORDER) * (self.width + seen).max(a[2]);
        // Twice as many images go through a generator at once: those of the target set too.
        load("width", "blocks and halvings", &[2 * at_ends, 2 * small_h * small_w * widest], weights, batch)
    }
}

/// Settings of paired translation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairedConfig {
    /// The corruption of images that the model learns to undo: `noise:0.2`, `mask:12`, `gray`, `down:2`, `blur:1.5`,
    /// `jpeg:20`, or `none` for pairs of two sets.
    pub corrupt: Corrupt,
    /// Channels of the U-Net at the size of the image, doubled with each halving.
    pub width: usize,
    /// Halvings of the image by the U-Net.
    pub halvings: usize,
    /// Heads of self-attention at the smallest size, divisors of its channels; 0 for none.
    pub heads: usize,
    /// Weight of the mean absolute error.
    pub l1_weight: f32,
    /// Weight of the loss on the discriminator's scores; 0 for no discriminator.
    pub gan_weight: f32,
    /// The loss on the scores of patches.
    pub loss: GanLoss,
    /// Channels of the discriminator's first layer, doubled with each halving.
    pub discriminator_width: usize,
    /// Halvings of the image in the discriminator: each makes its patches about twice as large.
    pub discriminator_halvings: usize,
}

impl Default for PairedConfig {
    fn default() -> Self {
        Self {
            corrupt: Corrupt(None),
            width: 32,
            halvings: 2,
            heads: 0,
            l1_weight: 100.0,
            gan_weight: 1.0,
            loss: GanLoss::NonSaturating,
            discriminator_width: 32,
            discriminator_halvings: 2,
        }
    }
}

impl PairedConfig {
    /// Height, width and channels of the U-Net's input and output.
    pub(super) fn images(&self, spec: &DataSpec) -> [[usize; 3]; 2] {
        let image = spec.first().image;
        match self.corrupt.0 {
            Some(corruption) => [[image[0], image[1], corruption.channels(image[2])], image],
            None => [image, spec.sets[1].image],
        }
    }

    /// Checks the settings for such data, in batches of `batch`.
    pub(super) fn check(&self, spec: &DataSpec, batch: usize) -> Check {
        if spec.sets.len() != if self.corrupt.0.is_some() { 1 } else { 2 } {
            return Ok(());
        }
        images_only(spec)?;
        if let Some(corruption) = self.corrupt.0 {
            let invalid = |problem: InvalidCorruption| validate::InvalidSetting::new("corrupt", problem.to_string());
            corruption.check(spec.first().image).map_err(invalid)?;
        }
        let [input, target] = self.images(spec);
        let [h, w, _] = input;
        ensure([h, w] == [target[0], target[1]], "data.size", || {
            format!("must be set: images of A are {h}×{w}, those of B {}×{}", target[0], target[1])
        })?;
        if let [a, b] = &spec.sets[..] {
            ensure(a.train == b.train && a.test == b.test, "data.pairs", || {
                "must be name or split: paired translation needs pairs, as in --pairs name".into()
            })?;
        }
        positive("l1_weight", self.l1_weight)?;
        not_negative("gan_weight", self.gan_weight)?;
        ensure(self.loss != GanLoss::Wasserstein, "loss", || {
            "must not be wasserstein, which needs a discriminator of bounded slope".into()
        })?;
        if self.gan_weight > 0.0 {
            patches(self.discriminator_width, self.discriminator_halvings, input)?;
        }
        validate::halvings("halvings", input, self.halvings, false)?;
        let widest = channels("width", self.width, self.halvings)?;
        let sizes = halvings(input, self.halvings);
        let level = |(i, [h, w]): (usize, &[usize; 2])| h * w * 3 * (self.width << i);
        let mut numbers: Vec<usize> = sizes.iter().enumerate().map(level).collect();
        if self.heads > 0 {
            let [h, w] = sizes[self.halvings];
            up_to("heads", self.heads, widest)?;
            ensure(widest.is_multiple_of(self.heads), "heads", || {
                format!("must divide the {widest} channels at the smallest size (got {})", self.heads)
            })?;
            ensure(h * w <= MAX_POSITIONS, "halvings", || {
                format!("must leave at most {MAX_POSITIONS} pixels with paired.heads (got {h}×{w}); use more")
            })?;
            numbers.push(self.heads * (h * w).pow(2));
        }
        let weights = (0..=self.halvings).map(|i| 100 * (self.width << i).pow(2)).sum();
        load("width", "halvings", &numbers, weights, batch)
    }
}

/// Refuses points.
fn images_only(spec: &DataSpec) -> Check {
    let points = spec.sets.iter().find_map(|set| set.points);
    ensure(points.is_none(), "data.source", || {
        format!("must have images, and {} are points", points.map_or("these", |points| points.name()))
    })
}

/// The widest layer of a network of `width` channels, doubled with each halving.
fn channels(key: &str, width: usize, halvings: usize) -> Result<usize, validate::InvalidSetting> {
    count(key, width)?;
    let widest = width.saturating_mul(1 << halvings);
    ensure(count(key, widest).is_ok(), key, || {
        format!("makes {widest} channels at the smallest size (got {width}); use fewer")
    })?;
    Ok(widest)
}

/// The settings of a discriminator of patches.
fn patches(width: usize, times: usize, image: [usize; 3]) -> Check {
    let key = "discriminator_halvings";
    ensure(times > 0, key, || "must be at least 1 (got 0)".into())?;
    validate::halvings(key, image, times, false)?;
    let [h, w] = halvings(image, times).last().map_or([0; 2], |&size| size);
    ensure(h > 1 && w > 1, key, || format!("must leave at least 2×2 patches (got {times}, which leaves {h}×{w})"))?;
    channels("discriminator_width", width, times).map(drop)
}
