//! Stochastic gradient descent over a network's flat arenas, in one pass: clipping, weight decay, momentum, step,
//! average, zeroed gradient.
//!
//! PyTorch's form without dampening: b ← μ b + g, then w −= lr b, or with Nesterov's momentum w −= lr (g + μ b). Weight
//! decay is coupled: it is added to the gradient.

use super::adam::Shared;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update};
use crate::{Arena, Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of all four kernels.
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
        /// Share of the average that stays.
        keep: f32,
        /// 1 − keep, rounded once.
        one_minus_keep: f32,
    }
}

const INVOCATIONS: usize = 64;
/// Elements of a workgroup.
const ELEMENTS: usize = 4 * INVOCATIONS;

const fn kernel(name: &'static str, bindings: &'static [Binding], reference: Functions) -> Kernel {
    Kernel {
        name,
        op: "sgd",
        source: shader!("sgd", "grid", "clip"),
        bindings,
        params: SgdParams::FIELDS,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::None("it consumes gradients"),
    }
}

const W: Binding = update("w");
const G: Binding = update("g");
const RATES: Binding = read("rates");
const NORM: Binding = read("norm");
const MOMENTUM: Binding = update("momentum");

/// One step.
pub static SGD: Kernel = kernel("sgd", &[W, G, RATES, NORM], functions!(reference::sgd::sgd));
/// One step, and the running average of the weights.
pub static SGD_AVERAGED: Kernel =
    kernel("sgd_averaged", &[W, G, RATES, NORM, update("average")], functions!(reference::sgd::sgd_averaged));
/// One step with momentum.
pub static SGD_MOMENTUM: Kernel =
    kernel("sgd_momentum", &[W, G, RATES, NORM, MOMENTUM], functions!(reference::sgd::sgd_momentum));
/// One step with momentum, and the running average of the weights.
pub static SGD_MOMENTUM_AVERAGED: Kernel = kernel(
    "sgd_momentum_averaged",
    &[W, G, RATES, NORM, MOMENTUM, update("average_last")],
    functions!(reference::sgd::sgd_momentum_averaged),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&SGD, &SGD_AVERAGED, &SGD_MOMENTUM, &SGD_MOMENTUM_AVERAGED];

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
    /// Share of the running average of the weights that stays in each step.
    pub average: Option<f32>,
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
    /// Running average of the weights; bound only if [`Sgd::average`] is set.
    pub average: Buf,
}

/// One step over the network whose whole parameter arena is `weights`, with its momentum in slot 0. `rates` is
/// `f32 [4]`, the output of [`tick`](crate::ops::tick::tick); `norm` is `f32 [1]`, the sum of squares of the gradient,
/// needed only to clip.
///
/// # Panics
/// If `weights` is not a parameter arena, and as [`sgd_with`].
pub fn sgd(s: &mut Schedule, label: &str, weights: Buf, rates: Buf, norm: Option<Buf>, config: &Sgd) {
    let arenas = Arenas {
        w: weights,
        g: weights.grad(),
        momentum: weights.sibling(Arena::OptimSlot(0)),
        average: weights.sibling(Arena::Average),
    };
    sgd_with(s, label, arenas, rates, norm, config);
}

/// The same as [`sgd`], with every arena given.
///
/// # Panics
/// If sizes differ or are not multiples of four, a constant is out of its range, Nesterov's momentum is 0, or the
/// gradient is clipped and `norm` is not given.
pub fn sgd_with(s: &mut Schedule, label: &str, arenas: Arenas, rates: Buf, norm: Option<Buf>, config: &Sgd) {
    let Arenas { w, g, momentum, average } = arenas;
    let Sgd { momentum: mu, nesterov, .. } = *config;
    assert!((0.0..1.0).contains(&mu), "{label}: a momentum of {mu}");
    assert!(mu > 0.0 || !nesterov, "{label}: Nesterov's momentum of 0");
    let shared = Shared::new(label, config.weight_decay, config.clip, config.average);
    let norm = shared.norm(label, norm, rates);
    let mut bufs = vec![w, g, rates, norm];
    bufs.extend((mu > 0.0).then_some(momentum));
    bufs.extend(config.average.map(|_| average));
    assert!([g].iter().chain(&bufs[4..]).all(|buf| buf.len() == w.len()), "{label}: arenas of different sizes");
    assert!(w.len().is_multiple_of(4), "{label}: {} weights, which is not a multiple of four", w.len());
    let kernel = match (mu > 0.0, config.average.is_some()) {
        (false, false) => &SGD,
        (false, true) => &SGD_AVERAGED,
        (true, false) => &SGD_MOMENTUM,
        (true, true) => &SGD_MOMENTUM_AVERAGED,
    };
    let Shared { decay, clip, keep, one_minus_keep } = shared;
    let params = SgdParams { len: w.len() as u32, nesterov: nesterov.into(), mu, decay, clip, keep, one_minus_keep };
    let grid = Grid::Linear(w.len().div_ceil(ELEMENTS));
    s.push(kernel, label, &bufs, &params, grid, 8 * w.len() as u64);
}
