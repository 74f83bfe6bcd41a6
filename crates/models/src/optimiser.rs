//! Adam and AdamW over a network's arena.

use crate::validate::{Check, InvalidSetting, decay, ensure, not_negative, positive};
use gpu_core::ops::adam::{Adam, adam};
use gpu_core::ops::reduce::{self, Kind};
use gpu_core::ops::tick::Decay;
use gpu_core::{Arena, Buf, Memory, Schedule, Weights};
use serde::{Deserialize, Serialize};

/// How the learning rate falls after its rise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    /// Not at all.
    Constant,
    /// In a line.
    Linear,
    /// As half a period of the cosine.
    Cosine,
    /// By a factor, again and again.
    Step,
}

/// How weights move along their gradients. The defaults are PyTorch's, with the learning rate of Kingma and Ba.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// Learning rate, at its height.
    pub lr: f32,
    /// Steps over which it rises from zero; zero for none.
    pub warmup: usize,
    /// How it falls after them.
    pub schedule: LrSchedule,
    /// Steps over which it falls, or after each of which it does by a step; zero for all that are left of the run.
    pub decay_steps: usize,
    /// The share of the learning rate that is left then.
    pub lr_final: f32,
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
            warmup: 0,
            schedule: LrSchedule::Constant,
            decay_steps: 0,
            lr_final: 0.0,
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
        not_negative("weight_decay", self.weight_decay)?;
        not_negative("clip", self.clip)?;
        decay("average", self.average)?;
        let (share, steps) = (self.lr_final, self.decay_steps);
        ensure((0.0..=1.0).contains(&share), "lr_final", || format!("must be between 0 and 1 (got {share})"))?;
        ensure(self.schedule != LrSchedule::Step || (steps > 0 && share > 0.0), "schedule", || {
            "= step needs optimiser.decay_steps and optimiser.lr_final, as in decay_steps = 2000 and lr_final = 0.5".into()
        })
    }

    /// Whether after so many steps the learning rate is zero for good.
    pub fn has_fallen_to_nothing(&self, step: u64) -> bool {
        let fallen = step >= (self.warmup + self.decay_steps) as u64;
        matches!(self.schedule, LrSchedule::Linear | LrSchedule::Cosine) && self.lr_final == 0.0 && fallen
    }

    /// How the learning rate falls, as the kernel counts it.
    pub(crate) fn decay(&self) -> Decay {
        let (steps, share) = (self.decay_steps.max(1), self.lr_final);
        match self.schedule {
            LrSchedule::Constant => Decay::Constant,
            LrSchedule::Linear => Decay::Linear(steps, share),
            LrSchedule::Cosine => Decay::Cosine(steps, share),
            LrSchedule::Step => Decay::Steps(steps, share),
        }
    }

    /// The same in time with a clock that ticks `times` as often.
    pub(crate) fn ticking(self, times: usize) -> Self {
        let more = |steps: usize| steps.saturating_mul(times);
        Self { warmup: more(self.warmup), decay_steps: more(self.decay_steps), ..self }
    }

    /// Pushes one update of all the network's weights by their gradients, which are zero afterwards.
    pub fn step(&self, s: &mut Schedule, memory: &Memory, weights: &Weights, rates: Buf) {
        let whole = |arena| memory.whole(weights.arena(arena));
        let clip = (self.clip > 0.0).then_some(self.clip);
        s.scope(weights.name(), |s| {
            let norm = clip.map(|_| reduce::whole(s, "norm", whole(Arena::Gradients), Kind::SumOfSquares));
            let config = Adam {
                beta1: self.beta1,
                beta2: self.beta2,
                epsilon: self.epsilon,
                weight_decay: self.weight_decay,
                decoupled: self.decoupled,
                clip,
                average: (self.average > 0.0).then_some(self.average),
            };
            adam(s, "adam", whole(Arena::Values), rates, norm, &config);
        });
    }
}
