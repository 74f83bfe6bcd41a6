//! Stochastic gradient descent over a network's flat arenas, in one pass: clipping, weight decay, momentum, step,
//! zeroed gradient.
//!
//! PyTorch's form without dampening: b ← μ b + g, then w −= lr b, or with Nesterov's momentum w −= lr (g + μ b). Weight
//! decay is coupled: it is added to the gradient.

use super::adam::Shared;
use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Arena, Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct SgdParams {
        /// Elements.
        len: u32,
        /// 1 for Nesterov's momentum, else 0.
        nesterov: u32,
        /// μ, the decay of the momentum.
        mu: f32,
        /// Weight decay; 0 for none.
        decay: f32,
        /// Largest norm of the gradient; 0 for no limit.
        clip: f32,
    }
}

const INVOCATIONS: usize = 64;
/// Elements of a workgroup.
const ELEMENTS: usize = 4 * INVOCATIONS;

/// One step.
pub static SGD: Kernel = Kernel {
    name: "sgd",
    op: "sgd",
    source: shader!("sgd", "grid", "clip"),
    bindings: &[update("w"), update("g"), read("rates"), read("norm")],
    params: SgdParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::sgd::sgd),
    gradient: Gradient::None("it consumes gradients"),
};

/// One step with momentum.
pub static SGD_MOMENTUM: Kernel = Kernel {
    name: "sgd_momentum",
    bindings: &[update("w"), update("g"), read("rates"), read("norm"), update("momentum")],
    reference: functions!(reference::sgd::sgd_momentum),
    ..SGD
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&SGD, &SGD_MOMENTUM];

/// Settings of stochastic gradient descent; the learning rate comes from the device.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sgd {
    /// μ, the decay of the momentum; 0 for none, and then no buffer holds one.
    pub momentum: f32,
    /// Looks ahead by the momentum (Nesterov).
    pub nesterov: bool,
    /// λ, added to the gradient as λ w; 0 for none.
    pub weight_decay: f32,
    /// Largest 2-norm of the whole gradient; a longer one is scaled down to it.
    pub clip: Option<f32>,
}

/// The arenas of one network, all of one length.
#[derive(Clone, Copy, Debug)]
pub struct Arenas {
    /// Weights.
    pub w: Buf,
    /// Their gradients, zero afterwards.
    pub g: Buf,
    /// Momentum; bound only if [`Sgd::momentum`] is above 0.
    pub momentum: Buf,
}

/// One step over the network whose whole parameter arena is `weights`, with its momentum in slot 0. `rates` is
/// `f32 [4]`, the output of [`tick`](crate::ops::tick::tick); `norm` is `f32 [1]`, the sum of squares of the gradient,
/// needed only to clip.
///
/// # Panics
/// If `weights` is not a parameter arena, and as [`sgd_with`].
pub fn sgd(s: &mut Schedule, label: &str, weights: Buf, rates: Buf, norm: Option<Buf>, config: &Sgd) {
    let arenas = Arenas { w: weights, g: weights.grad(), momentum: weights.sibling(Arena::OptimSlot(0)) };
    sgd_with(s, label, arenas, rates, norm, config);
}

/// The same as [`sgd`], with every arena given.
///
/// # Panics
/// If sizes differ or are not multiples of four, a constant is out of its range, Nesterov's momentum is 0, or the
/// gradient is clipped and `norm` is not given.
pub fn sgd_with(s: &mut Schedule, label: &str, arenas: Arenas, rates: Buf, norm: Option<Buf>, config: &Sgd) {
    let Arenas { w, g, momentum } = arenas;
    let Sgd { momentum: mu, nesterov, .. } = *config;
    assert!((0.0..1.0).contains(&mu), "{label}: a momentum of {mu}");
    assert!(mu > 0.0 || !nesterov, "{label}: Nesterov's momentum of 0");
    let shared = Shared::new(label, config.weight_decay, config.clip);
    let norm = shared.norm(label, norm, rates);
    let mut bufs = vec![w, g, rates, norm];
    bufs.extend((mu > 0.0).then_some(momentum));
    assert!([g].iter().chain(&bufs[4..]).all(|buf| buf.len() == w.len()), "{label}: arenas of different sizes");
    assert!(w.len().is_multiple_of(4), "{label}: {} weights, which is not a multiple of four", w.len());
    let kernel = if mu > 0.0 { &SGD_MOMENTUM } else { &SGD };
    let Shared { decay, clip } = shared;
    let params = SgdParams { len: w.len() as u32, nesterov: nesterov.into(), mu, decay, clip };
    let grid = Grid::Linear(w.len().div_ceil(ELEMENTS));
    s.push(kernel, label, &bufs, &params, grid, 8 * w.len() as u64);
}
