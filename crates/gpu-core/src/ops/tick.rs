//! What changes with every step, computed on the device: where the batch starts, and the rates that depend on time.
//!
//! `clock` is `u32 [4]`: the step, counted from one; the epoch, from zero; the first position of the batch in the
//! epoch's order; and the first position of the next batch. `rates` is `f32 [4]`: the learning rate, 1 − β₁ᵗ,
//! 1 − β₂ᵗ, and the weight of the KL term. Both start at zero and live as long as the run.

use crate::schedule::kernel::{Gradient, Kernel, update};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

params! {
    /// The uniform of the kernel.
    pub struct TickParams {
        /// Rows of the batch.
        batch: u32,
        /// Rows of an epoch.
        count: u32,
        /// Steps over which the KL weight rises from zero.
        kl_warmup: u32,
        /// Steps over which the learning rate rises from zero.
        lr_warmup: u32,
        /// How it falls then: see [`Decay`].
        decay: u32,
        /// Steps over which, or after each of which.
        span: u32,
        /// The share that is left at the end, or each time.
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
        /// The KL weight after the rise.
        kl_weight: f32,
    }
}

/// Moves `clock` and `rates` on by one step.
pub static TICK: Kernel = Kernel {
    name: "tick",
    op: "tick",
    source: shader!("tick"),
    bindings: &[update("clock").of_u32(), update("rates")],
    params: TickParams::FIELDS,
    overrides: &[],
    workgroup: [1, 1, 1],
    variants: &[],
    reference: reference::tick::tick,
    gradient: Gradient::None("it counts"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&TICK];

/// How the learning rate falls, counted from the end of its rise.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Decay {
    /// Not at all.
    #[default]
    Constant,
    /// In a line, over so many steps, to a share of it.
    Linear(usize, f32),
    /// Along half a period of the cosine, over so many steps, to a share of it (Loshchilov and Hutter, 2017).
    Cosine(usize, f32),
    /// After each so many steps, to a share of what it was.
    Steps(usize, f32),
}

impl Decay {
    /// Its number, steps and share, as the kernel has them.
    fn parts(self) -> (u32, usize, f32) {
        match self {
            Self::Constant => (0, 1, 1.0),
            Self::Linear(steps, share) => (1, steps, share),
            Self::Cosine(steps, share) => (2, steps, share),
            Self::Steps(steps, share) => (3, steps, share),
        }
    }
}

/// What one step takes and how fast it learns.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tick {
    /// Rows of this step's batch.
    pub batch: usize,
    /// Rows of an epoch.
    pub count: usize,
    /// The learning rate at its height.
    pub lr: f32,
    /// Steps over which it rises linearly from zero; 0 for none.
    pub lr_warmup: usize,
    /// How it falls after.
    pub decay: Decay,
    /// Adam's β₁.
    pub beta1: f32,
    /// Adam's β₂.
    pub beta2: f32,
    /// The weight of the KL term.
    pub kl_weight: f32,
    /// Steps over which that weight rises linearly from zero; 0 for none.
    pub kl_warmup: usize,
}

/// Moves `clock`, `u32 [4]`, and `rates`, `f32 [4]`, on by one step.
///
/// # Panics
/// When one of them is not `[4]`, the batch is empty or larger than an epoch, the epoch is longer than 2³¹ − 1,
/// a β is not in [0, 1), or the learning rate falls over no steps, to a share that is not in [0, 1], or by steps to
/// nothing.
pub fn tick(s: &mut Schedule, label: &str, clock: Buf, rates: Buf, step: Tick) {
    let Tick { batch, count, lr, lr_warmup, decay, beta1, beta2, kl_weight, kl_warmup } = step;
    let (kind, span, low) = decay.parts();
    assert!(clock.len() == 4 && rates.len() == 4, "{label}: a clock of {}, rates of {}", clock.shape, rates.shape);
    assert!((1..=count).contains(&batch) && count <= i32::MAX as usize, "{label}: a batch of {batch} out of {count}");
    assert!([beta1, beta2].iter().all(|beta| (0.0..1.0).contains(beta)), "{label}: betas of {beta1} and {beta2}");
    let nothing = low == 0.0 && matches!(decay, Decay::Steps(..));
    assert!(span > 0 && (0.0..=1.0).contains(&low) && !nothing, "{label}: a rate that falls by {decay:?}");
    let word = |steps: usize| u32::try_from(steps).unwrap_or(u32::MAX);
    let params = TickParams {
        batch: batch as u32,
        count: count as u32,
        kl_warmup: word(kl_warmup),
        lr_warmup: word(lr_warmup),
        decay: kind,
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
