//! Projection: latents whose images are nearest to given ones, found by gradient steps on the latents alone (Creswell
//! and Bharath, *Inverting the generator of a generative adversarial network*, 2018).
//!
//! A step is forward and backward through a decoder, whose parameters it only reads, and one step of Adam on the
//! latents. Rows do not depend on one another.

use crate::data::Range;
use crate::pass::Pass;
use crate::shared_buffers::SharedBuffers;
use gpu_core::ops::adam::{Adam, Arenas, adam_with};
use gpu_core::ops::elementwise;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::record::record;
use gpu_core::ops::tick::{Decay, Tick, tick};
use gpu_core::{Buf, Dtype, Schedule, Shape};

/// Rows of a projection are a multiple of this: Adam's kernel takes four numbers at a time.
pub const PROJECTION_ROWS: usize = 4;

/// The steps of a projection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Descent {
    /// Steps. Over them, the learning rate falls to zero along half a period of the cosine.
    pub steps: usize,
    /// Adam's learning rate at the start.
    pub lr: f32,
    /// Takes the error of some pixels only, by [`Projection::mask`].
    pub masked: bool,
}

/// One step of a projection, as a program that runs [`Descent::steps`] times.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The latents, [rows, latent]: the host writes the starts and, after the last step, reads the result.
    pub latents: Buf,
    /// The given images, [rows, h · w · c], which the host writes in the model's range.
    pub targets: Buf,
    /// Of a masked step, 1 for the numbers of the images that count and 0 for the others, of the targets' shape, which
    /// the host writes. Targets are 0 where it is.
    pub mask: Option<Buf>,
    /// The buffers that the host sets to zero before the first step: Adam's moments, clock and rates.
    pub zeros: Vec<Buf>,
    /// The step, whose output is the squared error of each row before it, `[rows]`, on the scale from black, 0, to
    /// white, 1. Their mean is in column 0 of the side ring, by the step, counted from one.
    pub pass: Pass,
}

/// A projection's step under construction: between its two halves, the model decodes and differentiates.
pub(crate) struct Search<'a> {
    buffers: &'a SharedBuffers,
    /// The latents, [rows, latent].
    pub(crate) z: Buf,
    targets: Buf,
    mask: Option<Buf>,
    clock: Buf,
    rates: Buf,
    errors: Buf,
}

impl<'a> Search<'a> {
    /// Starts a step on `rows` latents of `latent` numbers.
    ///
    /// # Panics
    /// When the rows are not a multiple of [`PROJECTION_ROWS`], or there are no steps.
    pub(crate) fn begin(
        s: &mut Schedule,
        buffers: &'a SharedBuffers,
        [rows, latent]: [usize; 2],
        descent: Descent,
    ) -> Self {
        assert!(rows.is_multiple_of(PROJECTION_ROWS), "{rows} rows are not a multiple of {PROJECTION_ROWS}");
        let z = fed(s, [rows, latent]);
        let targets = fed(s, [rows, buffers.first().spec.width()]);
        let mask = descent.masked.then(|| fed(s, targets.shape));
        let (clock, rates) = (s.scratch_of([4], Dtype::U32), fed(s, [4]));
        s.feed(clock);
        let Adam { beta1, beta2, .. } = Adam::default();
        let decay = Decay::Cosine(descent.steps, 0.0);
        let step = Tick { batch: 1, count: 1, lr: descent.lr, decay, beta1, beta2, ..Tick::default() };
        tick(s, "tick", clock, rates, step);
        Self { buffers, z, targets, mask, clock, rates, errors: z }
    }

    /// The squared errors of images [rows, h · w · c] in this range: their gradient, of the images' shape.
    pub(crate) fn error(&mut self, s: &mut Schedule, images: Buf, range: Range) -> Buf {
        let scale = (range.high - range.low).powi(-2);
        let squared = Loss { kind: Kind::Squared, scale, offset: 0.0 };
        let rows = images.reshape(self.targets.shape);
        let known = self.mask.map_or(rows, |mask| elementwise::multiply(s, "known", rows, mask));
        let (errors, gradient) = loss::with_gradient(s, "error", known, self.targets, squared, 1.0);
        self.errors = errors;
        let gradient = self.mask.map_or(gradient, |mask| elementwise::multiply(s, "backward_known", gradient, mask));
        gradient.reshape(images.shape)
    }

    /// Ends the step, with the gradient of the latents.
    pub(crate) fn finish(self, mut s: Schedule, dz: Buf) -> Projection {
        let Self { buffers, z, targets, mask, clock, rates, errors } = self;
        let [m, v] = [(); 2].map(|()| fed(&mut s, z.shape));
        let arenas = Arenas { w: z, g: dz.reshape(z.shape), m, v };
        adam_with(&mut s, "adam", arenas, rates, None, &Adam::default());
        record(&mut s, "record.error", errors, clock, buffers.side_ring, 0, 1.0 / z.shape.rows() as f32);
        Projection { latents: z, targets, mask, zeros: vec![m, v, clock, rates], pass: Pass::new(s, &[errors]) }
    }
}

/// A buffer that the host fills, and that keeps its numbers from one step to the next.
fn fed(s: &mut Schedule, shape: impl Into<Shape>) -> Buf {
    let buf = s.scratch(shape);
    s.feed(buf);
    buf
}
