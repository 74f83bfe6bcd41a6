//! Maxima and averages over windows of an image, each channel by itself.
//!
//! Where a window reaches over the edge, a maximum sees only what is inside; an average counts the padding as zeros,
//! or, if told to, leaves it out. The last rows and columns that fill no window are dropped. All as PyTorch has it.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, Shape, params, reference, shader};

/// The windows of a pooling, each pair being rows, then columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Cells of a window.
    pub kernel: [usize; 2],
    /// From one window to the next.
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
        /// Elements of what is written.
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
        /// An average counts the padding.
        count_pad: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y = the largest x of each window, argmax = where in the image it is.
pub static MAX_POOL: Kernel = Kernel {
    name: "max_pool",
    op: "pool",
    source: shader!("pool", "grid", "activation", "nan"),
    bindings: &[read("x"), write("y"), write("argmax").of_u32()],
    params: PoolParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: reference::pool::max_pool,
    gradient: Gradient::Forward,
};

/// dx = gate ⊙ Σ dy of the windows that an element won.
pub static MAX_POOL_BACKWARD: Kernel = Kernel {
    name: "max_pool_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx"), read("index").of_u32()],
    overrides: &["gate"],
    reference: reference::pool::max_pool_backward,
    gradient: Gradient::Backward,
    ..MAX_POOL
};

/// y = the mean x of each window.
pub static AVERAGE_POOL: Kernel = Kernel {
    name: "average_pool",
    bindings: &[read("x"), write("y")],
    reference: reference::pool::average_pool,
    ..MAX_POOL
};

/// dx = gate ⊙ Σ dy / count of the windows that an element lies in.
pub static AVERAGE_POOL_BACKWARD: Kernel = Kernel {
    name: "average_pool_backward",
    bindings: &[read("dy"), read("gate_y"), write("dx")],
    reference: reference::pool::average_pool_backward,
    ..MAX_POOL_BACKWARD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&MAX_POOL, &MAX_POOL_BACKWARD, &AVERAGE_POOL, &AVERAGE_POOL_BACKWARD];

/// The largest elements of the windows of x [n, h, w, c], [n, h', w', c], and where in its image each is: row · w +
/// column, u32 of the same shape. Of equal elements it is the first; a NaN is larger than anything.
///
/// # Panics
/// When x is no image, a window is larger than the padded image, or the padding is not smaller than the window.
pub fn max_pool(s: &mut Schedule, label: &str, x: Buf, window: Window) -> (Buf, Buf) {
    let y = s.scratch(output(label, x.shape, window));
    let index = s.scratch_of(y.shape, Dtype::U32);
    let params = PoolParams { len: y.len() as u32, ..parameters(label, x.shape, window) };
    s.push(&MAX_POOL, label, &[x, y, index], &params, grid(y), cells(y, window));
    (y, index)
}

/// The gradient of [`max_pool`] for its x, of the given shape, with the index that it gave. The gate multiplies by the
/// slope of an activation at the point where its output is the buffer, which is that x.
///
/// # Panics
/// When the shapes do not fit one another, or no slope follows from the gate.
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

/// The means of the windows of x [n, h, w, c]: [n, h', w', c]. With `count_pad`, PyTorch's default, the padding counts
/// as zeros; without, only the elements inside the image are counted.
///
/// # Panics
/// When x is no image, a window is larger than the padded image, or the padding is not smaller than the window.
pub fn average_pool(s: &mut Schedule, label: &str, x: Buf, window: Window, count_pad: bool) -> Buf {
    let y = s.scratch(output(label, x.shape, window));
    let params = PoolParams { len: y.len() as u32, count_pad: count_pad.into(), ..parameters(label, x.shape, window) };
    s.push(&AVERAGE_POOL, label, &[x, y], &params, grid(y), cells(y, window));
    y
}

/// The gradient of [`average_pool`] for its x, of the given shape; the gate as in [`max_pool_backward`].
///
/// # Panics
/// When the shapes do not fit one another, or no slope follows from the gate.
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

/// dx, what is bound as the gate's output, and the parameters, of either gradient.
fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    x: Shape,
    window: Window,
    gate: Option<(Activation, Buf)>,
) -> (Buf, Buf, PoolParams) {
    let y = output(label, x, window);
    assert_eq!(dy.shape, y, "{label}: dy of {} for windows on {x}, which are {y}", dy.shape);
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate is not {x}");
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: no slope follows from this gate");
    let dx = s.scratch(x);
    // Without a gate, dy stands where nothing is read.
    let (gate, gate_y) = gate.unwrap_or((Activation::Identity, dy));
    let len = dx.len() as u32;
    let params = PoolParams { len, gate: gate.code(), gate_alpha: gate.alpha(), ..parameters(label, x, window) };
    (dx, gate_y, params)
}

/// The shape of y for an x of this shape.
fn output(label: &str, x: Shape, window: Window) -> Shape {
    let &[n, h, w, c] = x.dims() else { panic!("{label}: {x} is no image [n, h, w, c]") };
    let along = |size: u32, axis: usize| {
        let Window { kernel, stride, pad } = window;
        assert!(pad[axis] < kernel[axis], "{label}: {window:?} has windows in the padding alone");
        assert!(stride[axis] > 0, "{label}: {window:?} does not advance");
        let free = (size as usize + 2 * pad[axis]).checked_sub(kernel[axis]);
        free.unwrap_or_else(|| panic!("{label}: {window:?} on {x} is larger than the image")) / stride[axis] + 1
    };
    Shape::from([n as usize, along(h, 0), along(w, 1), c as usize])
}

/// The parameters but for `len`, without a gate.
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

/// How many cells all windows have.
fn cells(y: Buf, window: Window) -> u64 {
    (y.len() * window.kernel[0] * window.kernel[1]) as u64
}

fn grid(written: Buf) -> Grid {
    Grid::Linear(written.len().div_ceil(INVOCATIONS))
}
