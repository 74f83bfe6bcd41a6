//! Settings of a vector-quantised autoencoder.

use crate::data::SetSpec;
use crate::layers::halvings;
use crate::validate::{self, Check, at_most, count, decay, ensure, load, not_negative, up_to};
use gpu_core::ops::fsq::Levels;
use serde::{Deserialize, Serialize};

/// The kind of the codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuantiserKind {
    /// The rows of a learnt codebook.
    #[default]
    Codebook,
    /// Finite scalar quantisation: all combinations of a few levels of each number.
    Fsq,
}

impl QuantiserKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Codebook, Self::Fsq];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Codebook => "codebook",
            Self::Fsq => "fsq",
        }
    }
}

/// Settings of a vector-quantised autoencoder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VqVaeConfig {
    /// Halvings of the image by the encoder.
    pub halvings: usize,
    /// Channels at the smallest size; larger sizes have half of them.
    pub width: usize,
    /// Channels between the two convolutions of a residual block.
    pub residual: usize,
    /// Residual blocks in the encoder, and in the decoder.
    pub blocks: usize,
    /// The kind of the codes.
    pub quantiser: QuantiserKind,
    /// Levels of each number in a code, of finite scalar quantisation.
    pub levels: Vec<usize>,
    /// Numbers in a code of a codebook.
    pub latent: usize,
    /// Codes in the codebook.
    pub codes: usize,
    /// Weight of the commitment loss, β.
    pub commitment: f32,
    /// Decay of the running averages that the codebook follows; 0 for a codebook that follows its gradient.
    pub ema: f32,
    /// Threshold of use, in rows by the running averages, below which a code restarts at a random row; 0 for never.
    pub restart: f32,
}

impl Default for VqVaeConfig {
    fn default() -> Self {
        Self {
            halvings: 2,
            width: 128,
            residual: 32,
            blocks: 2,
            quantiser: QuantiserKind::Codebook,
            levels: vec![8, 5, 5, 5],
            latent: 64,
            codes: 512,
            commitment: 0.25,
            ema: 0.99,
            restart: 0.0,
        }
    }
}

/// Codes, at most: choosing the initial codes of a codebook takes a few calls for each.
const MAX_CODES: usize = 8192;
/// Residual blocks, at most.
const MAX_BLOCKS: usize = 256;

impl VqVaeConfig {
    /// Checks the settings for such images, in batches of `batch`.
    pub(super) fn check(&self, spec: &SetSpec, batch: usize) -> Check {
        count("width", self.width)?;
        count("residual", self.residual)?;
        count("halvings", self.halvings)?;
        validate::halvings("halvings", spec.image, self.halvings, false)?;
        at_most("blocks", self.blocks, MAX_BLOCKS)?;
        match self.quantiser {
            QuantiserKind::Codebook => self.check_codebook()?,
            QuantiserKind::Fsq => self.check_levels()?,
        }
        ensure(spec.variance > 0.0 && spec.variance.is_finite(), "data.source", || {
            format!("must have training images whose pixels differ (variance {})", spec.variance)
        })?;
        let weights =
            self.width * (16 * self.width * self.halvings + 18 * self.width + 10 * self.residual * self.blocks);
        let weights = 2 * weights + self.codes() * self.length();
        load("width", "residual, blocks and codes", &[self.widest(spec.image)], weights, batch)
    }

    fn check_codebook(&self) -> Check {
        count("latent", self.latent)?;
        up_to("codes", self.codes, MAX_CODES)?;
        not_negative("commitment", self.commitment)?;
        decay("ema", self.ema)?;
        not_negative("restart", self.restart)?;
        ensure(self.restart == 0.0 || self.ema > 0.0, "restart", || {
            "needs running averages to find unused codes; set vqvae.ema = 0.99 or vqvae.restart = 0".into()
        })
    }

    fn check_levels(&self) -> Check {
        let [least, most] = Levels::RANGE;
        let channels = Levels::MAX_CHANNELS;
        ensure((1..=channels).contains(&self.levels.len()), "levels", || {
            format!("must have 1 to {channels} numbers (got {})", self.levels.len())
        })?;
        let outside = self.levels.iter().find(|levels| !(least..=most).contains(levels));
        ensure(outside.is_none(), "levels", || {
            format!("must have numbers between {least} and {most} (got {})", outside.expect("there is one"))
        })?;
        // Eight numbers of up to 255 fit a u64.
        let codes: u64 = self.levels.iter().map(|&levels| levels as u64).product();
        ensure(codes <= MAX_CODES as u64, "levels", || {
            format!("must combine to at most {MAX_CODES} codes (got {codes})")
        })
    }

    /// Codes: of the codebook, or the combinations of levels.
    pub(crate) fn codes(&self) -> usize {
        match self.quantiser {
            QuantiserKind::Codebook => self.codes,
            QuantiserKind::Fsq => self.levels.iter().product(),
        }
    }

    /// Numbers in a code.
    pub(super) fn length(&self) -> usize {
        match self.quantiser {
            QuantiserKind::Codebook => self.latent,
            QuantiserKind::Fsq => self.levels.len(),
        }
    }

    /// The largest layer of an image: the first one, one at the smallest size, or a number for each code at each
    /// position.
    pub(super) fn widest(&self, image: [usize; 3]) -> usize {
        let [h, w, c] = image;
        let small: usize = self.small(image).iter().product();
        (h * w * self.width / 2).max(h * w * c).max(small * self.width.max(self.codes()))
    }

    /// Height and width of the encoder's output.
    pub(crate) fn small(&self, image: [usize; 3]) -> [usize; 2] {
        halvings(image, self.halvings)[self.halvings]
    }
}
