//! Padding of images, by zeros or by reflection.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, Shape, functions, params, reference, shader};

/// The contents of the border.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Border {
    /// Zeros.
    Zero,
    /// The image reflected about its outermost rows and columns, which are not repeated. The border must be narrower
    /// than the image.
    Reflection,
}

/// Rows and columns added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Margins {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before.
    pub left: usize,
    /// Columns after.
    pub right: usize,
}

impl Margins {
    /// The same on every side.
    pub fn all(width: usize) -> Self {
        Self { top: width, bottom: width, left: width, right: width }
    }
}

params! {
    /// The uniform of both kernels.
    pub struct PadParams {
        /// Elements of the output.
        len: u32,
        /// Rows of x.
        h: u32,
        /// Columns of x.
        w: u32,
        /// Channels.
        c: u32,
        /// Rows added above.
        top: u32,
        /// Rows added below.
        bottom: u32,
        /// Columns added before.
        left: u32,
        /// Columns added after.
        right: u32,
        /// 1 if the border is a reflection.
        reflect: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y = x with padding.
pub static PAD: Kernel = Kernel {
    name: "pad",
    op: "pad",
    source: shader!("pad", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), write("y")],
    params: PadParams::FIELDS,
    overrides: &["reflect"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::pad::pad),
    gradient: Gradient::Forward,
};

/// dx = gate ⊙ the sum of dy over all positions that show an element.
pub static PAD_BACKWARD: Kernel = Kernel {
    name: "pad_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx")],
    overrides: &["reflect", "gate"],
    reference: functions!(reference::pad::pad_backward),
    gradient: Gradient::Backward,
    ..PAD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&PAD, &PAD_BACKWARD];

/// Pads x [n, h, w, c] to [n, top + h + bottom, left + w + right, c].
///
/// # Panics
/// If x is not an image, or a reflected border is not narrower than it.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, margins: Margins, border: Border) -> Buf {
    let &[n, h, w, c] = x.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", x.shape) };
    let [n, h, w, c] = [n, h, w, c].map(|size| size as usize);
    let Margins { top, bottom, left, right } = margins;
    assert_narrow(label, x.shape, margins, border);
    let y = s.scratch([n, top + h + bottom, left + w + right, c]);
    s.push(&PAD, label, &[x, y], &parameters(y, x.shape, margins, border, None), grid(y), 0);
    y
}

/// The gradient of [`forward`] with respect to x: [n, h, w, c] from dy [n, top + h + bottom, left + w + right, c]. The
/// gate (an activation and its output, which is x) multiplies dx by the slope of that activation.
///
/// # Panics
/// If dy is not an image larger than its margins, a reflected border is not narrower than dx, or the gate does not have
/// dx's size or its slope cannot be computed from its output.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    margins: Margins,
    border: Border,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let &[n, h, w, c] = dy.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", dy.shape) };
    let [n, h, w, c] = [n, h, w, c].map(|size| size as usize);
    let Margins { top, bottom, left, right } = margins;
    assert!(h > top + bottom && w > left + right, "{label}: {margins:?} leave nothing of dy of shape {}", dy.shape);
    let dx = s.scratch([n, h - top - bottom, w - left - right, c]);
    assert_narrow(label, dx.shape, margins, border);
    assert!(gate.is_none_or(|(_, y)| y.len() == dx.len()), "{label}: the gate does not have the size of {}", dx.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    // Without a gate, dy is bound in its place and not read.
    let gate_y = gate.map_or(dy, |(_, y)| y);
    let params = parameters(dx, dx.shape, margins, border, gate.map(|(act, _)| act));
    s.push(&PAD_BACKWARD, label, &[dy, gate_y, dx], &params, grid(dx), dy.len() as u64);
    dx
}

/// Checks that a reflected border is narrower than the image, so that it shows no pixel beyond it.
fn assert_narrow(label: &str, x: Shape, margins: Margins, border: Border) {
    let Margins { top, bottom, left, right } = margins;
    let narrow = top.max(bottom) < x.dims()[1] as usize && left.max(right) < x.dims()[2] as usize;
    assert!(border == Border::Zero || narrow, "{label}: {x} is too small for a reflected border of {margins:?}");
}

fn parameters(written: Buf, x: Shape, margins: Margins, border: Border, gate: Option<Activation>) -> PadParams {
    let gate = gate.unwrap_or(Activation::Identity);
    PadParams {
        len: written.len() as u32,
        h: x.dims()[1],
        w: x.dims()[2],
        c: x.dims()[3],
        top: margins.top as u32,
        bottom: margins.bottom as u32,
        left: margins.left as u32,
        right: margins.right as u32,
        reflect: (border == Border::Reflection).into(),
        gate: gate.code(),
        gate_alpha: gate.alpha(),
    }
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
