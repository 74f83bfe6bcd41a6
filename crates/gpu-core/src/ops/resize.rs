//! Bilinear resizing of images to any size, channel by channel, as TensorFlow 1 does it.
//!
//! Corners are not aligned and centres are not halves: index i of y is at i · (size of x) / (size of y) in x. This is
//! `resize_bilinear` with `align_corners=False` and `half_pixel_centers=False`; PyTorch has no such mode.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, Shape, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct ResizeParams {
        /// Elements of the output.
        len: u32,
        /// Rows of x.
        h: u32,
        /// Columns of x.
        w: u32,
        /// Channels.
        c: u32,
        /// Rows of y.
        out_h: u32,
        /// Columns of y.
        out_w: u32,
    }
}

const INVOCATIONS: usize = 64;

/// y = x, interpolated.
pub static RESIZE_BILINEAR: Kernel = Kernel {
    name: "resize_bilinear",
    op: "resize",
    source: shader!("resize", "grid"),
    bindings: &[read("x"), write("y")],
    params: ResizeParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::resize::resize_bilinear),
    gradient: Gradient::Forward,
};

/// dx = the weighted sum of dy around each pixel.
pub static RESIZE_BILINEAR_BACKWARD: Kernel = Kernel {
    name: "resize_bilinear_backward",
    bindings: &[read("dy"), write("dx")],
    reference: functions!(reference::resize::resize_bilinear_backward),
    gradient: Gradient::Backward,
    ..RESIZE_BILINEAR
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&RESIZE_BILINEAR, &RESIZE_BILINEAR_BACKWARD];

/// Resizes x [n, h, w, c] to `size` (rows, columns): [n, rows, columns, c].
///
/// # Panics
/// If x is not an image.
pub fn bilinear(s: &mut Schedule, label: &str, x: Buf, size: [usize; 2]) -> Buf {
    let &[n, _, _, c] = x.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", x.shape) };
    let y = s.scratch([n as usize, size[0], size[1], c as usize]);
    s.push(&RESIZE_BILINEAR, label, &[x, y], &parameters(y, x.shape, y.shape), grid(y), 9 * y.len() as u64);
    y
}

/// The gradient of [`bilinear`] with respect to x of `size` (rows, columns): [n, rows, columns, c] from dy.
///
/// # Panics
/// If dy is not an image.
pub fn bilinear_backward(s: &mut Schedule, label: &str, dy: Buf, size: [usize; 2]) -> Buf {
    let &[n, _, _, c] = dy.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", dy.shape) };
    let dx = s.scratch([n as usize, size[0], size[1], c as usize]);
    let flops = 12 * dy.len() as u64;
    s.push(&RESIZE_BILINEAR_BACKWARD, label, &[dy, dx], &parameters(dx, dx.shape, dy.shape), grid(dx), flops);
    dx
}

fn parameters(written: Buf, x: Shape, y: Shape) -> ResizeParams {
    let (x, y) = (x.dims(), y.dims());
    ResizeParams { len: written.len() as u32, h: x[1], w: x[2], c: x[3], out_h: y[1], out_w: y[2] }
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
