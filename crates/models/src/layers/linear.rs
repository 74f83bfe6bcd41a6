//! The linear layer.

use super::{Mode, Saved, Value, Weight, Wrt, fused};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::matmul::{Epilogue, Form, PLAIN, product, product_add};
use gpu_core::ops::reduce;
use gpu_core::{Buf, Init, Layout, Memory, Schedule};

/// y = act(x wᵀ + b), with x [n, inputs], w [outputs, inputs] as PyTorch stores it, b `[outputs]`. Images [n, h, w, c]
/// are taken as rows.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    weight: Weight,
    b: Buf,
    act: Activation,
}

/// Settings of a linear layer, with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct LinearSpec {
    /// Numbers in a row of x.
    pub inputs: usize,
    /// Numbers in a row of y.
    pub outputs: usize,
    /// For rows x that are images [h, w, c], which PyTorch flattens with the channels first.
    pub of_image: Option<[usize; 3]>,
    /// For rows y that are such images.
    pub to_image: Option<[usize; 3]>,
    /// Divides the weight by its largest singular value.
    pub spectral: bool,
    /// The activation of y.
    pub act: Activation,
}

impl LinearSpec {
    /// A linear layer of rows.
    pub fn new(inputs: usize, outputs: usize, act: Activation) -> Self {
        Self { inputs, outputs, of_image: None, to_image: None, spectral: false, act }
    }
}

impl Linear {
    /// A layer under PyTorch's names, `name.weight` (`name.weight_orig` under spectral normalisation) and `name.bias`,
    /// with PyTorch's initialisation: both uniform in ±1/√inputs (`nn.Linear`).
    ///
    /// # Panics
    /// When the sizes of an image and of its rows differ, or both sides are images.
    pub fn new(memory: &mut Memory, network: &mut Network, name: &str, spec: LinearSpec) -> Self {
        let LinearSpec { inputs, outputs, of_image, to_image, spectral, act } = spec;
        let start = start(inputs);
        let (weight, bias) = match (of_image, to_image) {
            (None, None) => (Layout::Same, Layout::Same),
            (Some(image), None) => (Layout::of_image(outputs, image), Layout::Same),
            (None, Some(image)) => (Layout::to_image(image, inputs), Layout::bias_to_image(image)),
            (Some(_), Some(_)) => panic!("{name}: images on both sides need a convolution"),
        };
        let full = format!("{name}.weight{}", if spectral { "_orig" } else { "" });
        let w = network.weights.add_laid(memory, &full, [outputs, inputs], weight, start);
        let b = network.weights.add_laid(memory, &format!("{name}.bias"), [outputs], bias, start);
        let row = of_image.map_or(Layout::Same, Layout::row_of_image);
        let spectral = spectral.then(|| Weight::spectral(memory, network, name, w, row));
        Self { name: name.into(), weight: Weight { w, spectral }, b, act }
    }

    /// Several layers of the same input and sizes as one product: y has their outputs side by side.
    pub fn joined(
        memory: &mut Memory,
        network: &mut Network,
        names: &[&str],
        inputs: usize,
        outputs: usize,
        act: Activation,
    ) -> Self {
        let start = start(inputs);
        let all = |part: &str| names.iter().map(|name| format!("{name}.{part}")).collect::<Vec<_>>();
        let (w, b) = (all("weight"), all("bias"));
        let w: Vec<&str> = w.iter().map(String::as_str).collect();
        let b: Vec<&str> = b.iter().map(String::as_str).collect();
        let w = network.weights.add_joined(memory, &w, [outputs, inputs], start);
        let b = network.weights.add_joined(memory, &b, [outputs], start);
        Self { name: names.join("+"), weight: Weight { w, spectral: None }, b, act }
    }

    /// y [n, outputs].
    pub fn forward(&self, s: &mut Schedule, x: Value, mode: Mode) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let inputs = self.weight.w.shape.cols();
            let x = x.reshape([x.buf.len() / inputs, inputs]);
            let (w, of) = self.weight.forward(s, mode);
            let epilogue = Epilogue { bias: Some(self.b), activation: fused(self.act), gate: None };
            let sum = product(s, "forward", x.buf, w, Form::NT, epilogue);
            let y = Value::activated(s, sum, self.act);
            (y, Saved { x, y, of })
        })
    }

    /// Takes dy [n, outputs] before this layer's activation, and returns dx [n, inputs] before that of x: dw += dyᵀ x,
    /// db += Σ dy, dx = (dy w) ⊙ act′(x).
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, wrt: Wrt) -> Option<Buf> {
        s.scope(&self.name, |s| {
            if wrt != Wrt::Input {
                let add = |s: &mut Schedule, dw| product_add(s, "backward_weight", dy, saved.x.buf, Form::TN, dw);
                self.weight.backward(s, saved, add);
                reduce::columns_add(s, "backward_bias", dy, self.b.grad());
            }
            (wrt != Wrt::Params).then(|| {
                let (w, gate) = (self.weight.of_call(saved), saved.x.gate());
                let dx = product(s, "backward_input", dy, w, Form::NN, Epilogue { gate, ..PLAIN });
                saved.x.pass(s, "backward_activation", dx)
            })
        })
    }

    /// The derivative of y along the direction `u` of x, at the saved x:
    /// act′(x wᵀ + b) ⊙ (u wᵀ), [n, outputs].
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let (w, gate) = (self.weight.of_call(saved), saved.y.gate());
            let u = u.reshape(saved.x.buf.shape);
            let along = product(s, "tangent", u, w, Form::NT, Epilogue { gate, ..PLAIN });
            saved.y.pass(s, "tangent_activation", along)
        })
    }

    /// dw += dyᵀ u: the weight's gradient of Σ dy ⊙ (u wᵀ), the derivative of y along `u` before the activation.
    pub fn tangent_backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, u: Buf) {
        s.scope(&self.name, |s| {
            let u = u.reshape(saved.x.buf.shape);
            let add = |s: &mut Schedule, dw| product_add(s, "tangent_backward", dy, u, Form::TN, dw);
            self.weight.backward(s, saved, add);
        });
    }
}

/// PyTorch's: uniform in ±1/√inputs.
fn start(inputs: usize) -> Init {
    Init::Uniform(1.0 / (inputs as f32).sqrt())
}
