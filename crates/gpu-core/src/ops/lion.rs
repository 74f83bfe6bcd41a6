//! Lion over a network's flat arenas, in one pass: clipping, weight decay, step, momentum, zeroed gradient.
//!
//! w ← (1 − lr λ) w − lr sign(β₁ m + (1 − β₁) g), then m ← β₂ m + (1 − β₂) g: Chen et al., 2023, algorithm 2. Every
//! weight moves by the learning rate, which is 3 to 10 times smaller than Adam's for a network of the same kind.

use super::adam::Shared;
use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Arena, Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`LION`].
    pub struct LionParams {
        /// Elements.
        len: u32,
        /// β₁, the momentum's share in the step.
        beta1: f32,
        /// β₂, the decay of the momentum.
        beta2: f32,
        /// 1 − β₁, rounded once.
        one_minus_beta1: f32,
        /// 1 − β₂, rounded once.
        one_minus_beta2: f32,
        /// Weight decay; 0 for none.
        decay: f32,
        /// Largest norm of the gradient; 0 for no limit.
        clip: f32,
    }
}

const INVOCATIONS: usize = 64;
/// Elements of a workgroup.
const ELEMENTS: usize = 4 * INVOCATIONS;

/// One step of Lion.
pub static LION: Kernel = Kernel {
    name: "lion",
    op: "lion",
    source: shader!("lion", "grid", "nan", "clip"),
    bindings: &[update("w"), update("g"), update("m"), read("rates"), read("norm")],
    params: LionParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::lion::lion),
    gradient: Gradient::None("it consumes gradients"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&LION];

/// Settings of Lion; the learning rate comes from the device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Lion {
    /// The momentum's share in the step.
    pub beta1: f32,
    /// Decay of the momentum.
    pub beta2: f32,
    /// λ, which shrinks the weights directly; 0 for none.
    pub weight_decay: f32,
    /// Largest 2-norm of the whole gradient; a longer one is scaled down to it.
    pub clip: Option<f32>,
}

impl Default for Lion {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, weight_decay: 0.0, clip: None }
    }
}

/// The arenas of one network, all of one length.
#[derive(Clone, Copy, Debug)]
pub struct Arenas {
    /// Weights.
    pub w: Buf,
    /// Their gradients, zero afterwards.
    pub g: Buf,
    /// Momentum.
    pub m: Buf,
}

/// One step over the network whose whole parameter arena is `weights`, with its momentum in slot 0. `rates` is `f32
/// [4]`, the output of [`tick`](crate::ops::tick::tick); `norm` is `f32 [1]`, the sum of squares of the gradient,
/// needed only to clip.
///
/// # Panics
/// If `weights` is not a parameter arena, and as [`lion_with`].
pub fn lion(s: &mut Schedule, label: &str, weights: Buf, rates: Buf, norm: Option<Buf>, config: &Lion) {
    let arenas = Arenas { w: weights, g: weights.grad(), m: weights.sibling(Arena::OptimSlot(0)) };
    lion_with(s, label, arenas, rates, norm, config);
}

/// The same as [`lion`], with every arena given.
///
/// # Panics
/// If sizes differ or are not multiples of four, a constant is out of its range, or the gradient is clipped and `norm`
/// is not given.
pub fn lion_with(s: &mut Schedule, label: &str, arenas: Arenas, rates: Buf, norm: Option<Buf>, config: &Lion) {
    let Arenas { w, g, m } = arenas;
    let Lion { beta1, beta2, .. } = *config;
    assert!([g, m].iter().all(|buf| buf.len() == w.len()), "{label}: arenas of different sizes");
    assert!(w.len().is_multiple_of(4), "{label}: {} weights, which is not a multiple of four", w.len());
    assert!([beta1, beta2].iter().all(|x| (0.0..1.0).contains(x)), "{label}: betas of {beta1} and {beta2}");
    let shared = Shared::new(label, config.weight_decay, config.clip);
    let norm = shared.norm(label, norm, rates);
    let Shared { decay, clip } = shared;
    let params = LionParams {
        len: w.len() as u32,
        beta1,
        beta2,
        one_minus_beta1: 1.0 - beta1,
        one_minus_beta2: 1.0 - beta2,
        decay,
        clip,
    };
    let (grid, cost) = (Grid::Linear(w.len().div_ceil(ELEMENTS)), 10 * w.len() as u64);
    s.push(&LION, label, &[w, g, m, rates, norm], &params, grid, cost);
}
