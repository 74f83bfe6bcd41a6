//! The reparameterisation of a Gaussian latent: z = μ + e^(½ logvar) ⊙ ε.
//!
//! μ and logvar are the two halves of each row of `heads`, the output of one product. Several draws from one row, as in
//! importance weighting, are consecutive.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct ReparameteriseParams {
        /// Elements of z; in the backward pass, elements of μ.
        len: u32,
        /// Dimensions of the latent.
        latent: u32,
        /// Draws from each row of heads.
        repeat: u32,
    }
}

const INVOCATIONS: usize = 64;

/// z = μ + e^(½ logvar) ε.
pub static REPARAMETERISE: Kernel = Kernel {
    name: "reparameterise",
    op: "reparameterise",
    source: shader!("reparameterise", "grid", "nan", "elementary"),
    bindings: &[read("heads"), read("eps"), write("z")],
    params: ReparameteriseParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::reparameterise::reparameterise),
    gradient: Gradient::Forward,
};

/// dμ = Σ dz and dlogvar = ½ e^(½ logvar) Σ dz ε, over the draws from a row.
pub static REPARAMETERISE_BACKWARD: Kernel = Kernel {
    name: "reparameterise_backward",
    op: "reparameterise",
    source: shader!("reparameterise", "grid", "nan", "elementary"),
    bindings: &[read("heads"), read("eps"), read("dz"), write("dheads")],
    params: ReparameteriseParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::reparameterise::reparameterise_backward),
    gradient: Gradient::Backward,
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&REPARAMETERISE, &REPARAMETERISE_BACKWARD];

/// z = μ + e^(½ logvar) ε, of eps's shape. `heads` is [m, 2L], μ before logvar; `eps` is [m · repeat, L], and its row r
/// belongs to row r / repeat of heads. logvar is clamped to ±80.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn forward(s: &mut Schedule, label: &str, heads: Buf, eps: Buf) -> Buf {
    let params = sizes(label, heads, eps);
    let z = s.scratch(eps.shape);
    let grid = Grid::Linear(z.len().div_ceil(INVOCATIONS));
    s.push(&REPARAMETERISE, label, &[heads, eps, z], &params, grid, 4 * z.len() as u64);
    z
}

/// The gradient with respect to `heads`, of its shape, from dz.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn backward(s: &mut Schedule, label: &str, heads: Buf, eps: Buf, dz: Buf) -> Buf {
    assert_eq!(dz.len(), eps.len(), "{label}: dz of {} for a draw of {}", dz.shape, eps.shape);
    let len = heads.len() / 2;
    let params = ReparameteriseParams { len: len as u32, ..sizes(label, heads, eps) };
    let dheads = s.scratch(heads.shape);
    let grid = Grid::Linear(len.div_ceil(INVOCATIONS));
    s.push(&REPARAMETERISE_BACKWARD, label, &[heads, eps, dz, dheads], &params, grid, 3 * eps.len() as u64);
    dheads
}

fn sizes(label: &str, heads: Buf, eps: Buf) -> ReparameteriseParams {
    let (m, latent) = (heads.shape.rows(), eps.shape.cols());
    assert_eq!(heads.shape.cols(), 2 * latent, "{label}: heads of {} for a draw of {}", heads.shape, eps.shape);
    assert!(eps.shape.rows().is_multiple_of(m), "{label}: {} rows drawn from {m}", eps.shape.rows());
    let repeat = eps.shape.rows() / m;
    ReparameteriseParams { len: eps.len() as u32, latent: latent as u32, repeat: repeat as u32 }
}
