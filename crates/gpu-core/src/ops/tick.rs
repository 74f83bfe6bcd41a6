//! Values that change with every step, computed on the device: the start of the batch and the scheduled rates.
//!
//! `clock` is `u32 [4]`: the step, counted from one; the epoch, from zero; the first position of the batch in the
//! epoch's order; and the first position of the next batch. `rates` is `f32 [4]`: the learning rate, 1 − β₁ᵗ,
//! 1 − β₂ᵗ, and the weight of the KL term. Both start at zero and persist for the whole run.

use crate::schedule::kernel::{Gradient, Kernel, update};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of the kernel.
    pub struct TickParams {
        /// Rows of the batch.
        batch: u32,
        /// Rows of an epoch.
        count: u32,
        /// Steps of the linear warm-up of the KL weight.
        kl_warmup: u32,
        /// Steps of the linear warm-up of the learning rate.
        lr_warmup: u32,
        /// Steps at the peak between the warm-up and the decay.
        hold: u32,
        /// [`DecayKind::code`] of the decay after them.
        decay: u32,
        /// Steps of the decay, or between its steps.
        span: u32,
        /// The factor reached at the end, or applied at each step.
        low: f32,
        /// The learning rate.
        lr: f32,
        /// Adam's β₁.
        beta1: f32,
        /// Adam's β₂.
        beta2: f32,
        /// 1 − β₁, rounded once.
        one_minus_beta1: f32,
        /// 1 − β₂, rounded once.
        one_minus_beta2: f32,
        /// The KL weight after its warm-up.
        kl_weight: f32,
    }
}

/// Advances `clock` and `rates` by one step.
pub static TICK: Kernel = Kernel {
    name: "tick",
    op: "tick",
    source: shader!("tick", "nan", "elementary"),
    bindings: &[update("clock").of_u32(), update("rates")],
    params: TickParams::FIELDS,
    overrides: &[],
    workgroup: [1, 1, 1],
    variants: &[],
    reference: functions!(reference::tick::tick),
    gradient: Gradient::None("a counter"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&TICK];

kinds! {
    /// The kind of a [`Decay`], as the shader knows it.
    DecayKind {
        /// None.
        Constant = 0;
        /// Linear.
        Linear = 1;
        /// Half a period of the cosine.
        Cosine = 2;
        /// Multiplication at intervals.
        Steps = 3;
    }
}

/// The decay of the learning rate, counted from the end of its warm-up and of the steps at its peak.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Decay {
    /// None.
    #[default]
    Constant,
    /// Linear over a number of steps to a factor (PyTorch's `LinearLR`).
    Linear(usize, f32),
    /// Half a period of the cosine over a number of steps to a factor (Loshchilov and Hutter, 2017).
    Cosine(usize, f32),
    /// Multiplication by a factor at intervals of steps (PyTorch's `StepLR`).
    Steps(usize, f32),
}

impl Decay {
    /// Its kind, steps and factor, as in the kernel.
    fn parts(self) -> (DecayKind, usize, f32) {
        match self {
            Self::Constant => (DecayKind::Constant, 1, 1.0),
            Self::Linear(steps, share) => (DecayKind::Linear, steps, share),
            Self::Cosine(steps, share) => (DecayKind::Cosine, steps, share),
            Self::Steps(steps, share) => (DecayKind::Steps, steps, share),
        }
    }
}

/// The batch and the rates of one step.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tick {
    /// Rows of this step's batch.
    pub batch: usize,
    /// Rows of an epoch.
    pub count: usize,
    /// The peak learning rate.
    pub lr: f32,
    /// Steps of its linear warm-up from zero; 0 for none.
    pub lr_warmup: usize,
    /// Steps at the peak after the warm-up, before the decay begins; 0 for none.
    pub lr_hold: usize,
    /// Its decay after them.
    pub decay: Decay,
    /// Adam's β₁.
    pub beta1: f32,
    /// Adam's β₂.
    pub beta2: f32,
    /// The weight of the KL term.
    pub kl_weight: f32,
    /// Steps of the linear warm-up of that weight from zero; 0 for none.
    pub kl_warmup: usize,
}

/// Advances `clock`, `u32 [4]`, and `rates`, `f32 [4]`, by one step. A batch that would pass the end of the epoch
/// starts the next one, which leaves out the rows between.
///
/// # Panics
/// If one of them is not `[4]`, the batch is empty or larger than an epoch, the epoch is longer than 2³¹ − 1, a β is
/// not in [0, 1), or the decay takes no steps, or its factor is not in [0, 1] or is 0 for [`Decay::Steps`].
pub fn tick(s: &mut Schedule, label: &str, clock: Buf, rates: Buf, step: Tick) {
    let Tick { batch, count, lr, lr_warmup, lr_hold, decay, beta1, beta2, kl_weight, kl_warmup } = step;
    let (kind, span, low) = decay.parts();
    assert!(clock.len() == 4 && rates.len() == 4, "{label}: clock has shape {}, rates {}", clock.shape, rates.shape);
    assert!((1..=count).contains(&batch) && count <= i32::MAX as usize, "{label}: a batch of {batch} out of {count}");
    assert!([beta1, beta2].iter().all(|beta| (0.0..1.0).contains(beta)), "{label}: betas of {beta1} and {beta2}");
    let nothing = low == 0.0 && matches!(decay, Decay::Steps(..));
    assert!(span > 0 && (0.0..=1.0).contains(&low) && !nothing, "{label}: invalid decay {decay:?}");
    let word = |steps: usize| u32::try_from(steps).unwrap_or(u32::MAX);
    let params = TickParams {
        batch: batch as u32,
        count: count as u32,
        kl_warmup: word(kl_warmup),
        lr_warmup: word(lr_warmup),
        hold: word(lr_hold),
        decay: kind.code(),
        span: word(span),
        low,
        lr,
        beta1,
        beta2,
        one_minus_beta1: 1.0 - beta1,
        one_minus_beta2: 1.0 - beta2,
        kl_weight,
    };
    s.push(&TICK, label, &[clock, rates], &params, Grid::Linear(1), 8);
}
