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
    /// Names of activations in settings, with the slopes and scales that PyTorch's examples use.
    pub const NAMED: &[(&str, Self)] = &[
        ("relu", Self::Relu),
        ("leaky_relu", Self::LeakyRelu(0.2)),
        ("tanh", Self::Tanh),
        ("sigmoid", Self::Sigmoid),
        ("softplus", Self::Softplus),
        ("silu", Self::Silu),
        ("elu", Self::Elu(1.0)),
    ];

    /// The activation called `name` in [`Self::NAMED`].
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// Its code in shaders/common/activation.wgsl.
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

    /// Its parameter; zero if it has none.
    pub fn alpha(self) -> f32 {
        match self {
            Self::LeakyRelu(alpha) | Self::Elu(alpha) => alpha,
            _ => 0.0,
        }
    }

    /// True if act′(x) can be computed from act(x), so that the input need not be kept.
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
/// If `dy` has another size than `x`.
pub fn backward(s: &mut Schedule, label: &str, x: Buf, dy: Buf, act: Activation) -> Buf {
    assert_eq!(x.len(), dy.len(), "{label}: dy of shape {} for x of shape {}", dy.shape, x.shape);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adapter, Array, Cpu, Executor, Gpu, Memory, Sharing};

    const ALL: [Activation; 8] = [
        Activation::Identity,
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Silu,
        Activation::Elu(1.0),
    ];

    /// `LeakyRelu(0.1)` as `LEAKY_RELU`.
    fn constant(activation: Activation) -> String {
        let name = format!("{activation:?}");
        let name = name.split('(').next().unwrap_or_default();
        let words =
            name.char_indices().map(|(i, c)| if i > 0 && c.is_uppercase() { format!("_{c}") } else { c.into() });
        words.collect::<String>().to_uppercase()
    }

    #[test]
    fn the_shader_has_the_codes() {
        let shader = include_str!("../../../../shaders/common/activation.wgsl");
        let constants: Vec<&str> = shader.lines().filter(|line| line.starts_with("const ")).collect();
        assert_eq!(constants.len(), ALL.len(), "{constants:?}");
        for activation in ALL {
            let wanted = format!("const {}: u32 = {}u;", constant(activation), activation.code());
            assert!(constants.contains(&wanted.as_str()), "{wanted} is not in shaders/common/activation.wgsl");
        }
        for (name, activation) in Activation::NAMED {
            assert!(constant(*activation).to_lowercase() == *name && Activation::named(name) == Some(*activation));
        }
    }

    #[test]
    fn an_unknown_code_gives_nan() {
        let mut schedule = Schedule::new();
        let x = schedule.scratch([5]);
        schedule.feed(x);
        let (y, dx) = (schedule.scratch([5]), schedule.scratch([5]));
        let unknown = ActivationParams { len: 5, kind: 99, alpha: 0.0 };
        schedule.push(&ACTIVATION, "y", &[x, y], &unknown, grid(x), 0);
        schedule.push(&ACTIVATION_BACKWARD, "dx", &[x, x, dx], &unknown, grid(x), 0);
        [y, dx].into_iter().for_each(|buf| schedule.keep(buf));
        let device = Adapter::best().and_then(|adapter| adapter.open(true)).expect("a Vulkan driver is installed");
        let executors: [Box<dyn Executor>; 2] = [
            Box::new(Cpu::new(Memory::default(), Sharing::On)),
            Box::new(Gpu::new(device, Memory::default(), Sharing::On)),
        ];
        for mut executor in executors {
            let program = executor.prepare(&schedule).unwrap();
            executor.write(x, &Array::F32(vec![-1.5, -0.0, 0.0, 0.5, 1e30])).unwrap();
            let ticket = executor.submit(&[program], 1, &[y, dx]).unwrap();
            for array in executor.wait(ticket).unwrap() {
                assert!(array.to_f64().iter().all(|value| value.is_nan()), "{}: {array:?}", executor.describe());
            }
        }
    }
}
