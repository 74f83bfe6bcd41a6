//! The gated PixelCNN: logits of each code from the codes above it and to its left (van den Oord et al., *Conditional
//! image generation with PixelCNN decoders*, 2016, §2).
//!
//! A layer has two stacks. The vertical one sees the rows above, by a window of ⌈k/2⌉ × k; the horizontal one the same
//! row, by a window of 1 × ⌈k/2⌉, and the vertical one by a 1×1 convolution. Nothing is masked: images are padded above
//! and to the left, so that a window ends at its pixel. The first layer's windows end before it, which takes one row or
//! column more of padding and drops the last of the outputs.

use crate::layers::{Conv, ConvSpec, Mode, Saved, Slope, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::matmul::{Form, PLAIN, product, product_add};
use gpu_core::ops::pad::{self, Border, Margins};
use gpu_core::ops::{channels, cross_entropy, elementwise, gated, vq};
use gpu_core::{Buf, Init, Memory, Schedule};

/// The sizes of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PixelSizes {
    /// Channels of a layer.
    pub(crate) width: usize,
    /// Layers.
    pub(crate) layers: usize,
    /// Height and width of the window that a layer sees, odd.
    pub(crate) kernel: usize,
    /// Channels of the hidden output layer.
    pub(crate) output: usize,
    /// Height and width of the codes of an image.
    pub(crate) grid: [usize; 2],
    /// Different codes.
    pub(crate) codes: usize,
    /// Classes; 0 for none.
    pub(crate) classes: usize,
}

/// The network.
#[derive(Clone, Debug)]
pub(crate) struct PixelNetwork {
    pub(super) embedding: Buf,
    pub(super) layers: Vec<Layer>,
    pub(super) hidden: Conv,
    pub(super) logits: Conv,
    pub(super) width: usize,
    pub(super) grid: [usize; 2],
    codes: usize,
}

/// A layer. The gate of the last layer's vertical stack has no use.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) name: String,
    /// From the rows above to the sum before the gate.
    pub(super) vertical: Conv,
    /// From the same row to the sum before the gate.
    pub(super) horizontal: Conv,
    /// Adds the vertical sum to the horizontal one.
    pub(super) link: Conv,
    /// After the horizontal gate; then the layer's input is added, which the first has not seen.
    pub(super) mix: Conv,
    /// Of each class, the sums that it adds before both gates: [classes, 2 · width].
    class: Option<Buf>,
    pub(super) first: bool,
    last: bool,
}

/// The values that the backward pass of a layer needs.
struct SavedLayer {
    vertical: Saved,
    vertical_sum: Buf,
    horizontal: Saved,
    horizontal_sum: Buf,
    link: Saved,
    mix: Saved,
    bias: Option<Buf>,
}

/// The values that the backward pass needs.
pub(crate) struct Forward {
    /// Logits [n · positions, codes].
    pub(crate) logits: Buf,
    layers: Vec<SavedLayer>,
    hidden: Saved,
    output: Saved,
}

impl PixelNetwork {
    /// The network of such sizes.
    pub(crate) fn new(memory: &mut Memory, network: &mut Network, sizes: PixelSizes) -> Self {
        let PixelSizes { width, layers, kernel, output, grid, codes, classes } = sizes;
        let embedding = network.weights.add(memory, "embedding.weight", [codes, width], Init::Normal(0.0, 1.0));
        let mut make = |number: usize| {
            let name = format!("layers.{number}");
            let reach = kernel.div_ceil(2);
            let mut conv = |name: &str, outputs: usize, inputs: usize, size: [usize; 2], pad: [usize; 2]| {
                let window = Window { kernel: size, pad, ..Window::square(1, 1, 0) };
                Conv::new(memory, network, name, ConvSpec::new(inputs, outputs, window))
            };
            let vertical = conv(&format!("{name}.vertical"), 2 * width, width, [reach, kernel], [0, kernel / 2]);
            let horizontal = conv(&format!("{name}.horizontal"), 2 * width, width, [1, reach], [0, 0]);
            let link = conv(&format!("{name}.link"), 2 * width, 2 * width, [1, 1], [0, 0]);
            let mix = conv(&format!("{name}.mix"), width, width, [1, 1], [0, 0]);
            let class = (classes > 0).then(|| {
                let name = format!("{name}.class.weight");
                network.weights.add(memory, &name, [classes, 2 * width], Init::Normal(0.0, 0.1))
            });
            Layer { name, vertical, horizontal, link, mix, class, first: number == 0, last: number + 1 == layers }
        };
        let layers = (0..layers).map(&mut make).collect();
        let spec = |inputs, outputs| ConvSpec::new(inputs, outputs, Window::square(1, 1, 0));
        let act = Activation::Relu;
        let hidden = Conv::new(memory, network, "hidden", ConvSpec { act, ..spec(width, output) });
        let logits = Conv::new(memory, network, "logits", spec(output, codes));
        Self { embedding, layers, hidden, logits, width, grid, codes }
    }

    /// −log p of each of `codes`, `u32 [n, positions]`, given those before it: [n · positions].
    pub(crate) fn losses(&self, s: &mut Schedule, codes: Buf, classes: Option<Buf>) -> Buf {
        let forward = self.forward(s, codes, classes);
        let one_hot = self.one_hot(s, codes);
        cross_entropy::forward(s, "cross_entropy", forward.logits, one_hot)
    }

    /// The same, and adds the gradients of `weight` times their sum.
    pub(crate) fn learn(&self, s: &mut Schedule, codes: Buf, classes: Option<Buf>, weight: f32) -> Buf {
        let forward = self.forward(s, codes, classes);
        let one_hot = self.one_hot(s, codes);
        let (rows, dlogits) = cross_entropy::with_gradient(s, "cross_entropy", forward.logits, one_hot, weight);
        self.backward(s, forward, dlogits, one_hot, classes);
        rows
    }

    fn one_hot(&self, s: &mut Schedule, codes: Buf) -> Buf {
        vq::one_hot(s, "one_hot", codes.reshape([codes.len()]), self.codes)
    }

    /// Logits of `codes`, `u32 [n, positions]`, each from those before it, with the classes one-hot, [n, classes].
    pub(crate) fn forward(&self, s: &mut Schedule, codes: Buf, classes: Option<Buf>) -> Forward {
        let ([h, w], n) = (self.grid, codes.shape.rows());
        let index = codes.reshape([codes.len()]);
        let embedded = vq::lookup(s, "embedded", index, self.embedding, [n, h, w, self.width]);
        let (mut vertical, mut horizontal) = (embedded, embedded);
        let mut layers = Vec::new();
        for layer in &self.layers {
            let bias = layer.bias(s, classes);
            let (next, saved) = s.scope(&layer.name, |s| layer.forward(s, vertical, horizontal, bias));
            (vertical, horizontal) = next;
            layers.push(saved);
        }
        let (logits, hidden, output) = self.head(s, horizontal);
        Forward { logits: logits.reshape([n * h * w, self.codes]), layers, hidden, output }
    }

    /// Logits […, codes] of the last layer's output [n, h, w, width].
    pub(super) fn head(&self, s: &mut Schedule, x: Buf) -> (Buf, Saved, Saved) {
        let x = activation::forward(s, "activation", x, Activation::Relu);
        let x = Value { buf: x, slope: Slope::Output(Activation::Relu) };
        let (hidden, of_hidden) = self.hidden.forward(s, x, Mode::Train);
        let (logits, of_logits) = self.logits.forward(s, hidden, Mode::Train);
        (logits.buf, of_hidden, of_logits)
    }

    /// Adds the gradients of the parameters, from that of the logits. `one_hot` are the codes, [n · positions, codes],
    /// and `classes` as in the forward pass.
    fn backward(&self, s: &mut Schedule, of: Forward, dlogits: Buf, one_hot: Buf, classes: Option<Buf>) {
        let d = self.logits.backward(s, &of.output, dlogits, Wrt::Both).expect("the input was asked for");
        let mut dhorizontal = self.hidden.backward(s, &of.hidden, d, Wrt::Both).expect("the input was asked for");
        let mut dvertical = None;
        for (layer, saved) in self.layers.iter().zip(&of.layers).rev() {
            let [dv, dh] = s.scope(&layer.name, |s| layer.backward(s, saved, dvertical, dhorizontal, classes));
            (dvertical, dhorizontal) = (Some(dv), dh);
        }
        let dvertical = dvertical.expect("there are layers");
        let dembedded = elementwise::add(s, "dembedded", dvertical, dhorizontal);
        let dembedded = dembedded.reshape([one_hot.shape.rows(), self.width]);
        vq::lookup_backward(s, "backward_embedding", one_hot, dembedded, self.embedding.grad());
    }
}

impl Layer {
    /// The sums that the classes [n, classes] add before the gates: [n, 2 · width].
    pub(super) fn bias(&self, s: &mut Schedule, classes: Option<Buf>) -> Option<Buf> {
        let (table, classes) = (self.class?, classes?);
        Some(product(s, &format!("{}.class", self.name), classes, table, Form::NN, PLAIN))
    }

    /// The outputs of both stacks, [n, h, w, width], from their inputs.
    fn forward(&self, s: &mut Schedule, v: Buf, h: Buf, bias: Option<Buf>) -> ((Buf, Buf), SavedLayer) {
        let (vertical_sum, vertical) = self.above(s, v);
        let (along, horizontal) = self.left(s, h);
        let (linked, link) = self.link.forward(s, Value::plain(vertical_sum), Mode::Train);
        let horizontal_sum = elementwise::add(s, "sum", along, linked.buf);
        let gate = gated::forward(s, "gate", horizontal_sum, bias);
        let (mixed, mix) = self.mix.forward(s, Value::plain(gate), Mode::Train);
        let next_h = if self.first { mixed.buf } else { elementwise::add(s, "residual", mixed.buf, h) };
        let next_v = if self.last { v } else { gated::forward(s, "vertical_gate", vertical_sum, bias) };
        let saved = SavedLayer { vertical, vertical_sum, horizontal, horizontal_sum, link, mix, bias };
        ((next_v, next_h), saved)
    }

    /// The gradients of both inputs, from those of the outputs; `dv` is none for the last layer.
    fn backward(&self, s: &mut Schedule, of: &SavedLayer, dv: Option<Buf>, dh: Buf, classes: Option<Buf>) -> [Buf; 2] {
        let dgate = self.mix.backward(s, &of.mix, dh, Wrt::Both).expect("the input was asked for");
        let dsum = gated::backward(s, "backward_gate", of.horizontal_sum, of.bias, dgate);
        let mut dvertical = self.link.backward(s, &of.link, dsum, Wrt::Both).expect("the input was asked for");
        self.class_backward(s, "backward_class", dsum, classes);
        if let Some(dv) = dv {
            let dgate = gated::backward(s, "backward_vertical_gate", of.vertical_sum, of.bias, dv);
            self.class_backward(s, "backward_vertical_class", dgate, classes);
            dvertical = elementwise::add(s, "backward_vertical_sum", dgate, dvertical);
        }
        let dv = self.above_backward(s, &of.vertical, dvertical);
        let along = self.left_backward(s, &of.horizontal, dsum);
        let dh = if self.first { along } else { elementwise::add(s, "backward_residual", along, dh) };
        [dv, dh]
    }

    /// Adds the gradient of the sums that classes add, from that of the sums [n, h, w, 2 · width].
    fn class_backward(&self, s: &mut Schedule, label: &str, dsum: Buf, classes: Option<Buf>) {
        let (Some(table), Some(classes)) = (self.class, classes) else { return };
        let dbias = gated::backward_bias(s, &format!("{label}.bias"), dsum, classes.shape.rows());
        product_add(s, label, classes, dbias, Form::TN, table.grad());
    }

    /// Rows of a window above a pixel that the layer does not see itself.
    fn margins(&self, above: bool) -> Margins {
        let reach = if above { self.vertical.window().kernel[0] } else { self.horizontal.window().kernel[1] };
        let rows = reach - usize::from(!self.first);
        let [top, left] = if above { [rows, 0] } else { [0, rows] };
        Margins { top, bottom: 0, left, right: 0 }
    }

    /// The vertical sums [n, h, w, 2 · width] of x [n, h, w, width].
    fn above(&self, s: &mut Schedule, x: Buf) -> (Buf, Saved) {
        let padded = padded(s, "pad_above", x, self.margins(true));
        let (sum, saved) = self.vertical.forward(s, Value::plain(padded), Mode::Train);
        let [n, h, w, _] = dims(x);
        let sum = if self.first { first_of(s, "crop_below", sum.buf, n, [h + 1, h]) } else { sum.buf };
        (sum.reshape([n, h, w, sum.len() / (n * h * w)]), saved)
    }

    fn above_backward(&self, s: &mut Schedule, saved: &Saved, dsum: Buf) -> Buf {
        let [n, h, w, c] = dims(dsum);
        let dsum = if self.first {
            spread(s, "backward_crop_below", dsum, n, [h + 1, h]).reshape([n, h + 1, w, c])
        } else {
            dsum
        };
        let dpadded = self.vertical.backward(s, saved, dsum, Wrt::Both).expect("the input was asked for");
        unpadded(s, "backward_pad_above", dpadded, self.margins(true))
    }

    /// The horizontal sums [n, h, w, 2 · width] of x [n, h, w, width].
    fn left(&self, s: &mut Schedule, x: Buf) -> (Buf, Saved) {
        let padded = padded(s, "pad_left", x, self.margins(false));
        let (sum, saved) = self.horizontal.forward(s, Value::plain(padded), Mode::Train);
        let [n, h, w, _] = dims(x);
        let sum = if self.first { first_of(s, "crop_right", sum.buf, n * h, [w + 1, w]) } else { sum.buf };
        (sum.reshape([n, h, w, sum.len() / (n * h * w)]), saved)
    }

    fn left_backward(&self, s: &mut Schedule, saved: &Saved, dsum: Buf) -> Buf {
        let [n, h, w, c] = dims(dsum);
        let dsum = if self.first {
            spread(s, "backward_crop_right", dsum, n * h, [w + 1, w]).reshape([n, h, w + 1, c])
        } else {
            dsum
        };
        let dpadded = self.horizontal.backward(s, saved, dsum, Wrt::Both).expect("the input was asked for");
        unpadded(s, "backward_pad_left", dpadded, self.margins(false))
    }
}

/// x with margins; x itself without any, as a window of one row has above the layers after the first.
fn padded(s: &mut Schedule, label: &str, x: Buf, margins: Margins) -> Buf {
    if margins == Margins::all(0) { x } else { pad::forward(s, label, x, margins, Border::Zero) }
}

fn unpadded(s: &mut Schedule, label: &str, dy: Buf, margins: Margins) -> Buf {
    if margins == Margins::all(0) { dy } else { pad::backward(s, label, dy, margins, Border::Zero, None) }
}

/// The first `kept` of `all` equal parts of each row of x, which is taken as [rows, …].
fn first_of(s: &mut Schedule, label: &str, x: Buf, rows: usize, [all, kept]: [usize; 2]) -> Buf {
    let x = x.reshape([rows, x.len() / rows]);
    channels::slice(s, label, x, 0..x.shape.cols() / all * kept)
}

/// The gradient of [`first_of`].
fn spread(s: &mut Schedule, label: &str, dy: Buf, rows: usize, [all, kept]: [usize; 2]) -> Buf {
    let dy = dy.reshape([rows, dy.len() / rows]);
    channels::slice_backward(s, label, dy, dy.shape.cols() / kept * all, 0)
}

fn dims(x: Buf) -> [usize; 4] {
    let sizes: Vec<usize> = x.shape.dims().iter().map(|&dim| dim as usize).collect();
    sizes.try_into().unwrap_or_else(|_| panic!("an image has four dimensions, not {}", x.shape))
}
