//! Upsampling of images by whole factors, by repetition or bilinear interpolation, channel by channel.
//!
//! Interpolation treats pixels as squares whose corners align: PyTorch's `align_corners=False`.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, Shape, functions, params, reference, shader};

/// The method of upsampling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Repeats each pixel.
    Nearest,
    /// Interpolates linearly between the four nearest pixels.
    Bilinear,
}

params! {
    /// The uniform of every kernel here.
    pub struct UpsampleParams {
        /// Elements of the output.
        len: u32,
        /// Rows of x.
        h: u32,
        /// Columns of x.
        w: u32,
        /// Channels.
        c: u32,
        /// Rows of y per row of x.
        factor_h: u32,
        /// Columns of y per column of x.
        factor_w: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y = x, each pixel repeated.
pub static UPSAMPLE_NEAREST: Kernel = Kernel {
    name: "upsample_nearest",
    op: "upsample",
    source: shader!("upsample", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), write("y")],
    params: UpsampleParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::upsample::upsample_nearest),
    gradient: Gradient::Forward,
};

/// y = x, interpolated.
pub static UPSAMPLE_BILINEAR: Kernel = Kernel {
    name: "upsample_bilinear",
    reference: functions!(reference::upsample::upsample_bilinear),
    ..UPSAMPLE_NEAREST
};

/// dx = gate ⊙ the sum of dy over the repetitions of each pixel.
pub static UPSAMPLE_NEAREST_BACKWARD: Kernel = Kernel {
    name: "upsample_nearest_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx")],
    overrides: &["gate"],
    reference: functions!(reference::upsample::upsample_nearest_backward),
    gradient: Gradient::Backward,
    ..UPSAMPLE_NEAREST
};

/// dx = gate ⊙ the weighted sum of dy around each pixel.
pub static UPSAMPLE_BILINEAR_BACKWARD: Kernel = Kernel {
    name: "upsample_bilinear_backward",
    reference: functions!(reference::upsample::upsample_bilinear_backward),
    ..UPSAMPLE_NEAREST_BACKWARD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] =
    &[&UPSAMPLE_NEAREST, &UPSAMPLE_BILINEAR, &UPSAMPLE_NEAREST_BACKWARD, &UPSAMPLE_BILINEAR_BACKWARD];

/// Enlarges x [n, h, w, c] by `factor` (rows, columns): [n, factor h, factor w, c].
///
/// # Panics
/// If x is not an image, or a factor is zero.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, factor: [usize; 2], mode: Mode) -> Buf {
    let &[n, h, w, c] = x.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", x.shape) };
    let y = s.scratch([n as usize, h as usize * factor[0], w as usize * factor[1], c as usize]);
    let (kernel, flops) = match mode {
        Mode::Nearest => (&UPSAMPLE_NEAREST, 0),
        Mode::Bilinear => (&UPSAMPLE_BILINEAR, 9 * y.len()),
    };
    s.push(kernel, label, &[x, y], &parameters(y, x.shape, factor, None), grid(y), flops as u64);
    y
}

/// The gradient of [`forward`] with respect to x: [n, h, w, c] from dy [n, factor h, factor w, c]. The gate (an
/// activation and its output, which is x) multiplies dx by the slope of that activation.
///
/// # Panics
/// If dy is not an image whose size is a multiple of the factor, or the gate does not have dx's size or its slope
/// cannot be computed from its output.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    factor: [usize; 2],
    mode: Mode,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let &[n, h, w, c] = dy.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", dy.shape) };
    let [n, h, w, c] = [n, h, w, c].map(|size| size as usize);
    let whole = h.is_multiple_of(factor[0]) && w.is_multiple_of(factor[1]);
    assert!(whole, "{label}: dy of shape {} is not a multiple of the factor {factor:?}", dy.shape);
    let dx = s.scratch([n, h / factor[0], w / factor[1], c]);
    assert!(gate.is_none_or(|(_, y)| y.len() == dx.len()), "{label}: the gate does not have the size of {}", dx.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    let (kernel, flops) = match mode {
        Mode::Nearest => (&UPSAMPLE_NEAREST_BACKWARD, dy.len()),
        Mode::Bilinear => (&UPSAMPLE_BILINEAR_BACKWARD, 12 * dy.len()),
    };
    // Without a gate, dy is bound in its place and not read.
    let gate_y = gate.map_or(dy, |(_, y)| y);
    let params = parameters(dx, dx.shape, factor, gate.map(|(act, _)| act));
    s.push(kernel, label, &[dy, gate_y, dx], &params, grid(dx), flops as u64);
    dx
}

fn parameters(written: Buf, x: Shape, factor: [usize; 2], gate: Option<Activation>) -> UpsampleParams {
    let gate = gate.unwrap_or(Activation::Identity);
    UpsampleParams {
        len: written.len() as u32,
        h: x.dims()[1],
        w: x.dims()[2],
        c: x.dims()[3],
        factor_h: factor[0] as u32,
        factor_w: factor[1] as u32,
        gate: gate.code(),
        gate_alpha: gate.alpha(),
    }
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
