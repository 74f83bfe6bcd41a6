//! Batch normalisation as a layer.

use super::{Mode, Of, Saved, Slope, Value, Wrt};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::batch_norm::{self, BatchNorm, Gradients};
use gpu_core::{Buf, Init, Memory, Schedule};

/// PyTorch's.
const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// y = act(weight · x̂ + bias), channel by channel.
#[derive(Clone, Debug)]
pub struct Norm {
    name: String,
    norm: BatchNorm,
    act: Activation,
}

impl Norm {
    /// A layer under PyTorch's names, with `init` for its weight. The activation's slope must follow from its output.
    pub fn new(
        memory: &mut Memory,
        network: &mut Network,
        name: &str,
        channels: usize,
        init: Init,
        act: Activation,
    ) -> Self {
        let mut state = |network: &mut Network, part: &str, start: f32| {
            network.statistic(memory, &format!("{name}.{part}"), [channels], Init::Constant(start))
        };
        let running_mean = state(network, "running_mean", 0.0);
        let running_var = state(network, "running_var", 1.0);
        let weights = &mut network.weights;
        let weight = weights.add(memory, &format!("{name}.weight"), [channels], init);
        let bias = weights.add(memory, &format!("{name}.bias"), [channels], Init::Constant(0.0));
        let norm = BatchNorm { weight, bias, running_mean, running_var, epsilon: EPSILON, momentum: MOMENTUM };
        Self { name: name.into(), norm, act }
    }

    /// y, of x's shape.
    pub fn forward(&self, s: &mut Schedule, x: Value, mode: Mode) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let still = BatchNorm { momentum: 0.0, ..self.norm };
            let (y, saved) = match mode {
                Mode::Train | Mode::Through => batch_norm::forward(s, "forward", x.buf, &self.norm, self.act),
                Mode::Batch => batch_norm::forward(s, "forward", x.buf, &still, self.act),
                Mode::Use => batch_norm::inference(s, "forward", x.buf, &self.norm, self.act),
            };
            let slope = if self.act == Activation::Identity { Slope::One } else { Slope::Output(self.act) };
            let y = Value { buf: y, slope };
            (y, Saved { x, y, of: Of::Statistics(saved) })
        })
    }

    /// Takes dy before this layer's activation, and returns dx before that of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, wrt: Wrt) -> Option<Buf> {
        let Of::Statistics(statistics) = &saved.of else { unreachable!("saved by this layer") };
        s.scope(&self.name, |s| {
            let gradients = Gradients { weight: self.norm.weight.grad(), bias: self.norm.bias.grad() };
            if wrt == Wrt::Params {
                batch_norm::backward_params(s, "backward_params", statistics, dy, gradients);
                return None;
            }
            let (gradients, gate) = ((wrt != Wrt::Input).then_some(gradients), saved.x.gate());
            let dx = batch_norm::backward(s, "backward", statistics, dy, self.norm.weight, gradients, gate);
            Some(saved.x.pass(s, "backward_activation", dx))
        })
    }
}
