//! The standard deviation of images within groups, as one more channel, by which a discriminator sees images that are
//! too alike (Karras, Aila, Laine and Lehtinen, *Progressive growing of GANs*, 2018, §3).

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

/// ε, added to the variance.
const EPSILON: f32 = 1e-8;

params! {
    /// The uniform of every kernel here.
    pub struct MinibatchStdParams {
        /// Images.
        n: u32,
        /// Pixels of an image.
        pixels: u32,
        /// Channels of x.
        c: u32,
        /// Images of a group.
        size: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
        /// ε, added to the variance.
        epsilon: f32,
    }
}

const INVOCATIONS: usize = 256;

/// y = x and m, the mean deviation of the numbers of a group's images.
pub static MINIBATCH_STD: Kernel = Kernel {
    name: "minibatch_std",
    op: "minibatch_std",
    source: shader!("minibatch_std", "grid", "nan", "elementary", "tree", "activation"),
    bindings: &[read("x"), write("y")],
    params: MinibatchStdParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::minibatch_std::minibatch_std),
    gradient: Gradient::Forward,
};

/// along = the derivative of y along a direction u of x.
pub static MINIBATCH_STD_TANGENT: Kernel = Kernel {
    name: "minibatch_std_tangent",
    bindings: &[read("x"), read("u"), write("along")],
    reference: functions!(reference::minibatch_std::minibatch_std_tangent),
    ..MINIBATCH_STD
};

/// dx = gate ⊙ (dy of x + dm (x − mean) / (f members deviation)).
pub static MINIBATCH_STD_BACKWARD: Kernel = Kernel {
    name: "minibatch_std_backward",
    bindings: &[read("x"), read("dy"), read("gate_y"), write("dx")],
    overrides: &["gate"],
    reference: functions!(reference::minibatch_std::minibatch_std_backward),
    gradient: Gradient::Backward,
    ..MINIBATCH_STD
};

/// dx = gate ⊙ the gradient of Σ along ⊙ dy with respect to x.
pub static MINIBATCH_STD_TANGENT_BACKWARD: Kernel = Kernel {
    name: "minibatch_std_tangent_backward",
    bindings: &[read("x"), read("dy"), read("gate_y"), write("dx"), read("direction")],
    reference: functions!(reference::minibatch_std::minibatch_std_tangent_backward),
    ..MINIBATCH_STD_BACKWARD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] =
    &[&MINIBATCH_STD, &MINIBATCH_STD_TANGENT, &MINIBATCH_STD_BACKWARD, &MINIBATCH_STD_TANGENT_BACKWARD];

/// Images x [n, h, w, c] with one more channel, the mean over an image's numbers of their standard deviation within
/// each `size` images in a row: [n, h, w, c + 1]. The last group may be smaller.
///
/// # Panics
/// If x is not an image, or `size` is zero.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, size: usize) -> Buf {
    let y = s.scratch(wider(label, x));
    s.push(&MINIBATCH_STD, label, &[x, y], &parameters(label, x, size), grid(x, size), 5 * x.len() as u64);
    y
}

/// The derivative of [`forward`] along the direction u of x, both [n, h, w, c]: [n, h, w, c + 1].
///
/// # Panics
/// As [`forward`]; or if u has another size than x.
pub fn tangent(s: &mut Schedule, label: &str, x: Buf, u: Buf, size: usize) -> Buf {
    assert_eq!(u.len(), x.len(), "{label}: {} for {}", u.shape, x.shape);
    let along = s.scratch(wider(label, x));
    let params = parameters(label, x, size);
    s.push(&MINIBATCH_STD_TANGENT, label, &[x, u, along], &params, grid(x, size), 8 * x.len() as u64);
    along
}

/// The gradient of [`forward`] with respect to x. The gate (an activation and its output, which is x) multiplies it by
/// the slope of that activation.
///
/// # Panics
/// As [`forward`]; or if dy does not have the size of y, the gate that of x, or its slope cannot be computed from its
/// output.
pub fn backward(s: &mut Schedule, label: &str, x: Buf, dy: Buf, size: usize, gate: Option<(Activation, Buf)>) -> Buf {
    let (dx, gate_y, params) = gated(s, label, x, dy, size, gate);
    s.push(&MINIBATCH_STD_BACKWARD, label, &[x, dy, gate_y, dx], &params, grid(x, size), 8 * x.len() as u64);
    dx
}

/// The gradient with respect to x of Σ [`tangent`] ⊙ dy, with u fixed; the gate as in [`backward`].
///
/// # Panics
/// As [`tangent`] and [`backward`].
pub fn tangent_backward(
    s: &mut Schedule,
    label: &str,
    [x, u]: [Buf; 2],
    dy: Buf,
    size: usize,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    assert_eq!(u.len(), x.len(), "{label}: {} for {}", u.shape, x.shape);
    let (dx, gate_y, params) = gated(s, label, x, dy, size, gate);
    let cost = 14 * x.len() as u64;
    s.push(&MINIBATCH_STD_TANGENT_BACKWARD, label, &[x, dy, gate_y, dx, u], &params, grid(x, size), cost);
    dx
}

/// dx, the buffer bound as the gate's output, and the parameters, for both gradients.
fn gated(
    s: &mut Schedule,
    label: &str,
    x: Buf,
    dy: Buf,
    size: usize,
    gate: Option<(Activation, Buf)>,
) -> (Buf, Buf, MinibatchStdParams) {
    assert_eq!(
        dy.len(),
        wider(label, x).iter().product::<usize>(),
        "{label}: dy of shape {} for {}",
        dy.shape,
        x.shape
    );
    assert!(gate.is_none_or(|(_, y)| y.len() == x.len()), "{label}: the gate does not have the size of {}", x.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let params = MinibatchStdParams { gate: act.code(), gate_alpha: act.alpha(), ..parameters(label, x, size) };
    (s.scratch(x.shape), gate_y, params)
}

/// The parameters without a gate.
fn parameters(label: &str, x: Buf, size: usize) -> MinibatchStdParams {
    assert!(size > 0, "{label}: groups of no images");
    let [n, h, w, c] = sizes(label, x);
    MinibatchStdParams {
        n: n as u32,
        pixels: (h * w) as u32,
        c: c as u32,
        size: size as u32,
        gate: Activation::Identity.code(),
        gate_alpha: 0.0,
        epsilon: EPSILON,
    }
}

/// The sizes of x with one more channel.
fn wider(label: &str, x: Buf) -> [usize; 4] {
    let [n, h, w, c] = sizes(label, x);
    [n, h, w, c + 1]
}

fn sizes(label: &str, x: Buf) -> [usize; 4] {
    let &[n, h, w, c] = x.shape.dims() else { panic!("{label}: {} is not an image [n, h, w, c]", x.shape) };
    [n, h, w, c].map(|size| size as usize)
}

/// A workgroup for each group.
fn grid(x: Buf, size: usize) -> Grid {
    Grid::Linear((x.shape.dims()[0] as usize).div_ceil(size))
}
