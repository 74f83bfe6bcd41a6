//! The convolution and its transpose.

use super::{Mode, Saved, Value, Weight, Wrt, fused};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::{self, Window};
use gpu_core::ops::matmul::{Epilogue, PLAIN};
use gpu_core::ops::reduce;
use gpu_core::{Buf, Init, Layout, Memory, Schedule};

/// y = act(conv(x, w) + b) of images [n, h, w, c].
#[derive(Clone, Debug)]
pub struct Conv {
    name: String,
    weight: Weight,
    b: Option<Buf>,
    window: Window,
    /// The padding of a transpose's output.
    transposed: Option<[usize; 2]>,
    act: Activation,
}

/// Settings of a convolution, with PyTorch's defaults.
#[derive(Clone, Copy, Debug)]
pub struct ConvSpec {
    /// Channels of x.
    pub inputs: usize,
    /// Channels of y.
    pub outputs: usize,
    /// The window: of x at a pixel of y, or of y at a pixel of x for a transpose.
    pub window: Window,
    /// For a transpose: rows and columns added to y.
    pub transposed: Option<[usize; 2]>,
    /// Adds a bias.
    pub bias: bool,
    /// Divides the weight by its largest singular value.
    pub spectral: bool,
    /// The weight's initialisation; none for PyTorch's, uniform in ±1/√(numbers in a window).
    pub init: Option<Init>,
    /// The activation of y.
    pub act: Activation,
}

impl ConvSpec {
    /// A convolution with a bias.
    pub fn new(inputs: usize, outputs: usize, window: Window) -> Self {
        let (transposed, act) = (None, Activation::Identity);
        Self { inputs, outputs, window, transposed, bias: true, spectral: false, init: None, act }
    }
}

impl Conv {
    /// A layer under PyTorch's names: `name.weight` (`name.weight_orig` under spectral normalisation), `name.bias`.
    pub fn new(memory: &mut Memory, network: &mut Network, name: &str, spec: ConvSpec) -> Self {
        let ConvSpec { inputs, outputs, window, transposed, bias, spectral, init, act } = spec;
        let [kh, kw] = window.kernel;
        let [first, last] = if transposed.is_some() { [inputs, outputs] } else { [outputs, inputs] };
        let shape = [first, kh, kw, last];
        // PyTorch counts the second axis of its weight as the fan, for the transpose too.
        let start = Init::Uniform(1.0 / ((last * kh * kw) as f32).sqrt());
        let weights = &mut network.weights;
        let full = format!("{name}.weight{}", if spectral { "_orig" } else { "" });
        let w = weights.add_laid(memory, &full, shape, Layout::filter(shape), init.unwrap_or(start));
        let b = bias.then(|| weights.add(memory, &format!("{name}.bias"), [outputs], start));
        let row = Layout::row_of_image([kh, kw, last]);
        let spectral = spectral.then(|| Weight::spectral(memory, network, name, w, row));
        Self { name: name.into(), weight: Weight { w, spectral }, b, window, transposed, act }
    }

    /// Its window.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Its weight, without spectral normalisation, and its bias.
    pub(crate) fn parameters(&self) -> (Buf, Option<Buf>) {
        (self.weight.w, self.b)
    }

    /// y [n, h', w', outputs] of x [n, h, w, inputs].
    pub fn forward(&self, s: &mut Schedule, x: Value, mode: Mode) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let (w, of) = self.weight.forward(s, mode);
            let epilogue = Epilogue { bias: self.b, activation: fused(self.act), gate: None };
            let sum = match self.transposed {
                Some(padding) => conv2d::transposed_forward(s, "forward", x.buf, w, self.window, padding, epilogue),
                None => conv2d::forward(s, "forward", x.buf, w, self.window, epilogue),
            };
            let y = Value::activated(s, sum, self.act);
            (y, Saved { x, y, of })
        })
    }

    /// Takes dy, of y's size, before this layer's activation, and returns dx before that of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, wrt: Wrt) -> Option<Buf> {
        s.scope(&self.name, |s| {
            let (dy, x, window) = (dy.reshape(saved.y.buf.shape), saved.x, self.window);
            let transposed = self.transposed.is_some();
            if wrt != Wrt::Input {
                self.weight.backward(s, saved, |s, dw| match transposed {
                    true => conv2d::transposed_backward_weight(s, "backward_weight", x.buf, dy, window, dw),
                    false => conv2d::backward_weight(s, "backward_weight", x.buf, dy, window, dw),
                });
                if let Some(b) = self.b {
                    reduce::columns_add(s, "backward_bias", dy, b.grad());
                }
            }
            (wrt != Wrt::Params).then(|| {
                let (w, epilogue) = (self.weight.of_call(saved), Epilogue { gate: x.gate(), ..PLAIN });
                let [_, h, w_, _] = dims(x.buf);
                let dx = match transposed {
                    true => conv2d::transposed_backward_input(s, "backward_input", dy, w, window, epilogue),
                    false => conv2d::backward_input(s, "backward_input", dy, w, window, [h, w_], epilogue),
                };
                x.pass(s, "backward_activation", dx)
            })
        })
    }

    /// The derivative of y along the direction `u` of x, at the saved x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let (u, w, window) = (u.reshape(saved.x.buf.shape), self.weight.of_call(saved), self.window);
            let epilogue = Epilogue { gate: saved.y.gate(), ..PLAIN };
            let along = match self.transposed {
                Some(padding) => conv2d::transposed_forward(s, "tangent", u, w, window, padding, epilogue),
                None => conv2d::forward(s, "tangent", u, w, window, epilogue),
            };
            saved.y.pass(s, "tangent_activation", along)
        })
    }

    /// The weight's gradient of Σ dy ⊙ conv(u, w), the derivative of y along `u` before the activation, is added to it.
    pub fn tangent_backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, u: Buf) {
        s.scope(&self.name, |s| {
            let (dy, u, window) = (dy.reshape(saved.y.buf.shape), u.reshape(saved.x.buf.shape), self.window);
            self.weight.backward(s, saved, |s, dw| match self.transposed {
                Some(_) => conv2d::transposed_backward_weight(s, "tangent_backward", u, dy, window, dw),
                None => conv2d::backward_weight(s, "tangent_backward", u, dy, window, dw),
            });
        });
    }
}

/// The sizes of an image [n, h, w, c].
///
/// # Panics
/// When x has another rank.
pub(super) fn dims(x: Buf) -> [usize; 4] {
    let sizes: Vec<usize> = x.shape.dims().iter().map(|&dim| dim as usize).collect();
    sizes.try_into().unwrap_or_else(|_| panic!("an image has four dimensions, not {}", x.shape))
}
