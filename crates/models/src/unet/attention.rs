//! Self-attention of the pixels of an image to each other, with a residual connection (Ho, Jain and Abbeel, 2020).

use crate::layers::{Conv, ConvSpec, GroupNorm, Mode, Saved, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::{attention, elementwise, group_norm};
use gpu_core::{Buf, Memory, Schedule};

/// y = x + proj(attention(qkv(norm(x)))).
#[derive(Clone, Debug)]
pub(super) struct Attention {
    name: String,
    heads: usize,
    norm: GroupNorm,
    qkv: Conv,
    proj: Conv,
}

/// The values of a pass that its backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct SavedAttention {
    norm: group_norm::Saved,
    qkv: Saved,
    attention: attention::Saved,
    proj: Saved,
}

impl Attention {
    /// Attention in `heads`, which divide the channels. PyTorch's names: `norm`, and 1×1 convolutions `qkv` and `proj`.
    pub(super) fn new(memory: &mut Memory, network: &mut Network, name: &str, channels: usize, heads: usize) -> Self {
        let part = |part: &str| format!("{name}.{part}");
        let pixel = Window::square(1, 1, 0);
        Self {
            name: name.into(),
            heads,
            norm: GroupNorm::new(memory, network, &part("norm"), channels, Activation::Identity),
            qkv: Conv::new(memory, network, &part("qkv"), ConvSpec::new(channels, 3 * channels, pixel)),
            proj: Conv::new(memory, network, &part("proj"), ConvSpec::new(channels, channels, pixel)),
        }
    }

    /// y, of the shape of x [n, h, w, channels].
    pub(super) fn forward(&self, s: &mut Schedule, x: Buf, mode: Mode) -> (Buf, SavedAttention) {
        let label = |part: &str| format!("{}.{part}", self.name);
        let (normalised, norm) = self.norm.forward(s, x);
        let (of_qkv, qkv) = self.qkv.forward(s, normalised, mode);
        let (mixed, attention) = attention::forward(s, &label("forward"), of_qkv.buf, self.heads);
        let (change, proj) = self.proj.forward(s, Value::plain(mixed), mode);
        let y = elementwise::add(s, &label("add"), x, change.buf);
        (y, SavedAttention { norm, qkv, attention, proj })
    }

    /// Adds to the gradients of all parameters, and returns dx.
    pub(super) fn backward(&self, s: &mut Schedule, saved: &SavedAttention, dy: Buf) -> Buf {
        let label = |part: &str| format!("{}.{part}", self.name);
        let both = "both gradients are asked for";
        let d = self.proj.backward(s, &saved.proj, dy, Wrt::Both).expect(both);
        let d = attention::backward(s, &label("backward"), &saved.attention, d);
        let d = self.qkv.backward(s, &saved.qkv, d, Wrt::Both).expect(both);
        let d = self.norm.backward(s, &saved.norm, d);
        elementwise::add(s, &label("backward_add"), d, dy)
    }
}
