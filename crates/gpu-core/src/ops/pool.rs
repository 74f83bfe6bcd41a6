//! Max and average pooling of images, channel by channel, with PyTorch's conventions.
//!
//! If a window extends past the edge, a maximum ignores the padding; an average counts it as zeros, or optionally
//! ignores it. Trailing rows and columns that do not fill a window are dropped.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, Shape, functions, params, reference, shader};

/// The windows of a pooling operator; pairs are rows, then columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The size of a window.
    pub kernel: [usize; 2],
    /// The distance between windows.
    pub stride: [usize; 2],
    /// Padding before and after the image, less than `kernel`.
    pub pad: [usize; 2],
}

impl Window {
    /// The same for rows and columns.
    pub fn square(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2] }
    }
}

params! {
    /// The uniform of every kernel here.
    pub struct PoolParams {
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
        /// Rows of a window.
        kernel_h: u32,
        /// Columns of a window.
        kernel_w: u32,
        /// Rows from one window to the next.
        stride_h: u32,
        /// Columns from one window to the next.
        stride_w: u32,
        /// Rows of padding on either side.
        pad_h: u32,
        /// Columns of padding on either side.
        pad_w: u32,
        /// 1 if an average counts the padding.
        count_pad: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y = the largest x of each window, argmax = its position in the image.
pub static MAX_POOL: Kernel = Kernel {
    name: "max_pool",
    op: "pool",
    source: shader!("pool", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), write("y"), write("argmax").of_u32()],
    params: PoolParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::pool::max_pool),
    gradient: Gradient::Forward,
};

/// dx = gate ⊙ Σ dy over the windows whose maximum is the element.
pub static MAX_POOL_BACKWARD: Kernel = Kernel {
    name: "max_pool_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx"), read("index").of_u32()],
    overrides: &["gate"],
    reference: functions!(reference::pool::max_pool_backward),
    gradient: Gradient::Backward,
    ..MAX_POOL
};

/// y = x at the position of each window's maximum in another image.
pub static MAX_POOL_AT: Kernel = Kernel {
    name: "max_pool_at",
    bindings: &[read("x"), write("y"), read("place").of_u32()],
    reference: functions!(reference::pool::max_pool_at),
    ..MAX_POOL
};

/// y = the mean x of each window.
pub static AVERAGE_POOL: Kernel = Kernel {
    name: "average_pool",
    bindings: &[read("x"), write("y")],
    reference: functions!(reference::pool::average_pool),
    ..MAX_POOL
};

/// dx = gate ⊙ Σ dy / count over the windows that contain the element.
pub static AVERAGE_POOL_BACKWARD: Kernel = Kernel {
    name: "average_pool_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx")],
    reference: functions!(reference::pool::average_pool_backward),
    ..MAX_POOL_BACKWARD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&MAX_POOL, &MAX_POOL_BACKWARD, &MAX_POOL_AT, &AVERAGE_POOL, &AVERAGE_POOL_BACKWARD];

/// Max pooling of x [n, h, w, c]: the maxima [n, h', w', c], and their positions in the image: row · w + column, u32 of
/// the same shape. The first of equal elements counts; a NaN counts as the largest.
///
/// # Panics
/// If x is not an image, a window is larger than the padded image, or the padding is not smaller than the window.
pub fn max_pool(s: &mut Schedule, label: &str, x: Buf, window: Window) -> (Buf, Buf) {
    let y = s.scratch(output(label, x.shape, window));
    let index = s.scratch_of(y.shape, Dtype::U32);
    let params = PoolParams { len: y.len() as u32, ..parameters(label, x.shape, window) };
    s.push(&MAX_POOL, label, &[x, y, index], &params, grid(y), cells(y, window));
    (y, index)
}

/// The gradient of [`max_pool`] with respect to x, of the given shape, from the positions it returned. The gate (an
/// activation and its output, which is x) multiplies dx by the slope of that activation.
///
/// # Panics
/// If the shapes do not fit one another, or the slope of the gate cannot be computed from its output.
pub fn max_pool_backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    index: Buf,
    x: Shape,
    window: Window,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    assert_eq!(index.shape, dy.shape, "{label}: the index has another shape than dy");
    let (dx, gate_y, params) = backward(s, label, dy, x, window, gate);
    s.push(&MAX_POOL_BACKWARD, label, &[dy, gate_y, dx, index], &params, grid(dx), cells(dy, window));
    dx
}

/// The derivative of [`max_pool`] along the direction u [n, h, w, c] of x, from the positions it returned: u at each
/// window's maximum, [n, h', w', c].
///
/// # Panics
/// If the shapes do not fit one another.
pub fn max_pool_tangent(s: &mut Schedule, label: &str, u: Buf, index: Buf, window: Window) -> Buf {
    let y = s.scratch(output(label, u.shape, window));
    assert_eq!(index.shape, y.shape, "{label}: the index has another shape than y");
    let params = PoolParams { len: y.len() as u32, ..parameters(label, u.shape, window) };
    s.push(&MAX_POOL_AT, label, &[u, y, index], &params, grid(y), y.len() as u64);
    y
}

/// Average pooling of x [n, h, w, c]: [n, h', w', c]. With `count_pad`, PyTorch's default, padding counts as zeros;
/// without it, only elements inside the image count.
///
/// # Panics
/// If x is not an image, a window is larger than the padded image, or the padding is not smaller than the window.
pub fn average_pool(s: &mut Schedule, label: &str, x: Buf, window: Window, count_pad: bool) -> Buf {
    let y = s.scratch(output(label, x.shape, window));
    let params = PoolParams { len: y.len() as u32, count_pad: count_pad.into(), ..parameters(label, x.shape, window) };
    s.push(&AVERAGE_POOL, label, &[x, y], &params, grid(y), cells(y, window));
    y
}

/// The gradient of [`average_pool`] with respect to x, of the given shape; the gate as in [`max_pool_backward`].
///
/// # Panics
/// If the shapes do not fit one another, or the slope of the gate cannot be computed from its output.
pub fn average_pool_backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    x: Shape,
    window: Window,
    count_pad: bool,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    let (dx, gate_y, params) = backward(s, label, dy, x, window, gate);
    let params = PoolParams { count_pad: count_pad.into(), ..params };
    s.push(&AVERAGE_POOL_BACKWARD, label, &[dy, gate_y, dx], &params, grid(dx), 2 * cells(dy, window));
    dx
}

/// dx, the buffer bound as the gate's output, and the parameters, for both gradients.
fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    x: Shape,
    window: Window,
    gate: Option<(Activation, Buf)>,
) -> (Buf, Buf, PoolParams) {
    let y = output(label, x, window);
    assert_eq!(dy.shape, y, "{label}: dy of shape {} for windows of shape {y} on {x}", dy.shape);
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {x}");
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    let dx = s.scratch(x);
    // Without a gate, dy is bound in its place and not read.
    let (gate, gate_y) = gate.unwrap_or((Activation::Identity, dy));
    let len = dx.len() as u32;
    let params = PoolParams { len, gate: gate.code(), gate_alpha: gate.alpha(), ..parameters(label, x, window) };
    (dx, gate_y, params)
}

/// The shape of y for an x of this shape.
fn output(label: &str, x: Shape, window: Window) -> Shape {
    let &[n, h, w, c] = x.dims() else { panic!("{label}: {x} is not an image [n, h, w, c]") };
    let along = |size: u32, axis: usize| {
        let Window { kernel, stride, pad } = window;
        assert!(pad[axis] < kernel[axis], "{label}: the padding of {window:?} is as large as the window");
        assert!(stride[axis] > 0, "{label}: the stride of {window:?} is zero");
        let free = (size as usize + 2 * pad[axis]).checked_sub(kernel[axis]);
        free.unwrap_or_else(|| panic!("{label}: {window:?} is larger than the padded image {x}")) / stride[axis] + 1
    };
    Shape::from([n as usize, along(h, 0), along(w, 1), c as usize])
}

/// The parameters, except `len`, without a gate.
fn parameters(label: &str, x: Shape, window: Window) -> PoolParams {
    let (x, y) = (x.dims(), output(label, x, window));
    let Window { kernel, stride, pad } = window;
    PoolParams {
        len: 0,
        h: x[1],
        w: x[2],
        c: x[3],
        out_h: y.dims()[1],
        out_w: y.dims()[2],
        kernel_h: kernel[0] as u32,
        kernel_w: kernel[1] as u32,
        stride_h: stride[0] as u32,
        stride_w: stride[1] as u32,
        pad_h: pad[0] as u32,
        pad_w: pad[1] as u32,
        count_pad: 0,
        gate: Activation::Identity.code(),
        gate_alpha: 0.0,
    }
}

/// The number of cells of all windows.
fn cells(y: Buf, window: Window) -> u64 {
    (y.len() * window.kernel[0] * window.kernel[1]) as u64
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
