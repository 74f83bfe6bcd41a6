//! A number for each channel of an image added to all its pixels, such as the embedding of a time.
//!
//! The gradient of the image is that of the sum.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct ShiftParams {
        /// Elements of the output.
        len: u32,
        /// Pixels of an image.
        hw: u32,
        /// Channels.
        c: u32,
    }
}

const INVOCATIONS: usize = 256;

/// y [n, hw, c] = x + e, with e [n, c].
pub static SHIFT_CHANNELS: Kernel = Kernel {
    name: "shift_channels",
    op: "shift",
    source: shader!("shift", "grid"),
    bindings: &[read("x"), read("e"), write("y")],
    params: ShiftParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::shift::shift_channels),
    gradient: Gradient::Forward,
};

/// de [n, c] = Σ dy over the pixels of an image.
pub static SHIFT_CHANNELS_BACKWARD: Kernel = Kernel {
    name: "shift_channels_backward",
    bindings: &[read("dy"), write("de")],
    reference: functions!(reference::shift::shift_channels_backward),
    gradient: Gradient::Backward,
    ..SHIFT_CHANNELS
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&SHIFT_CHANNELS, &SHIFT_CHANNELS_BACKWARD];

/// x [n, …, c] with e [n, c] added to every pixel: of x's shape.
///
/// # Panics
/// If e does not have a number for each channel of each image.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, e: Buf) -> Buf {
    let (n, c) = (x.shape.dims()[0] as usize, x.shape.cols());
    assert_eq!(e.len(), n * c, "{label}: {} for the channels of {}", e.shape, x.shape);
    let y = s.scratch(x.shape);
    s.push(&SHIFT_CHANNELS, label, &[x, e, y], &params(y, x), grid(y), x.len() as u64);
    y
}

/// The gradient of e: [n, c], of dy [n, …, c].
pub fn backward(s: &mut Schedule, label: &str, dy: Buf) -> Buf {
    let de = s.scratch([dy.shape.dims()[0] as usize, dy.shape.cols()]);
    s.push(&SHIFT_CHANNELS_BACKWARD, label, &[dy, de], &params(de, dy), grid(de), dy.len() as u64);
    de
}

fn params(written: Buf, image: Buf) -> ShiftParams {
    let (n, c) = (image.shape.dims()[0] as usize, image.shape.cols());
    ShiftParams { len: written.len() as u32, hw: (image.len() / (n * c)) as u32, c: c as u32 }
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
