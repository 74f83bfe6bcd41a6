//! A border around an image, of zeros or of the image mirrored about its edge.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, Shape, params, reference, shader};

/// What the border shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Border {
    /// Nothing.
    Zero,
    /// The image mirrored about its outermost rows and columns, which are not repeated; narrower than the image.
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
        /// Elements of what is written.
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
        /// The border is the image mirrored.
        reflect: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y = x with a border.
pub static PAD: Kernel = Kernel {
    name: "pad",
    op: "pad",
    source: shader!("pad", "grid", "activation"),
    bindings: &[read("x"), write("y")],
    params: PadParams::FIELDS,
    overrides: &["reflect"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: reference::pad::pad,
    gradient: Gradient::Forward,
};

/// dx = gate ⊙ the sum of dy wherever an element is shown.
pub static PAD_BACKWARD: Kernel = Kernel {
    name: "pad_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx")],
    overrides: &["reflect", "gate"],
    reference: reference::pad::pad_backward,
    gradient: Gradient::Backward,
    ..PAD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&PAD, &PAD_BACKWARD];

/// x [n, h, w, c] with a border: [n, top + h + bottom, left + w + right, c].
///
/// # Panics
/// When x is no image, or a reflection is not narrower than it.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, margins: Margins, border: Border) -> Buf {
    let &[n, h, w, c] = x.shape.dims() else { panic!("{label}: {} is no image [n, h, w, c]", x.shape) };
    let [n, h, w, c] = [n, h, w, c].map(|size| size as usize);
    let Margins { top, bottom, left, right } = margins;
    assert_narrow(label, x.shape, margins, border);
    let y = s.scratch([n, top + h + bottom, left + w + right, c]);
    s.push(&PAD, label, &[x, y], &parameters(y, x.shape, margins, border, None), grid(y), 0);
    y
}

/// The gradient of [`forward`] for its x: [n, h, w, c] of dy [n, top + h + bottom, left + w + right, c]. The gate
/// multiplies by the slope of an activation at the point where its output is the buffer, which is that x.
///
/// # Panics
/// When dy is no image larger than its margins, a reflection is not narrower than dx, the gate has another size than
/// dx, or no slope follows from it.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    margins: Margins,
    border: Border,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let &[n, h, w, c] = dy.shape.dims() else { panic!("{label}: {} is no image [n, h, w, c]", dy.shape) };
    let [n, h, w, c] = [n, h, w, c].map(|size| size as usize);
    let Margins { top, bottom, left, right } = margins;
    assert!(h > top + bottom && w > left + right, "{label}: dy of {} is all border, {margins:?}", dy.shape);
    let dx = s.scratch([n, h - top - bottom, w - left - right, c]);
    assert_narrow(label, dx.shape, margins, border);
    assert!(gate.is_none_or(|(_, y)| y.len() == dx.len()), "{label}: the gate is not {}", dx.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: no slope follows from this gate");
    // Without a gate, dy stands where nothing is read.
    let gate_y = gate.map_or(dy, |(_, y)| y);
    let params = parameters(dx, dx.shape, margins, border, gate.map(|(act, _)| act));
    s.push(&PAD_BACKWARD, label, &[dy, gate_y, dx], &params, grid(dx), dy.len() as u64);
    dx
}

/// A mirror as wide as the image would show what lies beyond it.
fn assert_narrow(label: &str, x: Shape, margins: Margins, border: Border) {
    let Margins { top, bottom, left, right } = margins;
    let narrow = top.max(bottom) < x.dims()[1] as usize && left.max(right) < x.dims()[2] as usize;
    assert!(border == Border::Zero || narrow, "{label}: {x} cannot be reflected by {margins:?}");
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
