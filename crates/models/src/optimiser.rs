//! The optimisers: settings, the state that each kind keeps, and the update of a network's arena.

use crate::network::Network;
use crate::validate::{Check, InvalidSetting, decay, ensure, not_negative, positive};
use gpu_core::ops::adam::{Adam, adam};
use gpu_core::ops::lion::{Lion, lion};
use gpu_core::ops::reduce::{self, Kind};
use gpu_core::ops::running_average::running_average;
use gpu_core::ops::sgd::{Sgd, sgd};
use gpu_core::ops::tick::Decay;
use gpu_core::{Arena, Buf, Memory, Schedule};
use serde::{Deserialize, Serialize};

/// The rule that turns gradients into steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Adam (Kingma and Ba, 2015); weight decay is added to the gradient.
    #[default]
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
    AdamW,
    /// Stochastic gradient descent, with or without momentum; weight decay is added to the gradient.
    Sgd,
    /// Lion (Chen et al., 2023); weight decay is decoupled.
    Lion,
}

impl OptimiserKind {
    /// All kinds.
    pub const ALL: &[Self] = &[Self::Adam, Self::AdamW, Self::Sgd, Self::Lion];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Sgd => "sgd",
            Self::Lion => "lion",
        }
    }
}

/// The course of the learning rate after its warm-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// No decay.
    Constant,
    /// Along a line.
    Linear,
    /// Along half a period of the cosine.
    Cosine,
    /// By a factor, at equal intervals.
    Step,
}

/// Settings of the optimiser. The defaults are PyTorch's.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// Kind: `adam`, `adamw`, `sgd` or `lion`.
    pub kind: OptimiserKind,
    /// Peak learning rate. Lion takes 3 to 10 times less than Adam.
    pub lr: f32,
    /// Steps over which the learning rate rises from zero; 0 for none.
    pub lr_warmup: usize,
    /// Course of the learning rate after the warm-up.
    pub lr_schedule: LrSchedule,
    /// Steps from the end of the warm-up to the end of the decay, or between the drops of `step`; 0 for the rest of the
    /// run.
    pub lr_decay_steps: usize,
    /// Share of these steps, between 0 and 1, before the learning rate begins to fall; not of `step`.
    pub lr_hold: f32,
    /// Share of the learning rate at the end of its decay, or the factor of each drop.
    pub lr_final: f32,
    /// Adam: decay of the first moment. Lion: share of the momentum in a step.
    pub beta1: f32,
    /// Adam: decay of the second moment. Lion: decay of the momentum; its paper has 0.99.
    pub beta2: f32,
    /// Adam: term added to the root of the second moment.
    pub epsilon: f32,
    /// SGD: decay of the momentum; 0 for none.
    pub momentum: f32,
    /// SGD: whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// Weight decay; 0 for none. `adam` and `sgd` add it to the gradient, `adamw` and `lion` apply it to the weights.
    pub weight_decay: f32,
    /// Largest norm of a network's whole gradient; a longer one is scaled down to it. 0 for no limit.
    pub clip: f32,
    /// Decay of the running average of the weights, to which it rises; 0 for none.
    pub average: f32,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Adam,
            lr: 1e-3,
            lr_warmup: 0,
            lr_schedule: LrSchedule::Constant,
            lr_decay_steps: 0,
            lr_hold: 0.0,
            lr_final: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            clip: 0.0,
            average: 0.0,
        }
    }
}

impl Optimiser {
    /// The state tensors of each parameter, by name: slot `i` lies in `Arena::OptimSlot(i)`, and a checkpoint has it as
    /// `optim.<slot>/<parameter>`.
    pub fn slots(&self) -> &'static [&'static str] {
        match self.kind {
            OptimiserKind::Adam | OptimiserKind::AdamW => &["m", "v"],
            OptimiserKind::Sgd if self.momentum > 0.0 => &["momentum"],
            OptimiserKind::Sgd => &[],
            OptimiserKind::Lion => &["m"],
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// The first invalid setting, by its full key.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.check().map_err(|invalid| invalid.within("optimiser"))
    }

    fn check(&self) -> Check {
        positive("lr", self.lr)?;
        decay("beta1", self.beta1)?;
        decay("beta2", self.beta2)?;
        positive("epsilon", self.epsilon)?;
        decay("momentum", self.momentum)?;
        not_negative("weight_decay", self.weight_decay)?;
        not_negative("clip", self.clip)?;
        decay("average", self.average)?;
        let Self { kind, momentum, nesterov, lr_schedule, lr_decay_steps, lr_hold, lr_final, .. } = *self;
        let sgd = kind == OptimiserKind::Sgd;
        ensure(sgd || momentum == 0.0, "momentum", || format!("needs optimiser.kind = sgd (got {})", kind.name()))?;
        ensure(sgd || !nesterov, "nesterov", || format!("needs optimiser.kind = sgd (got {})", kind.name()))?;
        ensure(!nesterov || momentum > 0.0, "nesterov", || "needs optimiser.momentum, as in momentum = 0.9".into())?;
        ensure((0.0..1.0).contains(&lr_hold), "lr_hold", || format!("must be at least 0 and below 1 (got {lr_hold})"))?;
        ensure((0.0..=1.0).contains(&lr_final), "lr_final", || format!("must be between 0 and 1 (got {lr_final})"))?;
        let steps = lr_schedule == LrSchedule::Step;
        ensure(!steps || (lr_decay_steps > 0 && lr_final > 0.0), "lr_schedule", || {
            "= step needs optimiser.lr_decay_steps and optimiser.lr_final, as in lr_decay_steps = 2000 and \
             lr_final = 0.5"
                .into()
        })
    }

    /// True if the learning rate is zero from `step` on.
    pub fn has_fallen_to_nothing(&self, step: u64) -> bool {
        let fallen = step >= (self.lr_warmup + self.lr_decay_steps) as u64;
        matches!(self.lr_schedule, LrSchedule::Linear | LrSchedule::Cosine) && self.lr_final == 0.0 && fallen
    }

    /// Steps at the peak and the decay after them, as the kernel `tick` takes them.
    pub(crate) fn hold_and_decay(&self) -> (usize, Decay) {
        let (steps, share) = (self.lr_decay_steps.max(1), self.lr_final);
        // A share below one leaves at least one step.
        let hold = (f64::from(self.lr_hold) * steps as f64) as usize;
        match self.lr_schedule {
            LrSchedule::Constant => (0, Decay::Constant),
            LrSchedule::Linear => (hold, Decay::Linear(steps - hold, share)),
            LrSchedule::Cosine => (hold, Decay::Cosine(steps - hold, share)),
            LrSchedule::Step => (0, Decay::Steps(steps, share)),
        }
    }

    /// The same course of the learning rate, to a step, under a clock that ticks `times` as often.
    pub(crate) fn ticking(self, times: usize) -> Self {
        let more = |steps: usize| steps.saturating_mul(times);
        Self { lr_warmup: more(self.lr_warmup), lr_decay_steps: more(self.lr_decay_steps), ..self }
    }

    /// Pushes one update of all the network's weights by their gradients, which are zero afterwards, and of the running
    /// averages, if they are kept.
    pub fn step(&self, s: &mut Schedule, memory: &Memory, network: &Network, clock: Buf, rates: Buf) {
        let whole = |arena| memory.whole(network.weights.arena(arena));
        let clip = (self.clip > 0.0).then_some(self.clip);
        let Self { kind, beta1, beta2, epsilon, momentum, nesterov, weight_decay, .. } = *self;
        let w = whole(Arena::Values);
        s.scope(network.weights.name(), |s| {
            let norm = clip.map(|_| reduce::whole(s, "norm", whole(Arena::Gradients), Kind::SumOfSquares));
            match kind {
                OptimiserKind::Adam | OptimiserKind::AdamW => {
                    let decoupled = kind == OptimiserKind::AdamW;
                    adam(s, "adam", w, rates, norm, &Adam { beta1, beta2, epsilon, weight_decay, decoupled, clip });
                }
                OptimiserKind::Sgd => {
                    sgd(s, "sgd", w, rates, norm, &Sgd { momentum, nesterov, weight_decay, clip });
                }
                OptimiserKind::Lion => lion(s, "lion", w, rates, norm, &Lion { beta1, beta2, weight_decay, clip }),
            }
            if self.average > 0.0 {
                running_average(s, "average", w.sibling(Arena::Average), w, clock, self.average);
                for state in &network.states {
                    let Some(average) = state.average else { continue };
                    s.scope(&state.name, |s| running_average(s, "average", average, state.buf, clock, self.average));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_a_share_of_the_decay() {
        let of = |lr_schedule, lr_decay_steps, lr_hold| {
            Optimiser { lr_schedule, lr_decay_steps, lr_hold, lr_final: 0.5, ..Optimiser::default() }.hold_and_decay()
        };
        assert_eq!(of(LrSchedule::Linear, 1000, 0.25), (250, Decay::Linear(750, 0.5)));
        assert_eq!(of(LrSchedule::Cosine, 1000, 0.0), (0, Decay::Cosine(1000, 0.5)));
        assert_eq!(of(LrSchedule::Step, 1000, 0.25), (0, Decay::Steps(1000, 0.5)));
        assert_eq!(of(LrSchedule::Constant, 1000, 0.25), (0, Decay::Constant));
        // The largest share leaves a step.
        let most = 1.0 - f32::EPSILON / 2.0;
        assert_eq!(of(LrSchedule::Linear, 7, most), (6, Decay::Linear(1, 0.5)));
        assert_eq!(of(LrSchedule::Linear, 0, most), (0, Decay::Linear(1, 0.5)));
    }
}
