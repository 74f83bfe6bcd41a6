//! Layers one after another.

use super::{
    AveragePool, Conv, InstanceNorm, Linear, MaxPool, MinibatchStd, Mode, Norm, Of, Pad, Saved, Slope, Upsample, Value,
    Wrt,
};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::{channels, elementwise};
use gpu_core::{Buf, Schedule};

/// One layer of any kind.
#[derive(Clone, Debug)]
pub enum Layer {
    /// A linear layer.
    Linear(Linear),
    /// A convolution or its transpose.
    Conv(Conv),
    /// Batch normalisation.
    Norm(Norm),
    /// Instance normalisation.
    InstanceNorm(InstanceNorm),
    /// Padding by reflection.
    Pad(Pad),
    /// Max pooling.
    MaxPool(MaxPool),
    /// Average pooling.
    AveragePool(AveragePool),
    /// The standard deviation within groups of images.
    MinibatchStd(MinibatchStd),
    /// Upsampling.
    Upsample(Upsample),
    /// A separate activation, after a layer that cannot apply it; its slope must follow from its output.
    Activate(String, Activation),
    /// Rows as images [h, w, c].
    Unflatten([usize; 3]),
    /// y = x + inner(x).
    Residual(String, Stack),
    /// y = inner(x) and x, concatenated along the channels.
    Skip(String, Stack),
}

impl Layer {
    fn forward(&self, s: &mut Schedule, x: Value, mode: Mode) -> (Value, Saved) {
        match self {
            Self::Linear(layer) => layer.forward(s, x, mode),
            Self::Conv(layer) => layer.forward(s, x, mode),
            Self::Norm(layer) => layer.forward(s, x, mode),
            Self::InstanceNorm(layer) => layer.forward(s, x),
            Self::Pad(layer) => layer.forward(s, x),
            Self::MaxPool(layer) => layer.forward(s, x),
            Self::AveragePool(layer) => layer.forward(s, x),
            Self::MinibatchStd(layer) => layer.forward(s, x),
            Self::Upsample(layer) => layer.forward(s, x),
            Self::Activate(name, act) => {
                assert!(act.slope_from_output() && matches!(x.slope, Slope::One), "{name}: {act:?} of {x:?}");
                let y = Value { buf: activation::forward(s, name, x.buf, *act), slope: Slope::Output(*act) };
                (y, Saved { x, y, of: Of::Nothing })
            }
            Self::Unflatten([h, w, c]) => {
                let y = x.reshape([x.buf.len() / (h * w * c), *h, *w, *c]);
                (y, Saved { x, y, of: Of::Nothing })
            }
            Self::Residual(name, inner) => {
                let (change, of) = inner.forward(s, x, mode);
                assert!(matches!(change.slope, Slope::One), "{name}: an activation ends it");
                let y = Value::plain(elementwise::add(s, &format!("{name}.add"), x.buf, change.buf));
                (y, Saved { x, y, of: Of::Inner(of) })
            }
            Self::Skip(name, inner) => {
                let (change, of) = inner.forward(s, x, mode);
                let y = Value::plain(channels::concat(s, &format!("{name}.concat"), change.buf, x.buf));
                (y, Saved { x, y, of: Of::Inner(of) })
            }
        }
    }

    fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, wrt: Wrt) -> Option<Buf> {
        match self {
            Self::Linear(layer) => layer.backward(s, saved, dy, wrt),
            Self::Conv(layer) => layer.backward(s, saved, dy, wrt),
            Self::Norm(layer) => layer.backward(s, saved, dy, wrt),
            Self::InstanceNorm(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            Self::Pad(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            Self::MaxPool(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            Self::AveragePool(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            Self::MinibatchStd(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            Self::Upsample(layer) => (wrt != Wrt::Params).then(|| layer.backward(s, saved, dy)),
            // dy is taken before the activation, which is x.
            Self::Activate(..) => Some(dy.reshape(saved.x.buf.shape)),
            Self::Unflatten(_) => Some(dy.reshape(saved.x.buf.shape)),
            Self::Residual(name, inner) => {
                let Of::Inner(of) = &saved.of else { unreachable!("saved by this layer") };
                let dy = dy.reshape(saved.y.buf.shape);
                let dx = inner.backward(s, of, dy, wrt)?;
                // Both are taken before the activation of x.
                let kept = saved.x.before(s, &format!("{name}.backward_kept"), dy);
                Some(elementwise::add(s, &format!("{name}.backward_add"), kept, dx))
            }
            Self::Skip(name, inner) => {
                let Of::Inner(of) = &saved.of else { unreachable!("saved by this layer") };
                let change = of.last().expect("there are layers").y;
                let (dy, inside) = (dy.reshape(saved.y.buf.shape), change.buf.shape.cols());
                let dchange = channels::slice(s, &format!("{name}.backward_inner"), dy, 0..inside);
                let dchange = change.before(s, &format!("{name}.backward_change"), dchange);
                let dx = inner.backward(s, of, dchange, wrt)?;
                let kept = channels::slice(s, &format!("{name}.backward_x"), dy, inside..dy.shape.cols());
                let kept = saved.x.before(s, &format!("{name}.backward_kept"), kept);
                Some(elementwise::add(s, &format!("{name}.backward_add"), kept, dx))
            }
        }
    }
}

impl Layer {
    fn has_parameters(&self) -> bool {
        matches!(self, Self::Linear(_) | Self::Conv(_) | Self::Norm(_) | Self::Residual(..) | Self::Skip(..))
    }

    /// The derivative of y along the direction `u` of x.
    ///
    /// # Panics
    /// When the layer has none: normalisation, a residual block, a skip, a separate activation.
    fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        match self {
            Self::Linear(layer) => layer.tangent(s, saved, u),
            Self::Conv(layer) => layer.tangent(s, saved, u),
            Self::Pad(layer) => layer.tangent(s, saved, u),
            Self::MaxPool(layer) => layer.tangent(s, saved, u),
            Self::AveragePool(layer) => layer.tangent(s, saved, u),
            Self::MinibatchStd(layer) => layer.tangent(s, saved, u),
            Self::Upsample(layer) => layer.tangent(s, saved, u),
            Self::Unflatten(_) => u.reshape(saved.y.buf.shape),
            Self::Norm(_) | Self::InstanceNorm(_) | Self::Residual(..) | Self::Skip(..) | Self::Activate(..) => {
                panic!("no tangent goes through {self:?}")
            }
        }
    }
}

/// Layers one after another.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    /// These layers.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers }
    }

    /// The last layer's output, and the saved values of each layer.
    pub fn forward(&self, s: &mut Schedule, x: Value, mode: Mode) -> (Value, Vec<Saved>) {
        let mut saved = Vec::with_capacity(self.layers.len());
        let mut value = x;
        for layer in &self.layers {
            let (y, of_layer) = layer.forward(s, value, mode);
            saved.push(of_layer);
            value = y;
        }
        (value, saved)
    }

    /// Backwards through all layers, differentiating the whole stack by `wrt`.
    pub fn backward(&self, s: &mut Schedule, saved: &[Saved], dy: Buf, wrt: Wrt) -> Option<Buf> {
        backward(s, &self.layers, saved, dy, wrt)
    }

    /// The gradient of each layer's output before its activation, and that of the input, for `dy` of the last one.
    pub fn adjoints(&self, s: &mut Schedule, saved: &[Saved], dy: Buf) -> (Vec<Buf>, Buf) {
        let mut adjoints = Vec::with_capacity(self.layers.len());
        let mut dy = dy;
        for (layer, saved) in self.layers.iter().zip(saved).rev() {
            adjoints.push(dy);
            dy = layer.backward(s, saved, dy, Wrt::Input).expect("the input's gradient");
        }
        adjoints.reverse();
        (adjoints, dy)
    }

    /// The derivative of the output along the direction `u` of the input.
    ///
    /// # Panics
    /// When a layer has no tangent.
    pub fn tangent(&self, s: &mut Schedule, saved: &[Saved], u: Buf) -> Buf {
        self.layers.iter().zip(saved).fold(u, |u, (layer, saved)| layer.tangent(s, saved, u))
    }

    /// Adds the gradient of Σ u ⊙ g to the weights', where g is the gradient of the input and `adjoints` those of the
    /// layers, both by [`Stack::adjoints`], and `u` is fixed.
    ///
    /// That sum is the derivative along u of the sum that was differentiated. Activations are piecewise linear, so a
    /// weight acts on it through its own layer: dw += adjoint ⊗ tangent. A later layer that is not, a standard
    /// deviation, also passes on a gradient of its input, which is that of any function: biases have a part in it.
    ///
    /// # Panics
    /// When a layer has no tangent.
    pub fn tangent_backward(&self, s: &mut Schedule, all: &[Saved], adjoints: &[Buf], u: Buf) {
        let mut u = u;
        let last = self.layers.len() - 1;
        for (i, (layer, (saved, dy))) in self.layers.iter().zip(all.iter().zip(adjoints)).enumerate() {
            match layer {
                Layer::Linear(layer) => layer.tangent_backward(s, saved, *dy, u),
                Layer::Conv(layer) => layer.tangent_backward(s, saved, *dy, u),
                Layer::MinibatchStd(layer) if i > 0 => {
                    let dx = layer.tangent_backward(s, saved, *dy, u);
                    backward(s, &self.layers[..i], &all[..i], dx, Wrt::Params);
                }
                _ => {}
            }
            if i < last {
                u = layer.tangent(s, saved, u);
            }
        }
    }
}

/// Backwards through layers one after another, differentiating all of them by `wrt`.
fn backward(s: &mut Schedule, layers: &[Layer], saved: &[Saved], dy: Buf, wrt: Wrt) -> Option<Buf> {
    // Below the first layer with parameters, only the gradient of the input is of use.
    let first = layers.iter().position(Layer::has_parameters).unwrap_or(layers.len());
    let end = if wrt == Wrt::Params { first } else { 0 };
    let mut gradient = Some(dy);
    for (i, (layer, saved)) in layers.iter().zip(saved).enumerate().skip(end).rev() {
        let of_layer = match (i, wrt) {
            (_, Wrt::Params) if i == first => Wrt::Params,
            (_, Wrt::Input) => Wrt::Input,
            _ => Wrt::Both,
        };
        gradient = layer.backward(s, saved, gradient?, of_layer);
    }
    if wrt == Wrt::Params { None } else { gradient }
}
