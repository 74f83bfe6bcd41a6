//! A small U-Net: residual blocks at each size of the image, halved and doubled, with the values of the way down beside
//! those of the way up (Ronneberger, Fischer and Brox, 2015; Ho, Jain and Abbeel, 2020), and attention at the smallest
//! size, if the model is to have it.
//!
//! A time, if there is one, enters each block as a number for each channel.

mod attention;

use crate::layers::{Conv, ConvSpec, GroupNorm, Linear, LinearSpec, Mode, Saved, Sequence, Stack, Value, Wrt};
use crate::layers::{halving, halvings};
use crate::network::Network;
use attention::{Attention, SavedAttention};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::{channels, elementwise, group_norm, shift};
use gpu_core::{Buf, Memory, Schedule};

/// Channels of the embedding of the time, in those of the outermost level.
const EMBEDDING: usize = 4;

/// y = skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time(e)))), without time(e) if there is no time.
#[derive(Clone, Debug)]
struct Block {
    name: String,
    norm1: GroupNorm,
    conv1: Conv,
    time: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv,
    /// A 1×1 convolution, where the channels of x and y differ.
    skip: Option<Conv>,
}

/// The values of a block that its backward pass needs.
#[derive(Clone, Debug)]
struct SavedBlock {
    norm1: group_norm::Saved,
    conv1: Saved,
    time: Option<Saved>,
    norm2: group_norm::Saved,
    conv2: Saved,
    skip: Option<Saved>,
}

impl Block {
    /// A block of `inputs` channels to `outputs`; without a time, `embedding` is 0.
    fn new(memory: &mut Memory, network: &mut Network, name: &str, [inputs, outputs, embedding]: [usize; 3]) -> Self {
        let part = |part: &str| format!("{name}.{part}");
        let window = Window::square(3, 1, 1);
        let conv1 = ConvSpec::new(inputs, outputs, window);
        let time = LinearSpec::new(embedding, outputs, Activation::Identity);
        let conv2 = ConvSpec::new(outputs, outputs, window);
        Self {
            name: name.into(),
            norm1: GroupNorm::new(memory, network, &part("norm1"), inputs, Activation::Silu),
            conv1: Conv::new(memory, network, &part("conv1"), conv1),
            time: (embedding > 0).then(|| Linear::new(memory, network, &part("time"), time)),
            norm2: GroupNorm::new(memory, network, &part("norm2"), outputs, Activation::Silu),
            conv2: Conv::new(memory, network, &part("conv2"), conv2),
            skip: (inputs != outputs).then(|| {
                let spec = ConvSpec::new(inputs, outputs, Window::square(1, 1, 0));
                Conv::new(memory, network, &part("skip"), spec)
            }),
        }
    }

    /// y [n, h, w, outputs] of x [n, h, w, inputs] and the embedding e [n, embedding].
    fn forward(&self, s: &mut Schedule, x: Buf, e: Option<Value>, mode: Mode) -> (Buf, SavedBlock) {
        let label = |part: &str| format!("{}.{part}", self.name);
        let (active, norm1) = self.norm1.forward(s, x);
        let (inner, conv1) = self.conv1.forward(s, active, mode);
        let of_time = self.time.as_ref().zip(e).map(|(time, e)| time.forward(s, e, mode));
        let (inner, time) = of_time.map_or((inner.buf, None), |(of_time, saved)| {
            (shift::forward(s, &label("shift"), inner.buf, of_time.buf), Some(saved))
        });
        let (active, norm2) = self.norm2.forward(s, inner);
        let (change, conv2) = self.conv2.forward(s, active, mode);
        let of_skip = self.skip.as_ref().map(|skip| skip.forward(s, Value::plain(x), mode));
        let (kept, skip) = of_skip.map_or((x, None), |(kept, saved)| (kept.buf, Some(saved)));
        let y = elementwise::add(s, &label("add"), kept, change.buf);
        (y, SavedBlock { norm1, conv1, time, norm2, conv2, skip })
    }

    /// dx, and the gradient of the embedding before its activation, if there is one.
    fn backward(&self, s: &mut Schedule, saved: &SavedBlock, dy: Buf) -> (Buf, Option<Buf>) {
        let label = |part: &str| format!("{}.{part}", self.name);
        let both = "both gradients are asked for";
        let d = self.conv2.backward(s, &saved.conv2, dy, Wrt::Both).expect(both);
        let d = self.norm2.backward(s, &saved.norm2, d);
        let time = self.time.as_ref().zip(saved.time.as_ref());
        let de = time.map(|(time, saved)| {
            let dtime = shift::backward(s, &label("backward_shift"), d);
            time.backward(s, saved, dtime, Wrt::Both).expect(both)
        });
        let d = self.conv1.backward(s, &saved.conv1, d, Wrt::Both).expect(both);
        let d = self.norm1.backward(s, &saved.norm1, d);
        let skip = self.skip.as_ref().zip(saved.skip.as_ref());
        let dkept = skip.map_or(dy, |(skip, saved)| skip.backward(s, saved, dy, Wrt::Both).expect(both));
        (elementwise::add(s, &label("backward_add"), d, dkept), de)
    }
}

/// One size of the image, and the convolutions between it and the next smaller one.
#[derive(Clone, Debug)]
struct Level {
    channels: usize,
    down: Block,
    halve: Conv,
    double: Conv,
    up: Block,
}

/// The values of a level that its backward pass needs.
#[derive(Clone, Debug)]
struct SavedLevel {
    down: SavedBlock,
    halve: Saved,
    double: Saved,
    up: SavedBlock,
}

/// The sizes of a U-Net.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UNetSpec {
    /// Channels at the size of the image, doubled with each halving.
    pub(crate) width: usize,
    /// Halvings of the image.
    pub(crate) halvings: usize,
    /// Heads of attention at the smallest size; 0 for none.
    pub(crate) heads: usize,
    /// Height, width and channels of x.
    pub(crate) image: [usize; 3],
    /// Channels of y.
    pub(crate) outputs: usize,
    /// Features of a time; 0 without one.
    pub(crate) features: usize,
    /// The activation of y.
    pub(crate) act: Activation,
}

/// A U-Net of images, and of times if it has them.
#[derive(Clone, Debug)]
pub(crate) struct UNet {
    time: Option<Stack>,
    input: Conv,
    levels: Vec<Level>,
    middle: Block,
    attention: Option<Attention>,
    norm: GroupNorm,
    output: Conv,
}

/// The values of a pass that its backward pass needs.
#[derive(Clone, Debug)]
pub(crate) struct SavedUNet {
    time: Option<Vec<Saved>>,
    input: Saved,
    levels: Vec<SavedLevel>,
    middle: SavedBlock,
    attention: Option<SavedAttention>,
    norm: group_norm::Saved,
    output: Saved,
}

impl UNet {
    /// A network whose parameters have these names of PyTorch after `prefix`: `time` is an `nn.Sequential`, `input` and
    /// `output` convolutions with a `norm` before the last; each level has `down.i.block`, `down.i.conv`, `up.i.conv`
    /// and `up.i.block`; between them are `middle` and, with heads, `attention`.
    pub(crate) fn new(memory: &mut Memory, network: &mut Network, prefix: &str, spec: UNetSpec) -> Self {
        let UNetSpec { width, halvings: times, heads, image, outputs, features, act } = spec;
        let part = |part: &str| format!("{prefix}{part}");
        let embedding = if features > 0 { EMBEDDING * width } else { 0 };
        let time = (features > 0).then(|| {
            let mut time = Sequence::of_rows(memory, network, &part("time"), features);
            time.linear(embedding, Activation::Silu);
            time.linear(embedding, Activation::Silu);
            time.finish()
        });
        let ends = Window::square(3, 1, 1);
        let input = Conv::new(memory, network, &part("input"), ConvSpec::new(image[2], width, ends));
        let sizes = halvings(image, times);
        let mut levels = Vec::with_capacity(times);
        for (i, &size) in sizes[..times].iter().enumerate() {
            let (outer, inner) = (width << i, width << (i + 1));
            let window = halving(size);
            let down = Block::new(memory, network, &part(&format!("down.{i}.block")), [outer, outer, embedding]);
            let halve = ConvSpec::new(outer, inner, window);
            let halve = Conv::new(memory, network, &part(&format!("down.{i}.conv")), halve);
            let double = ConvSpec { transposed: Some([0; 2]), ..ConvSpec::new(inner, outer, window) };
            let double = Conv::new(memory, network, &part(&format!("up.{i}.conv")), double);
            let up = Block::new(memory, network, &part(&format!("up.{i}.block")), [2 * outer, outer, embedding]);
            levels.push(Level { channels: outer, down, halve, double, up });
        }
        let inner = width << times;
        let middle = Block::new(memory, network, &part("middle"), [inner, inner, embedding]);
        let attention = (heads > 0).then(|| Attention::new(memory, network, &part("attention"), inner, heads));
        let norm = GroupNorm::new(memory, network, &part("norm"), width, Activation::Silu);
        let output = ConvSpec { act, ..ConvSpec::new(width, outputs, ends) };
        let output = Conv::new(memory, network, &part("output"), output);
        Self { time, input, levels, middle, attention, norm, output }
    }

    /// y [n, h, w, outputs] of x [n, h, w, c], with the features of its times [n, features] if it has them.
    pub(crate) fn forward(&self, s: &mut Schedule, x: Buf, features: Option<Buf>, mode: Mode) -> (Value, SavedUNet) {
        let embedded = self.time.as_ref().zip(features).map(|(time, x)| time.forward(s, Value::plain(x), mode));
        let (e, time) = embedded.map_or((None, None), |(e, saved)| (Some(e), Some(saved)));
        let (h, input) = self.input.forward(s, Value::plain(x), mode);
        let mut h = h.buf;
        let mut downwards = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let (kept, down) = level.down.forward(s, h, e, mode);
            let (halved, halve) = level.halve.forward(s, Value::plain(kept), mode);
            downwards.push((kept, down, halve));
            h = halved.buf;
        }
        let (h, middle) = self.middle.forward(s, h, e, mode);
        let attended = self.attention.as_ref().map(|attention| attention.forward(s, h, mode));
        let (mut h, attention) = attended.map_or((h, None), |(h, saved)| (h, Some(saved)));
        let mut levels = Vec::with_capacity(self.levels.len());
        for (i, (kept, down, halve)) in downwards.into_iter().enumerate().rev() {
            let level = &self.levels[i];
            let (doubled, double) = level.double.forward(s, Value::plain(h), mode);
            let both = channels::concat(s, &format!("up.{i}.concat"), doubled.buf, kept);
            let (y, up) = level.up.forward(s, both, e, mode);
            levels.push(SavedLevel { down, halve, double, up });
            h = y;
        }
        levels.reverse();
        let (active, norm) = self.norm.forward(s, h);
        let (y, output) = self.output.forward(s, active, mode);
        (y, SavedUNet { time, input, levels, middle, attention, norm, output })
    }

    /// Takes dy before the activation, and adds to the gradients of all parameters; the input has none.
    pub(crate) fn backward(&self, s: &mut Schedule, saved: &SavedUNet, dy: Buf) {
        let both = "both gradients are asked for";
        let mut embedding: Vec<Buf> = Vec::new();
        let d = self.output.backward(s, &saved.output, dy, Wrt::Both).expect(both);
        let mut d = self.norm.backward(s, &saved.norm, d);
        let mut of_skips = Vec::with_capacity(self.levels.len());
        for (i, (level, saved)) in self.levels.iter().zip(&saved.levels).enumerate() {
            let (dboth, de) = level.up.backward(s, &saved.up, d);
            embedding.extend(de);
            let mut part = |of: &str, range| channels::slice(s, &format!("up.{i}.{of}"), dboth, range);
            let ddoubled = part("backward_doubled", 0..level.channels);
            of_skips.push(part("backward_kept", level.channels..2 * level.channels));
            d = level.double.backward(s, &saved.double, ddoubled, Wrt::Both).expect(both);
        }
        if let Some((attention, saved)) = self.attention.as_ref().zip(saved.attention.as_ref()) {
            d = attention.backward(s, saved, d);
        }
        let (dx, de) = self.middle.backward(s, &saved.middle, d);
        embedding.extend(de);
        d = dx;
        for (i, (level, saved)) in self.levels.iter().zip(&saved.levels).enumerate().rev() {
            let dhalved = level.halve.backward(s, &saved.halve, d, Wrt::Both).expect(both);
            let dkept = elementwise::add(s, &format!("down.{i}.backward_add"), dhalved, of_skips[i]);
            let (dx, de) = level.down.backward(s, &saved.down, dkept);
            embedding.extend(de);
            d = dx;
        }
        self.input.backward(s, &saved.input, d, Wrt::Params);
        let de = embedding.into_iter().reduce(|sum, de| elementwise::add(s, "time.backward_add", sum, de));
        if let Some(((time, saved), de)) = self.time.as_ref().zip(saved.time.as_ref()).zip(de) {
            time.backward(s, saved, de, Wrt::Params);
        }
    }
}
