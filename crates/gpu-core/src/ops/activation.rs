//! Activation functions, alone; products fuse them into their epilogue.
//!
//! y = act(x) and dx = act′(x) ⊙ dy, element by element.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

/// A scalar function applied to every element.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// x, or slope · x below zero
    LeakyRelu(f32),
    /// tanh x
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
    /// log(1 + eˣ)
    Softplus,
    /// x / (1 + e⁻ˣ)
    Silu,
    /// x, or α (eˣ − 1) below zero
    Elu(f32),
}

impl Activation {
    /// The number that shaders/common/activation.wgsl knows it by.
    pub fn code(self) -> u32 {
        match self {
            Self::Identity => 0,
            Self::Relu => 1,
            Self::LeakyRelu(_) => 2,
            Self::Tanh => 3,
            Self::Sigmoid => 4,
            Self::Softplus => 5,
            Self::Silu => 6,
            Self::Elu(_) => 7,
        }
    }

    /// Its one parameter, zero where it has none.
    pub fn alpha(self) -> f32 {
        match self {
            Self::LeakyRelu(alpha) | Self::Elu(alpha) => alpha,
            _ => 0.0,
        }
    }

    /// Whether act′(x) can be had from act(x), so that the input need not be kept.
    pub fn slope_from_output(self) -> bool {
        self != Self::Silu
    }
}

params! {
    /// The uniform of both kernels.
    pub struct ActivationParams {
        /// Elements.
        len: u32,
        /// [`Activation::code`].
        kind: u32,
        /// [`Activation::alpha`].
        alpha: f32,
    }
}

const INVOCATIONS: usize = 256;

/// y = act(x).
pub static ACTIVATION: Kernel = Kernel {
    name: "activation",
    op: "activation",
    source: shader!("activation", "grid", "activation"),
    bindings: &[read("x"), write("y")],
    params: ActivationParams::FIELDS,
    overrides: &["kind"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: reference::activation::activation,
    gradient: Gradient::Forward,
};

/// dx = act′(x) ⊙ dy.
pub static ACTIVATION_BACKWARD: Kernel = Kernel {
    name: "activation_backward",
    op: "activation",
    source: shader!("activation", "grid", "activation"),
    bindings: &[read("x"), read("dy"), write("dx")],
    params: ActivationParams::FIELDS,
    overrides: &["kind"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: reference::activation::activation_backward,
    gradient: Gradient::Backward,
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&ACTIVATION, &ACTIVATION_BACKWARD];

/// y = act(x), of x's shape.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, act: Activation) -> Buf {
    let y = s.scratch(x.shape);
    s.push(&ACTIVATION, label, &[x, y], &parameters(x, act), grid(x), 4 * x.len() as u64);
    y
}

/// dx = act′(x) ⊙ dy, of x's shape.
///
/// # Panics
/// When `dy` has another size than `x`.
pub fn backward(s: &mut Schedule, label: &str, x: Buf, dy: Buf, act: Activation) -> Buf {
    assert_eq!(x.len(), dy.len(), "{label}: dy of {} for x of {}", dy.shape, x.shape);
    let dx = s.scratch(x.shape);
    s.push(&ACTIVATION_BACKWARD, label, &[x, dy, dx], &parameters(x, act), grid(x), 6 * x.len() as u64);
    dx
}

fn parameters(x: Buf, act: Activation) -> ActivationParams {
    ActivationParams { len: x.len() as u32, kind: act.code(), alpha: act.alpha() }
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.len().div_ceil(INVOCATIONS))
}
