//! Group normalisation as a layer, with an activation.

use super::{Value, fused};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::group_norm::{self, Saved};
use gpu_core::{Buf, Init, Memory, Schedule};

/// PyTorch's.
const EPSILON: f32 = 1e-5;
/// Groups of channels, at most.
const MAX_GROUPS: usize = 8;
/// Channels of a group, at least: a group of one would lose a number that is added to its channel.
const CHANNELS: usize = 4;

/// y = act(weight · x̂ + bias), of an x without an activation.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    name: String,
    norm: group_norm::GroupNorm,
    weight: Buf,
    bias: Buf,
    act: Activation,
}

/// The groups of a number of channels: its largest divisor up to 8 that leaves four or more to a group; one group of
/// fewer.
fn groups(channels: usize) -> usize {
    let fits = |groups: &usize| channels.is_multiple_of(*groups) && channels / groups >= CHANNELS;
    (1..=MAX_GROUPS).rev().find(fits).unwrap_or(1)
}

impl GroupNorm {
    /// A layer under PyTorch's names, `name.weight` and `name.bias`, which start at one and zero.
    pub fn new(memory: &mut Memory, network: &mut Network, name: &str, channels: usize, act: Activation) -> Self {
        let mut add = |part: &str, start: f32| {
            network.weights.add(memory, &format!("{name}.{part}"), [channels], Init::Constant(start))
        };
        let (weight, bias) = (add("weight", 1.0), add("bias", 0.0));
        let affine = Some((weight, bias));
        let norm = group_norm::GroupNorm { groups: groups(channels), affine, epsilon: EPSILON };
        Self { name: name.into(), norm, weight, bias, act }
    }

    /// y, of the shape of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Buf) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let (normalised, saved) = group_norm::forward(s, "forward", x, &self.norm, fused(self.act));
            (Value::activated(s, normalised, self.act), saved)
        })
    }

    /// Takes dy before the activation, adds to the gradients of weight and bias, and returns dx.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let sums = group_norm::backward_sums(s, "backward_sums", saved, dy);
            group_norm::backward_params(s, "backward_params", sums, self.weight.grad(), self.bias.grad());
            group_norm::backward_input(s, "backward_input", saved, dy, sums, None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_divide_the_channels() {
        assert_eq!([1, 3, 4, 11, 12, 16, 20, 64].map(groups), [1, 1, 1, 1, 3, 4, 5, 8]);
    }
}
