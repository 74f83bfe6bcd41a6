//! What changes with every step, computed on the device: where the batch starts, and the rates that depend on time.
//!
//! `clock` is `u32 [4]`: the step, counted from one; the epoch, from zero; the first position of the batch in the
//! epoch's order; and the first position of the next batch. `rates` is `f32 [4]`: the learning rate, 1 − β₁ᵗ,
//! 1 − β₂ᵗ, and the weight of the KL term. Both start at zero and live as long as the run.

use crate::kernel::{Gradient, Kernel, update};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

params! {
    /// The uniform of the kernel.
    pub struct TickParams {
        /// Rows of the batch.
        batch: u32,
        /// Rows of an epoch.
        count: u32,
        /// Steps over which the KL weight rises from zero.
        warmup: u32,
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

/// What one step takes and how fast it learns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tick {
    /// Rows of this step's batch.
    pub batch: usize,
    /// Rows of an epoch.
    pub count: usize,
    /// The learning rate.
    pub lr: f32,
    /// Adam's β₁.
    pub beta1: f32,
    /// Adam's β₂.
    pub beta2: f32,
    /// The weight of the KL term.
    pub kl_weight: f32,
    /// Steps over which that weight rises linearly from zero; 0 for none.
    pub warmup: usize,
}

/// Moves `clock`, `u32 [4]`, and `rates`, `f32 [4]`, on by one step.
///
/// # Panics
/// When one of them is not `[4]`, the batch is empty or larger than an epoch, the epoch is longer than 2³¹ − 1,
/// or a β is not in [0, 1).
pub fn tick(s: &mut Schedule, label: &str, clock: Buf, rates: Buf, step: Tick) {
    let Tick { batch, count, lr, beta1, beta2, kl_weight, warmup } = step;
    assert!(clock.len() == 4 && rates.len() == 4, "{label}: a clock of {}, rates of {}", clock.shape, rates.shape);
    assert!((1..=count).contains(&batch) && count <= i32::MAX as usize, "{label}: a batch of {batch} out of {count}");
    assert!([beta1, beta2].iter().all(|beta| (0.0..1.0).contains(beta)), "{label}: betas of {beta1} and {beta2}");
    let params = TickParams {
        batch: batch as u32,
        count: count as u32,
        warmup: u32::try_from(warmup).unwrap_or(u32::MAX),
        lr,
        beta1,
        beta2,
        one_minus_beta1: 1.0 - beta1,
        one_minus_beta2: 1.0 - beta2,
        kl_weight,
    };
    s.push(&TICK, label, &[clock, rates], &params, Grid::Linear(1), 8);
}
