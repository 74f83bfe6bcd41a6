//! Concatenation and slicing of channels: of images [n, h, w, c], or of any array along its last axis.
//!
//! The gradients of a concatenation are slices of dy: [`slice()`].

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};
use std::ops::Range;

params! {
    /// The uniform of every kernel here.
    pub struct ChannelsParams {
        /// Elements of the output.
        len: u32,
        /// Channels of the whole array: y of a concatenation, x of a slice.
        channels: u32,
        /// Its first channel that belongs to the part: b of a concatenation, the slice of a slice.
        start: u32,
        /// Channels of the part.
        count: u32,
    }
}

const INVOCATIONS: usize = 64;

/// y = a and b, concatenated along the channels.
pub static CONCAT_CHANNELS: Kernel = Kernel {
    name: "concat_channels",
    op: "channels",
    source: shader!("channels", "grid"),
    bindings: &[read("a"), read("b"), write("y")],
    params: ChannelsParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::channels::concat_channels),
    gradient: Gradient::Forward,
};

/// part = a range of channels of x.
pub static SLICE_CHANNELS: Kernel = Kernel {
    name: "slice_channels",
    bindings: &[read("x"), write("part")],
    reference: functions!(reference::channels::slice_channels),
    ..CONCAT_CHANNELS
};

/// dx = dpart in the range of channels, zero elsewhere.
pub static SLICE_CHANNELS_BACKWARD: Kernel = Kernel {
    name: "slice_channels_backward",
    bindings: &[read("dpart"), write("dx")],
    reference: functions!(reference::channels::slice_channels_backward),
    gradient: Gradient::Backward,
    ..CONCAT_CHANNELS
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CONCAT_CHANNELS, &SLICE_CHANNELS, &SLICE_CHANNELS_BACKWARD];

/// Concatenates a […, p] and b […, q]: […, p + q].
///
/// # Panics
/// If the two differ in an axis other than the last.
pub fn concat(s: &mut Schedule, label: &str, a: Buf, b: Buf) -> Buf {
    let (start, count) = (a.shape.cols(), b.shape.cols());
    let fits = a.shape == b.shape.with_cols(start);
    assert!(fits, "{label}: {} and {} differ in more than the last axis", a.shape, b.shape);
    let y = s.scratch(a.shape.with_cols(start + count));
    s.push(&CONCAT_CHANNELS, label, &[a, b, y], &parameters(y, start + count, start..start + count), grid(y), 0);
    y
}

/// Slices channels `range` of x. Applied to dy, it computes the gradient of [`concat()`] for a or b.
///
/// # Panics
/// If the range is empty or out of bounds.
pub fn slice(s: &mut Schedule, label: &str, x: Buf, range: Range<usize>) -> Buf {
    let channels = x.shape.cols();
    assert!(range.start < range.end && range.end <= channels, "{label}: channels {range:?} of {}", x.shape);
    let part = s.scratch(x.shape.with_cols(range.len()));
    s.push(&SLICE_CHANNELS, label, &[x, part], &parameters(part, channels, range), grid(part), 0);
    part
}

/// The gradient of [`slice()`] with respect to x, which has `channels` channels; the slice started at `start`.
///
/// # Panics
/// If the slice is out of bounds.
pub fn slice_backward(s: &mut Schedule, label: &str, dpart: Buf, channels: usize, start: usize) -> Buf {
    let range = start..start + dpart.shape.cols();
    assert!(range.end <= channels, "{label}: {} does not fit channels {range:?} of {channels}", dpart.shape);
    let dx = s.scratch(dpart.shape.with_cols(channels));
    s.push(&SLICE_CHANNELS_BACKWARD, label, &[dpart, dx], &parameters(dx, channels, range), grid(dx), 0);
    dx
}

fn parameters(written: Buf, channels: usize, part: Range<usize>) -> ChannelsParams {
    ChannelsParams {
        len: written.len() as u32,
        channels: channels as u32,
        start: part.start as u32,
        count: part.len() as u32,
    }
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
