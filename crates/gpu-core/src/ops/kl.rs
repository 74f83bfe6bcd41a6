//! The Kullback-Leibler divergence of a diagonal Gaussian from the standard one, in nats.
//!
//! rows = −½ Σ (1 + logvar − mean² − exp(logvar)), for q(z|x) = N(mean, exp(logvar)).
//! Source: Kingma, Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix B.

use crate::kernel::{Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

params! {
    /// The uniform of [`KL`].
    pub struct KlParams {
        /// Rows of heads.
        m: u32,
        /// Means of each, and as many log variances.
        latent: u32,
    }
}

params! {
    /// The uniform of [`KL_BACKWARD`].
    pub struct KlBackwardParams {
        /// Elements of heads.
        len: u32,
        /// Means of each row, and as many log variances.
        latent: u32,
        /// Multiplies the gradient, beside `rates[3]`.
        weight: f32,
    }
}

const INVOCATIONS: usize = 256;

/// rows `[m]` = −½ Σ (1 + logvar − mean² − exp(logvar)).
pub static KL: Kernel = Kernel {
    name: "kl",
    op: "kl",
    source: shader!("kl", "grid"),
    bindings: &[read("heads"), write("rows")],
    params: KlParams::FIELDS,
    overrides: &[],
    workgroup: [64, 1, 1],
    variants: &[],
    reference: reference::kl::kl,
    gradient: Gradient::Forward,
};

/// dheads += `rates[3]` · weight · ∂rows/∂heads.
pub static KL_BACKWARD: Kernel = Kernel {
    name: "kl_backward",
    op: "kl",
    source: shader!("kl", "grid"),
    bindings: &[read("heads"), read("rates"), update("dheads")],
    params: KlBackwardParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: reference::kl::kl_backward,
    gradient: Gradient::Backward,
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&KL, &KL_BACKWARD];

/// The divergence of each row of heads [m, 2 latent], means before log variances: `[m]`.
///
/// # Panics
/// When `heads` has an odd number of columns.
pub fn forward(s: &mut Schedule, label: &str, heads: Buf) -> Buf {
    let params = KlParams { m: heads.shape.rows() as u32, latent: latent(label, heads) };
    let rows = s.scratch([heads.shape.rows()]);
    s.push(&KL, label, &[heads, rows], &params, Grid::Linear(rows.len()), 3 * heads.len() as u64);
    rows
}

/// dheads += `rates[3]` · weight · the derivative of Σ rows: rates `[4]` holds the weight of this step, `weight` is
/// what never changes, as 1 / batch.
///
/// # Panics
/// When `dheads` has another size than `heads`, `rates` does not have four elements, or `heads` has an odd number
/// of columns.
pub fn backward(s: &mut Schedule, label: &str, heads: Buf, rates: Buf, weight: f32, dheads: Buf) {
    assert_eq!(heads.len(), dheads.len(), "{label}: dheads of {} for heads of {}", dheads.shape, heads.shape);
    assert_eq!(rates.len(), 4, "{label}: rates of {}", rates.shape);
    let params = KlBackwardParams { len: heads.len() as u32, latent: latent(label, heads), weight };
    let grid = Grid::Linear(heads.len().div_ceil(INVOCATIONS));
    s.push(&KL_BACKWARD, label, &[heads, rates, dheads], &params, grid, 5 * heads.len() as u64);
}

fn latent(label: &str, heads: Buf) -> u32 {
    let cols = heads.shape.cols();
    assert!(cols.is_multiple_of(2), "{label}: {cols} columns are not means and as many log variances");
    cols as u32 / 2
}
