//! The network: logits of each code from those before it (van den Oord et al., *WaveNet*, 2016, figure 4).
//!
//! A sequence is an image of height 1. Nothing is masked: sequences are padded before their first position, so that a
//! window ends at its position. The first convolution's windows end before it, which takes one position more of padding
//! and drops the last of the outputs.

use super::config::{CODES, WavenetConfig};
use crate::layers::{Conv, ConvSpec, Mode, Saved, Slope, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::matmul::{Form, PLAIN, product, product_add};
use gpu_core::ops::pad::{self, Border, Margins};
use gpu_core::ops::sequence::Taps;
use gpu_core::ops::{channels, elementwise, gated, vq};
use gpu_core::{Buf, Init, Memory, Schedule};

/// The network.
#[derive(Clone, Debug)]
pub(super) struct Causal {
    pub(super) embedding: Buf,
    /// Sees the codes before a position.
    pub(super) first: Conv,
    pub(super) layers: Vec<Layer>,
    hidden: Conv,
    logits: Conv,
    kernel: usize,
    width: usize,
}

/// A layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) name: String,
    /// From the positions up to this one to the sum before the gate.
    pub(super) dilated: Conv,
    /// After the gate; then the layer's input is added. None for the last layer, whose output has no use.
    pub(super) residual: Option<Conv>,
    /// After the gate, to the sum that the output layers see.
    pub(super) skip: Conv,
    /// Of each class, the sums that it adds before the gate: [classes, 2 · width].
    pub(super) class: Option<Buf>,
    pub(super) taps: Taps,
}

/// The values that the backward pass of a layer needs.
struct SavedLayer {
    dilated: Saved,
    sum: Buf,
    residual: Option<Saved>,
    skip: Saved,
    bias: Option<Buf>,
}

/// The values that the backward pass needs.
pub(super) struct Forward {
    /// Logits [n · length, codes].
    pub(super) logits: Buf,
    first: Saved,
    layers: Vec<SavedLayer>,
    hidden: Saved,
    output: Saved,
}

const ASKED: &str = "the input was asked for";

impl Causal {
    /// The network for `classes` classes; 0 for none.
    pub(super) fn new(memory: &mut Memory, network: &mut Network, config: &WavenetConfig, classes: usize) -> Self {
        let WavenetConfig { width, skip, output, kernel, .. } = *config;
        let embedding = network.weights.add(memory, "embedding.weight", [CODES, width], Init::Normal(0.0, 1.0));
        let window = |taps: usize, dilation: usize| Window {
            kernel: [1, taps],
            dilation: [1, dilation],
            ..Window::square(1, 1, 0)
        };
        let first = Conv::new(memory, network, "first", ConvSpec::new(width, width, window(kernel, 1)));
        let last = config.blocks * config.layers - 1;
        let mut layers = Vec::new();
        for (number, dilation) in config.dilations().enumerate() {
            let name = format!("layers.{number}");
            let mut conv = |part: &str, outputs: usize, window: Window| {
                Conv::new(memory, network, &format!("{name}.{part}"), ConvSpec::new(width, outputs, window))
            };
            let dilated = conv("dilated", 2 * width, window(kernel, dilation));
            let residual = (number < last).then(|| conv("residual", width, window(1, 1)));
            let skip = conv("skip", skip, window(1, 1));
            let class = (classes > 0).then(|| {
                let name = format!("{name}.class.weight");
                network.weights.add(memory, &name, [classes, 2 * width], Init::Normal(0.0, 0.1))
            });
            let taps = Taps { count: kernel, dilation, delay: 0 };
            layers.push(Layer { name, dilated, residual, skip, class, taps });
        }
        let mut spec = |name: &str, inputs, outputs, act| {
            let spec = ConvSpec { act, ..ConvSpec::new(inputs, outputs, window(1, 1)) };
            Conv::new(memory, network, name, spec)
        };
        let hidden = spec("hidden", skip, output, Activation::Relu);
        let logits = spec("logits", output, CODES, Activation::Identity);
        Self { embedding, first, layers, hidden, logits, kernel, width }
    }

    /// The taps of the first convolution.
    pub(super) fn taps(&self) -> Taps {
        Taps { count: self.kernel, dilation: 1, delay: 1 }
    }

    /// Logits of `codes`, `u32 [n, length]`, each from those before it, with the classes one-hot, [n, classes].
    pub(super) fn forward(&self, s: &mut Schedule, codes: Buf, classes: Option<Buf>) -> Forward {
        let (n, length) = (codes.shape.rows(), codes.shape.cols());
        let index = codes.reshape([codes.len()]);
        let embedded = vq::lookup(s, "embedded", index, self.embedding, [n, 1, length, self.width]);
        let padded = before(s, "pad", embedded, self.kernel);
        let (all, first) = self.first.forward(s, Value::plain(padded), Mode::Train);
        let rows = all.buf.reshape([n, (length + 1) * self.width]);
        let kept = channels::slice(s, "crop", rows, 0..length * self.width);
        let mut x = kept.reshape([n, 1, length, self.width]);
        let (mut layers, mut skips) = (Vec::new(), None);
        for layer in &self.layers {
            let bias = layer.bias(s, classes);
            let (next, skip, saved) = s.scope(&layer.name, |s| layer.forward(s, x, bias));
            x = next;
            skips = Some(match skips {
                Some(sum) => elementwise::add(s, &format!("{}.skips", layer.name), sum, skip),
                None => skip,
            });
            layers.push(saved);
        }
        let (logits, hidden, output) = self.head(s, skips.expect("there are layers"));
        Forward { logits: logits.reshape([n * length, CODES]), first, layers, hidden, output }
    }

    /// Logits […, codes] of the sum of the skip connections [n, 1, length, skip].
    pub(super) fn head(&self, s: &mut Schedule, skips: Buf) -> (Buf, Saved, Saved) {
        let x = activation::forward(s, "activation", skips, Activation::Relu);
        let x = Value { buf: x, slope: Slope::Output(Activation::Relu) };
        let (hidden, of_hidden) = self.hidden.forward(s, x, Mode::Train);
        let (logits, of_logits) = self.logits.forward(s, hidden, Mode::Train);
        (logits.buf, of_hidden, of_logits)
    }

    /// Adds the gradients of the parameters, from that of the logits. `one_hot` are the codes, [n · length, codes], and
    /// `classes` as in the forward pass.
    pub(super) fn backward(&self, s: &mut Schedule, of: Forward, dlogits: Buf, one_hot: Buf, classes: Option<Buf>) {
        let d = self.logits.backward(s, &of.output, dlogits, Wrt::Both).expect(ASKED);
        let dskips = self.hidden.backward(s, &of.hidden, d, Wrt::Both).expect(ASKED);
        let mut dx = None;
        for (layer, saved) in self.layers.iter().zip(&of.layers).rev() {
            dx = Some(s.scope(&layer.name, |s| layer.backward(s, saved, dx, dskips, classes)));
        }
        let dx = dx.expect("there are layers");
        let length = one_hot.shape.rows() / dx.shape.dims()[0] as usize;
        let (n, width) = (one_hot.shape.rows() / length, self.width);
        let rows = dx.reshape([n, length * width]);
        let dall = channels::slice_backward(s, "backward_crop", rows, (length + 1) * width, 0);
        let dpadded = self.first.backward(s, &of.first, dall, Wrt::Both).expect(ASKED);
        let dembedded = before_backward(s, "backward_pad", dpadded, self.kernel);
        let dembedded = dembedded.reshape([one_hot.shape.rows(), width]);
        vq::lookup_backward(s, "backward_embedding", one_hot, dembedded, self.embedding.grad());
    }
}

impl Layer {
    /// The sums that the classes [n, classes] add before the gate: [n, 2 · width].
    pub(super) fn bias(&self, s: &mut Schedule, classes: Option<Buf>) -> Option<Buf> {
        let (table, classes) = (self.class?, classes?);
        Some(product(s, &format!("{}.class", self.name), classes, table, Form::NN, PLAIN))
    }

    /// Positions that are padded before the first.
    fn reach(&self) -> usize {
        (self.taps.count - 1) * self.taps.dilation
    }

    /// The output, of x's shape [n, 1, length, width], and the skip connection [n, 1, length, skip].
    fn forward(&self, s: &mut Schedule, x: Buf, bias: Option<Buf>) -> (Buf, Buf, SavedLayer) {
        let padded = before(s, "pad", x, self.reach());
        let (sum, dilated) = self.dilated.forward(s, Value::plain(padded), Mode::Train);
        let gate = gated::forward(s, "gate", sum.buf, bias);
        let (skip, of_skip) = self.skip.forward(s, Value::plain(gate), Mode::Train);
        let (next, residual) = match &self.residual {
            Some(residual) => {
                let (mixed, saved) = residual.forward(s, Value::plain(gate), Mode::Train);
                (elementwise::add(s, "sum", mixed.buf, x), Some(saved))
            }
            None => (x, None),
        };
        (next, skip.buf, SavedLayer { dilated, sum: sum.buf, residual, skip: of_skip, bias })
    }

    /// The gradient of x, from those of the output, which the last layer lacks, and of the skip connection.
    fn backward(&self, s: &mut Schedule, of: &SavedLayer, dy: Option<Buf>, dskip: Buf, classes: Option<Buf>) -> Buf {
        let mut dgate = self.skip.backward(s, &of.skip, dskip, Wrt::Both).expect(ASKED);
        if let (Some(residual), Some(saved), Some(dy)) = (&self.residual, &of.residual, dy) {
            let dmixed = residual.backward(s, saved, dy, Wrt::Both).expect(ASKED);
            dgate = elementwise::add(s, "backward_gate_sum", dgate, dmixed);
        }
        let dsum = gated::backward(s, "backward_gate", of.sum, of.bias, dgate);
        if let (Some(table), Some(classes)) = (self.class, classes) {
            let dbias = gated::backward_bias(s, "backward_class.bias", dsum, classes.shape.rows());
            product_add(s, "backward_class", classes, dbias, Form::TN, table.grad());
        }
        let dpadded = self.dilated.backward(s, &of.dilated, dsum, Wrt::Both).expect(ASKED);
        let dx = before_backward(s, "backward_pad", dpadded, self.reach());
        dy.map_or(dx, |dy| elementwise::add(s, "backward_sum", dx, dy))
    }
}

fn margins(positions: usize) -> Margins {
    Margins { left: positions, ..Margins::all(0) }
}

/// x [n, 1, length, c] after that number of positions of zeros.
fn before(s: &mut Schedule, label: &str, x: Buf, positions: usize) -> Buf {
    pad::forward(s, label, x, margins(positions), Border::Zero)
}

fn before_backward(s: &mut Schedule, label: &str, dy: Buf, positions: usize) -> Buf {
    pad::backward(s, label, dy, margins(positions), Border::Zero, None)
}
