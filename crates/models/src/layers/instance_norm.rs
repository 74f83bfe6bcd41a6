//! Instance normalisation as a layer, without parameters, with an activation.

use super::{Of, Saved, Value, fused};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::group_norm::{self, GroupNorm};
use gpu_core::{Buf, Schedule};

/// PyTorch's.
const EPSILON: f32 = 1e-5;

/// y = act(x̂): each channel of each image has mean 0 and variance 1 in x̂ (Ulyanov, Vedaldi and Lempitsky, 2016).
///
/// It is PyTorch's `InstanceNorm2d` without parameters, and has no state: training and evaluation are alike.
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    /// The label of its calls.
    pub name: String,
    /// The activation of y.
    pub act: Activation,
}

impl InstanceNorm {
    /// y, of the shape of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let norm = GroupNorm { groups: x.buf.shape.cols(), affine: None, epsilon: EPSILON };
            let (normalised, of) = group_norm::forward(s, "forward", x.buf, &norm, fused(self.act));
            let y = Value::activated(s, normalised, self.act);
            (y, Saved { x, y, of: Of::Groups(of) })
        })
    }

    /// Takes dy before this layer's activation, and returns dx before that of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        let Of::Groups(of) = &saved.of else { unreachable!("saved by this layer") };
        s.scope(&self.name, |s| {
            let (dy, x) = (dy.reshape(saved.y.buf.shape), saved.x);
            let sums = group_norm::backward_sums(s, "backward_sums", of, dy);
            let dx = group_norm::backward_input(s, "backward", of, dy, sums, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }
}
