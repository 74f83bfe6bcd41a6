//! Layers with explicit forward, backward and tangent.
//!
//! A gradient handed between layers is taken *before* the activation that made the value: the product that
//! computes it multiplies by the slope as it stores, so no pass over memory is spent on activations.

use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::matmul::{Epilogue, Form, PLAIN, product, product_add};
use gpu_core::ops::reduce;
use gpu_core::{Buf, Init, Memory, Schedule, Weights};

/// What a layer hands on: numbers, and the slope of the activation that made them.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The numbers.
    pub buf: Buf,
    /// How the gradient passes the activation that made them.
    pub slope: Slope,
}

/// How a gradient passes an activation.
#[derive(Clone, Copy, Debug)]
pub enum Slope {
    /// There is none: data, or a plain sum.
    One,
    /// The slope follows from the activation's output, and is fused where the gradient is computed.
    Output(Activation),
    /// The slope needs the activation's input, which is kept.
    Input(Activation, Buf),
}

impl Value {
    /// Numbers that no activation made.
    pub fn plain(buf: Buf) -> Self {
        Self { buf, slope: Slope::One }
    }
}

/// What of a layer to differentiate by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrt {
    /// Its parameters; their gradients accumulate.
    Params,
    /// Its input.
    Input,
    /// Both.
    Both,
}

/// What the backward pass of one call of a layer needs.
#[derive(Clone, Debug)]
pub struct Saved {
    x: Value,
    y: Value,
}

/// y = act(x wᵀ + b), with x [n, inputs], w [outputs, inputs] as PyTorch stores it, b `[outputs]`.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    w: Buf,
    b: Buf,
    act: Activation,
}

impl Linear {
    /// A layer with PyTorch's default start: weights and biases uniform in ±1/√inputs (`nn.Linear`).
    pub fn new(
        memory: &mut Memory,
        weights: &mut Weights,
        name: &str,
        inputs: usize,
        outputs: usize,
        act: Activation,
    ) -> Self {
        Self::joined(memory, weights, &[name], inputs, outputs, act)
    }

    /// Several layers of the same input and size as one product: y has their outputs side by side.
    pub fn joined(
        memory: &mut Memory,
        weights: &mut Weights,
        names: &[&str],
        inputs: usize,
        outputs: usize,
        act: Activation,
    ) -> Self {
        let start = Init::Uniform(1.0 / (inputs as f32).sqrt());
        let all = |part: &str| names.iter().map(|name| format!("{name}.{part}")).collect::<Vec<_>>();
        let (w, b) = (all("weight"), all("bias"));
        let w: Vec<&str> = w.iter().map(String::as_str).collect();
        let b: Vec<&str> = b.iter().map(String::as_str).collect();
        Self {
            name: names.join("+"),
            w: weights.add_joined(memory, &w, [outputs, inputs], start),
            b: weights.add_joined(memory, &b, [outputs], start),
            act,
        }
    }

    /// y [n, outputs].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let fused = self.act.slope_from_output();
            let activation = if fused { self.act } else { Activation::Identity };
            let epilogue = Epilogue { bias: Some(self.b), activation, gate: None };
            let sum = product(s, "forward", x.buf, self.w, Form::NT, epilogue);
            let y = match self.act {
                Activation::Identity => Value::plain(sum),
                act if fused => Value { buf: sum, slope: Slope::Output(act) },
                act => Value { buf: activation::forward(s, "activation", sum, act), slope: Slope::Input(act, sum) },
            };
            (y, Saved { x, y })
        })
    }

    /// Takes dy [n, outputs] before this layer's activation, and returns dx [n, inputs] before the activation
    /// that made x: dw += dyᵀ x, db += Σ dy, dx = (dy w) ⊙ act′(x).
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, wrt: Wrt) -> Option<Buf> {
        s.scope(&self.name, |s| {
            if wrt != Wrt::Input {
                product_add(s, "backward_weight", dy, saved.x.buf, Form::TN, self.w.grad());
                reduce::columns_add(s, "backward_bias", dy, self.b.grad());
            }
            (wrt != Wrt::Params).then(|| {
                let gate = match saved.x.slope {
                    Slope::Output(act) => Some((act, saved.x.buf)),
                    Slope::One | Slope::Input(..) => None,
                };
                let dx = product(s, "backward_input", dy, self.w, Form::NN, Epilogue { gate, ..PLAIN });
                match saved.x.slope {
                    Slope::Input(act, sum) => activation::backward(s, "backward_activation", sum, dx, act),
                    Slope::One | Slope::Output(_) => dx,
                }
            })
        })
    }

    /// The derivative of y along the direction `u` of x, at the point of the saved call:
    /// act′(x wᵀ + b) ⊙ (u wᵀ), [n, outputs].
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let gate = match saved.y.slope {
                Slope::Output(act) => Some((act, saved.y.buf)),
                Slope::One | Slope::Input(..) => None,
            };
            let along = product(s, "tangent", u, self.w, Form::NT, Epilogue { gate, ..PLAIN });
            match saved.y.slope {
                Slope::Input(act, sum) => activation::backward(s, "tangent_activation", sum, along, act),
                Slope::One | Slope::Output(_) => along,
            }
        })
    }
}

/// Linear layers one after another, the hidden ones with an activation. Names are those of
/// `nn.Sequential(Linear, act, Linear, act, …)`: `name.0`, `name.2`, …
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Layers of the given widths, the first being the input's; `last` is the last layer's activation.
    pub fn new(
        memory: &mut Memory,
        weights: &mut Weights,
        name: &str,
        widths: &[usize],
        act: Activation,
        last: Activation,
    ) -> Self {
        let count = widths.len() - 1;
        let layer = |(i, pair): (usize, &[usize])| {
            let act = if i + 1 == count { last } else { act };
            Linear::new(memory, weights, &format!("{name}.{}", 2 * i), pair[0], pair[1], act)
        };
        Self { layers: widths.windows(2).enumerate().map(layer).collect() }
    }

    /// The last layer's output, and what each layer saved.
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Vec<Saved>) {
        let mut saved = Vec::with_capacity(self.layers.len());
        let mut value = x;
        for layer in &self.layers {
            let (y, of_layer) = layer.forward(s, value);
            saved.push(of_layer);
            value = y;
        }
        (value, saved)
    }

    /// Backwards through all layers; `wrt` says what of the whole stack is wanted.
    pub fn backward(&self, s: &mut Schedule, saved: &[Saved], dy: Buf, wrt: Wrt) -> Option<Buf> {
        let mut gradient = Some(dy);
        for (i, (layer, saved)) in self.layers.iter().zip(saved).enumerate().rev() {
            let of_layer = match (i, wrt) {
                (0, _) => wrt,
                (_, Wrt::Input) => Wrt::Input,
                _ => Wrt::Both,
            };
            gradient = layer.backward(s, saved, gradient?, of_layer);
        }
        gradient
    }

    /// The derivative of the output along the direction `u` of the input.
    pub fn tangent(&self, s: &mut Schedule, saved: &[Saved], u: Buf) -> Buf {
        self.layers.iter().zip(saved).fold(u, |u, (layer, saved)| layer.tangent(s, saved, u))
    }
}

/// The activation of that name, for configurations.
pub fn nonlinearity(name: &str) -> Option<Activation> {
    Some(match name {
        "relu" => Activation::Relu,
        "leaky_relu" => Activation::LeakyRelu(0.2),
        "tanh" => Activation::Tanh,
        "sigmoid" => Activation::Sigmoid,
        "softplus" => Activation::Softplus,
        "silu" => Activation::Silu,
        "elu" => Activation::Elu(1.0),
        _ => return None,
    })
}
