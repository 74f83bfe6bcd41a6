//! Activation functions, alone; products fuse them into their epilogue.
//!
//! y = act(x) and dx = act′(x) ⊙ dy, element by element.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

/// One row per activation: its code, its name in settings and, in capitals, in shaders/common/activation.wgsl. The
/// name in settings implies the default of the parameter.
macro_rules! activations {
    ($($(#[$doc:meta])* $act:ident $(($alpha:ident = $default:literal))? = $code:literal, $name:literal;)+) => {
        /// A scalar function applied to every element.
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub enum Activation {
            $($(#[$doc])* $act $(($alpha))?,)+
        }

        impl Activation {
            /// All activations, with their default parameters.
            pub const ALL: &[Self] = &[$(Self::$act $(($default))?),+];

            /// The number that identifies it in shaders.
            pub fn code(self) -> u32 {
                match self { $(Self::$act { .. } => $code),+ }
            }

            /// The name in settings.
            pub fn name(self) -> &'static str {
                match self { $(Self::$act { .. } => $name),+ }
            }
        }
    };
}

activations! {
    /// x
    Identity = 0, "identity";
    /// max(x, 0)
    Relu = 1, "relu";
    /// x, or slope · x below zero
    LeakyRelu(f32 = 0.2) = 2, "leaky_relu";
    /// tanh x
    Tanh = 3, "tanh";
    /// 1 / (1 + e⁻ˣ)
    Sigmoid = 4, "sigmoid";
    /// log(1 + eˣ)
    Softplus = 5, "softplus";
    /// x / (1 + e⁻ˣ)
    Silu = 6, "silu";
    /// x, or α (eˣ − 1) below zero
    Elu(f32 = 1.0) = 7, "elu";
}

impl Activation {
    /// The parameter; zero for an activation without one.
    pub fn alpha(self) -> f32 {
        match self {
            Self::LeakyRelu(alpha) | Self::Elu(alpha) => alpha,
            _ => 0.0,
        }
    }

    /// The activation of that code and parameter; none for an unknown code.
    pub fn decode(code: u32, alpha: f32) -> Option<Self> {
        let act = Self::ALL.iter().copied().find(|act| act.code() == code)?;
        Some(match act {
            Self::LeakyRelu(_) => Self::LeakyRelu(alpha),
            Self::Elu(_) => Self::Elu(alpha),
            act => act,
        })
    }

    /// True if act′(x) can be computed from act(x), so that the input need not be kept.
    pub fn slope_from_output(self) -> bool {
        self != Self::Silu
    }

    /// The activations that a setting can name: all but the identity.
    fn nonlinear() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|&act| act != Self::Identity)
    }

    /// The nonlinear activation of that name in settings, with its default parameter.
    pub fn named(name: &str) -> Option<Self> {
        Self::nonlinear().find(|act| act.name() == name)
    }

    /// The names of the nonlinear activations.
    pub fn names() -> Vec<&'static str> {
        Self::nonlinear().map(Self::name).collect()
    }
}

params! {
    /// The uniform of every kernel here.
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
    source: shader!("activation", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), write("y")],
    params: ActivationParams::FIELDS,
    overrides: &["kind"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::activation::activation),
    gradient: Gradient::Forward,
};

/// dx = act′(x) ⊙ dy.
pub static ACTIVATION_BACKWARD: Kernel = Kernel {
    name: "activation_backward",
    op: "activation",
    source: shader!("activation", "grid", "nan", "elementary", "activation"),
    bindings: &[read("x"), read("dy"), write("dx")],
    params: ActivationParams::FIELDS,
    overrides: &["kind"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::activation::activation_backward),
    gradient: Gradient::Backward,
};

/// dx = act′(x) ⊙ dy, from act(x).
pub static ACTIVATION_GATE: Kernel = Kernel {
    name: "activation_gate",
    bindings: &[read("of_x"), read("dy"), write("dx")],
    reference: functions!(reference::activation::activation_gate),
    ..ACTIVATION_BACKWARD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&ACTIVATION, &ACTIVATION_BACKWARD, &ACTIVATION_GATE];

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

/// The same from y = act(x), of y's shape.
///
/// # Panics
/// If `dy` has another size than `y`, or the slope cannot be computed from y.
pub fn gate(s: &mut Schedule, label: &str, y: Buf, dy: Buf, act: Activation) -> Buf {
    assert_eq!(y.len(), dy.len(), "{label}: dy of shape {} for y of shape {}", dy.shape, y.shape);
    assert!(act.slope_from_output(), "{label}: the slope of {act:?} needs its input");
    let dx = s.scratch(y.shape);
    s.push(&ACTIVATION_GATE, label, &[y, dy, dx], &parameters(y, act), grid(y), 3 * y.len() as u64);
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
    use crate::{Adapter, Array, Executor, Gpu, Memory, Reference, Sharing};

    /// The constants `NAME: u32 = <code>u` of a shader, in its order.
    fn constants(source: &str) -> Vec<(String, u32)> {
        let constant = |line: &str| {
            let (name, value) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
            Some((name.to_lowercase(), value.strip_suffix("u;")?.parse().ok()?))
        };
        source.lines().filter_map(constant).collect()
    }

    #[test]
    fn the_shader_has_the_codes() {
        let ours: Vec<_> = Activation::ALL.iter().map(|act| (act.name().to_string(), act.code())).collect();
        assert_eq!(constants(include_str!("../../../../shaders/common/activation.wgsl")), ours);
        let codes: Vec<u32> = Activation::ALL.iter().map(|act| act.code()).collect();
        assert_eq!(codes, (0..codes.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn codes_and_names_find_their_activations() {
        for &act in Activation::ALL {
            assert_eq!(Activation::decode(act.code(), act.alpha()), Some(act));
            assert_eq!(Activation::named(act.name()), (act != Activation::Identity).then_some(act));
        }
        assert_eq!(Activation::decode(2, 0.5), Some(Activation::LeakyRelu(0.5)));
        assert_eq!((Activation::named("gelu"), Activation::decode(Activation::ALL.len() as u32, 0.0)), (None, None));
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
            Box::new(Reference::new(Memory::default(), Sharing::On)),
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
