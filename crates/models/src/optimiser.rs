//! Adam and AdamW over a network's arena.

use crate::faults::{decay_fault, not_negative_fault, positive_fault};
use gpu_core::ops::adam::{Adam, adam};
use gpu_core::ops::reduce::{self, Kind};
use gpu_core::{Buf, Home, Memory, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// How weights move along their gradients. The defaults are PyTorch's, with the learning rate of Kingma and Ba.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Weight decay: subtracted from the weights (AdamW) if `decoupled`, else added to the gradient (Adam).
    pub weight_decay: f32,
    /// Which of the two it is.
    pub decoupled: bool,
    /// Largest norm of a network's whole gradient; longer ones are scaled down to it. Zero for none.
    pub clip: f32,
    /// Decay of the running average of the weights. Zero for none.
    pub average: f32,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decoupled: true,
            clip: 0.0,
            average: 0.0,
        }
    }
}

impl Optimiser {
    /// What is wrong with the settings, if anything: one sentence.
    pub fn fault(&self) -> Option<String> {
        positive_fault("lr", self.lr)
            .or_else(|| decay_fault("beta1", self.beta1))
            .or_else(|| decay_fault("beta2", self.beta2))
            .or_else(|| positive_fault("epsilon", self.epsilon))
            .or_else(|| not_negative_fault("weight_decay", self.weight_decay))
            .or_else(|| not_negative_fault("clip", self.clip))
            .or_else(|| decay_fault("average", self.average))
    }

    /// Pushes one update of all the network's weights by their gradients, which are zero afterwards.
    pub fn step(&self, s: &mut Schedule, memory: &Memory, weights: &Weights, rates: Buf) {
        let whole = |home| memory.whole(weights.place(home));
        let clip = (self.clip > 0.0).then_some(self.clip);
        s.scope(weights.name(), |s| {
            let norm = clip.map(|_| reduce::whole(s, "norm", whole(Home::Gradients), Kind::SumOfSquares));
            let config = Adam {
                beta1: self.beta1,
                beta2: self.beta2,
                epsilon: self.epsilon,
                weight_decay: self.weight_decay,
                decoupled: self.decoupled,
                clip,
                average: (self.average > 0.0).then_some(self.average),
            };
            adam(s, "adam", whole(Home::Values), rates, norm, &config);
        });
    }
}
