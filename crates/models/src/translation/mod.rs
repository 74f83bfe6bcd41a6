//! Image-to-image translation: images of one kind into images of another.

mod config;
mod cyclegan;
mod networks;
mod paired;
mod translate;

pub use config::{Corrupt, CycleGanConfig, PairedConfig};
pub use cyclegan::CycleGan;
pub use paired::Paired;

use crate::data::Range;
use crate::layers::Value;
use gpu_core::ops::channels;
use gpu_core::ops::gan_loss::GanLoss;
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::{Buf, Schedule};

/// Black and white in the images of all passes.
const RANGE: Range = Range::TANH;

/// The factor of a published loss on scores: that of least squares is the square without a factor of ½.
fn published(loss: GanLoss) -> f32 {
    if loss == GanLoss::LeastSquares { 2.0 } else { 1.0 }
}

/// Images [p, h, w, c] above images [q, h, w, c]: [p + q, h, w, c].
fn above(s: &mut Schedule, label: &str, first: Buf, second: Buf) -> Buf {
    let [_, h, w, c] = sizes(first);
    let row = |images: Buf| images.reshape([1, images.len()]);
    let both = channels::concat(s, label, row(first), row(second));
    both.reshape([both.len() / (h * w * c), h, w, c])
}

/// The images `from..to` of [n, h, w, c].
fn between(s: &mut Schedule, label: &str, images: Buf, [from, to]: [usize; 2]) -> Buf {
    let [_, h, w, c] = sizes(images);
    let width = h * w * c;
    let row = images.reshape([1, images.len()]);
    channels::slice(s, label, row, from * width..to * width).reshape([to - from, h, w, c])
}

/// The sizes of images [n, h, w, c].
fn sizes(images: Buf) -> [usize; 4] {
    let sizes: Vec<usize> = images.shape.dims().iter().map(|&size| size as usize).collect();
    sizes.try_into().expect("images have four dimensions")
}

/// The mean absolute error of each of n images on the scale from black, 0, to white, 1: `[n]`.
fn error(s: &mut Schedule, label: &str, y: Buf, target: Buf) -> Buf {
    let [y, target] = [y, target].map(rows);
    loss::forward(s, label, y, target, absolute(y))
}

/// The same, and the gradient of `weight` times the sum of the errors, taken before the activation of y. Errors in the
/// gradient are those of a range of 2, as published weights expect.
fn error_with_gradient(s: &mut Schedule, label: &str, y: Value, target: Buf, weight: f32) -> (Buf, Buf) {
    let [of_y, target] = [y.buf, target].map(rows);
    let scale = 1.0 / (RANGE.high - RANGE.low);
    let (errors, dy) = loss::with_gradient(s, label, of_y, target, absolute(of_y), weight / scale);
    (errors, y.before(s, &format!("{label}.before"), dy.reshape(y.buf.shape)))
}

fn rows(images: Buf) -> Buf {
    let count = images.shape.dims()[0] as usize;
    images.reshape([count, images.len() / count])
}

fn absolute(rows: Buf) -> Loss {
    let scale = 1.0 / ((RANGE.high - RANGE.low) * rows.shape.cols() as f32);
    Loss { kind: Kind::Absolute, scale, offset: 0.0 }
}
