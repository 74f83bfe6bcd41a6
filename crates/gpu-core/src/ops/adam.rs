//! Adam over a network's flat arenas, in one pass: clipping, weight decay, moments, step, zeroed gradient.
//!
//! PyTorch's form: w −= lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε), with the corrections 1 − βᵗ from
//! [`tick`](crate::ops::tick).

use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Arena, Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`ADAM`].
    pub struct AdamParams {
        /// Elements.
        len: u32,
        /// 1 if weight decay acts on the weights directly (`AdamW`), 0 if through the gradient.
        decoupled: u32,
        /// β₁.
        beta1: f32,
        /// β₂.
        beta2: f32,
        /// 1 − β₁, rounded once.
        one_minus_beta1: f32,
        /// 1 − β₂, rounded once.
        one_minus_beta2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Weight decay; 0 for none.
        decay: f32,
        /// Largest norm of the gradient; 0 for no limit.
        clip: f32,
    }
}

const INVOCATIONS: usize = 64;
/// Elements of a workgroup.
const ELEMENTS: usize = 4 * INVOCATIONS;

/// One step of Adam.
pub static ADAM: Kernel = Kernel {
    name: "adam",
    op: "adam",
    source: shader!("adam", "grid", "clip"),
    bindings: &[update("w"), update("g"), update("m"), update("v"), read("rates"), read("norm")],
    params: AdamParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::adam::adam),
    gradient: Gradient::None("it consumes gradients"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&ADAM];

/// Settings of Adam; the learning rate comes from the device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adam {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
    /// λ; 0 for none.
    pub weight_decay: f32,
    /// Shrinks the weights by λ directly (`AdamW`) instead of adding λ w to the gradient.
    pub decoupled: bool,
    /// Largest 2-norm of the whole gradient; a longer one is scaled down to it.
    pub clip: Option<f32>,
}

impl Default for Adam {
    fn default() -> Self {
        let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
        Self { beta1, beta2, epsilon, weight_decay: 0.0, decoupled: true, clip: None }
    }
}

/// The arenas of one network, all of one length.
#[derive(Clone, Copy, Debug)]
pub struct Arenas {
    /// Weights.
    pub w: Buf,
    /// Their gradients, zero afterwards.
    pub g: Buf,
    /// First moments.
    pub m: Buf,
    /// Second moments.
    pub v: Buf,
}

/// One step over the network whose whole parameter arena is `weights`. `rates` is `f32 [4]`, the output of
/// [`tick`](crate::ops::tick::tick); `norm` is `f32 [1]`, the sum of squares of the gradient, needed only to clip.
///
/// # Panics
/// If `weights` is not a parameter arena, and as [`adam_with`].
pub fn adam(s: &mut Schedule, label: &str, weights: Buf, rates: Buf, norm: Option<Buf>, config: &Adam) {
    let arenas = Arenas {
        w: weights,
        g: weights.grad(),
        m: weights.sibling(Arena::OptimSlot(0)),
        v: weights.sibling(Arena::OptimSlot(1)),
    };
    adam_with(s, label, arenas, rates, norm, config);
}

/// The same as [`adam`], with every arena given.
///
/// # Panics
/// If sizes differ or are not multiples of four, a constant is out of its range, or the gradient is clipped and `norm`
/// is not given.
pub fn adam_with(s: &mut Schedule, label: &str, arenas: Arenas, rates: Buf, norm: Option<Buf>, config: &Adam) {
    let Arenas { w, g, m, v } = arenas;
    assert!([g, m, v].iter().all(|buf| buf.len() == w.len()), "{label}: arenas of different sizes");
    assert!(w.len().is_multiple_of(4), "{label}: {} weights, which is not a multiple of four", w.len());
    let shared = Shared::new(label, config.weight_decay, config.clip);
    let norm = shared.norm(label, norm, rates);
    let params = parameters(label, w.len(), config, shared);
    let (grid, cost) = (Grid::Linear(w.len().div_ceil(ELEMENTS)), 16 * w.len() as u64);
    s.push(&ADAM, label, &[w, g, m, v, rates, norm], &params, grid, cost);
}

fn parameters(label: &str, len: usize, config: &Adam, shared: Shared) -> AdamParams {
    let Adam { beta1, beta2, epsilon, decoupled, .. } = *config;
    let Shared { decay, clip } = shared;
    assert!([beta1, beta2].iter().all(|x| (0.0..1.0).contains(x)), "{label}: betas of {beta1} and {beta2}");
    assert!(epsilon > 0.0, "{label}: epsilon {epsilon}");
    AdamParams {
        len: len as u32,
        decoupled: decoupled.into(),
        beta1,
        beta2,
        one_minus_beta1: 1.0 - beta1,
        one_minus_beta2: 1.0 - beta2,
        epsilon,
        decay,
        clip,
    }
}

/// The terms that every optimiser shares, as its uniform holds them.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// Weight decay; 0 for none.
    pub(crate) decay: f32,
    /// Largest norm of the gradient; 0 for no limit.
    pub(crate) clip: f32,
}

impl Shared {
    /// Checks and converts the terms.
    ///
    /// # Panics
    /// If the weight decay is negative or the clipping norm is not above 0.
    pub(crate) fn new(label: &str, weight_decay: f32, clip: Option<f32>) -> Self {
        assert!(weight_decay >= 0.0, "{label}: weight decay {weight_decay}");
        assert!(clip.is_none_or(|clip| clip > 0.0), "{label}: clipping to {clip:?}");
        Self { decay: weight_decay, clip: clip.unwrap_or(0.0) }
    }

    /// The buffer to bind as the norm of the gradient: `rates`, unread, if nothing is clipped.
    ///
    /// # Panics
    /// If `rates` is not `[4]`, or the gradient is clipped and `norm` is not given.
    pub(crate) fn norm(&self, label: &str, norm: Option<Buf>, rates: Buf) -> Buf {
        assert_eq!(rates.len(), 4, "{label}: rates of shape {}", rates.shape);
        match norm {
            Some(norm) if self.clip > 0.0 => norm,
            _ => {
                assert!(self.clip == 0.0, "{label}: clipping needs the norm of the gradient");
                rates
            }
        }
    }
}
