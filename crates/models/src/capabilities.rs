//! Capabilities: what a family can do beyond training and evaluation.
//!
//! [`Model`](crate::Model) returns each as `Option<&dyn …>`, so that a caller asks without building a schedule.

use crate::data::Side;
use crate::pass::Pass;
use crate::projection::{Descent, Projection};
use gpu_core::ops::categorical::Drawing;
use gpu_core::{Buf, Dtype, Schedule};

/// The code of one image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeSpec {
    /// Numbers in the code.
    pub width: usize,
    /// F32 for latents, U32 for indices of codes.
    pub dtype: Dtype,
}

/// A pass from given codes to images.
#[derive(Clone, Debug)]
pub struct Decoding {
    /// The codes, which the host writes: [count, width].
    pub given: Buf,
    /// The pass, whose output is the images [count, h · w · c].
    pub pass: Pass,
}

/// A pass from given images to features.
#[derive(Clone, Debug)]
pub struct Extraction {
    /// The images in [0, 1], which the host writes: [count, h · w · c].
    pub given: Buf,
    /// The pass, whose output is the features [count, width].
    pub pass: Pass,
}

/// Occurrences of each code, `[k]`.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// In training, since the buffer was last set to zero.
    pub train: Buf,
    /// In evaluation.
    pub test: Buf,
}

/// Samples images from a prior.
pub trait Sampler {
    /// `count` images [count, h · w · c] under `seed`; the side clock's step selects the latents. A class-conditional
    /// model takes the classes from its requested labels.
    fn sample(&self, count: usize, seed: u64) -> Pass;

    /// The length of an image's standard normal latent, of which [`Decoder::decode`] makes the image and which
    /// [`draws`](crate::latents::draws) draws; `None` for a sampler without one.
    fn latent(&self) -> Option<usize> {
        None
    }
}

/// Draws the codes of a frozen quantiser and decodes them.
pub trait CodePrior {
    /// `count` images [count, h · w · c] under `seed`, likewise to [`Sampler::sample`], and their codes, `u32 [count,
    /// positions]`.
    fn draw(&self, count: usize, seed: u64, drawing: Drawing) -> Pass;

    /// The next `batch` test images, and images with the same codes where they are `kept`, by position row by row, and
    /// drawn ones elsewhere: both [batch, h · w · c].
    fn complete(&self, batch: usize, seed: u64, drawing: Drawing, kept: &[bool]) -> Pass;

    /// Height and width of an image's codes.
    fn grid(&self) -> [usize; 2];
}

/// The buffers of a draw of sequences, of as many rows as are drawn at once, at most.
#[derive(Clone, Copy, Debug)]
pub struct SequenceBuffers {
    /// The clock, `u32 [4]`, which the host writes before a draw: its first word is the positions done.
    pub clock: Buf,
    /// Codes of a block of positions that are not drawn, `u32 [rows, block]`; a word above 255 where they are.
    pub given: Buf,
    /// The codes of the block, given or drawn, likewise.
    pub drawn: Buf,
}

/// Draws sequences of codes, one position after another.
pub trait Sequencer {
    /// Forgets the past of all rows; a class-conditional model takes the classes of `rows` sequences from its requested
    /// labels.
    fn begin(&self, rows: usize) -> Schedule;

    /// The next position of `rows` sequences, the first of the rows, under `seed`. Its codes are in column (position −
    /// 1) mod block of the drawn codes.
    fn step(&self, rows: usize, seed: u64, drawing: Drawing) -> Schedule;

    /// The buffers of a draw.
    fn draw_buffers(&self) -> SequenceBuffers;

    /// Earlier codes that a distribution depends on.
    fn receptive(&self) -> usize;
}

/// Reconstructs images.
pub trait Reconstructor {
    /// The next `batch` test images and their reconstructions, both [batch, h · w · c].
    fn reconstruct(&self, batch: usize) -> Pass;
}

/// Encodes images.
pub trait Encoder {
    /// The codes of the next `batch` test images, [batch, width].
    fn encode(&self, batch: usize) -> Pass;

    /// The code of one image. Of a posterior it is mean | log variance, twice as wide as a latent.
    fn code(&self) -> CodeSpec;

    /// The latents of the next `batch` test images, which a row of the output begins with: of a posterior the mean, of
    /// codebook indices the numbers before quantisation.
    fn latents(&self, batch: usize) -> Pass {
        self.encode(batch)
    }
}

/// Decodes codes.
pub trait Decoder {
    /// `count` codes as images; a class-conditional model takes the classes from its requested labels.
    fn decode(&self, count: usize) -> Decoding;

    /// The code of one image.
    fn code(&self) -> CodeSpec;

    /// `count` latents as images, likewise; a codebook's are quantised first.
    fn decode_latents(&self, count: usize) -> Decoding {
        self.decode(count)
    }

    /// Numbers in a latent.
    fn latent(&self) -> usize {
        self.code().width
    }
}

/// A pass from given images to their translations.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The images, in the range of the model, which the host writes: [count, h · w · c]. The input of a model that
    /// completes images has one more channel, white where pixels are unknown; those are grey, the middle of the range.
    pub given: Buf,
    /// The pass, whose output is the translations [count, h · w · c].
    pub pass: Pass,
}

/// Translates images of one set into those of another, or corrupted images into clean ones.
pub trait Translator {
    /// The sides that it translates to.
    fn targets(&self) -> &'static [Side];

    /// Height, width and channels of the images that become those of a side, as it was trained on them.
    fn source(&self, to: Side) -> [usize; 3];

    /// The next `batch` test images of the other side, their translations to this one, and as a third output the true
    /// images, or the translations back where images have no true ones: each [batch, h · w · c].
    fn translate(&self, batch: usize, to: Side, seed: u64) -> Pass;

    /// The translations to a side of `count` given images of another size, which must differ from the size of the
    /// training images by a multiple of [`Translator::multiple`].
    fn translate_given(&self, count: usize, size: [usize; 2], to: Side) -> Translation;

    /// True if given images may be so large; attention, for one, takes a number of pixels.
    fn fits(&self, _size: [usize; 2]) -> bool {
        true
    }

    /// Height and width of given images differ from those of the training images by a multiple of this.
    fn multiple(&self) -> usize;
}

/// Finds the latents of given images by gradient steps on them alone.
pub trait Projector {
    /// One step on `rows` latents, a multiple of [`PROJECTION_ROWS`](crate::PROJECTION_ROWS); a class-conditional model
    /// takes the classes from its requested labels.
    fn project(&self, rows: usize, descent: Descent) -> Projection;
}

/// Infers a Gaussian posterior over latents.
pub trait Posterior {
    /// The posteriors of the next `batch` test images, mean | log variance: [batch, 2 · latent].
    fn posterior(&self, batch: usize) -> Pass;

    /// The importance-weighted bound on log p(x) of the next `batch` test images with `samples` draws each (Burda,
    /// Grosse and Salakhutdinov, 2016). A row of the side ring holds Σ logsumexp of the log weights; log `samples` is
    /// not yet subtracted.
    fn importance(&self, batch: usize, samples: usize, seed: u64) -> Schedule;
}

/// Computes the density of images.
pub trait LogDensity {
    /// −log p(x) of the next `batch` test images, in nats: `[batch]`.
    fn neg_log_density(&self, batch: usize) -> Pass;
}

/// Classifies images.
pub trait Classify {
    /// The images that the model has place for, in [0, 1], and their logits [count, classes].
    fn classes(&self) -> Extraction;
}

/// Scores images as real or generated.
pub trait Discriminator {
    /// The scores of the next `batch` test images and of as many generated images, each `[batch]`.
    fn scores(&self, batch: usize, seed: u64) -> Pass;

    /// The score above which an image counts as real; none for a loss that only compares scores.
    fn threshold(&self) -> Option<f64>;
}

/// Quantises latents to codes: [`Encoder::encode`] has the indices of an image's codes, [`Decoder::decode`] the image.
pub trait Quantiser {
    /// The number of codes; an index is below it.
    fn codes(&self) -> usize;

    /// Occurrences of each code.
    fn usage(&self) -> Usage;

    /// Codes of one image.
    fn codes_per_image(&self) -> usize;

    /// The tensor of a checkpoint that decodes the indices first: the codebook, or the decoder's first weight where
    /// codes have no parameters. A file of codes keeps its checksum.
    fn decoded_by(&self) -> &'static str;
}
