//! The Kullback-Leibler divergence of a diagonal Gaussian from the standard normal, in nats.
//!
//! rows = −½ Σ (1 + logvar − mean² − exp(logvar)), for q(z|x) = N(mean, exp(logvar)).
//! Source: Kingma, Welling, *Auto-encoding variational Bayes*, ICLR 2014, appendix B. With free bits, a unit whose
//! divergence, averaged over the batch, is below a bound has no gradient: Kingma et al., *Improving variational
//! inference with inverse autoregressive flow*, 2016, equation 15. With a capacity, the loss is the distance of each
//! row's divergence from it: Burgess et al., *Understanding disentangling in β-VAE*, 2018, equation 8.

use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

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
        /// Multiplies the gradient, in addition to `rates[3]`.
        weight: f32,
    }
}

params! {
    /// The uniform of [`KL_BACKWARD_FREE`] and [`KL_BACKWARD_HELD`].
    pub struct KlBoundedParams {
        /// Elements of heads.
        len: u32,
        /// Means of each row, and as many log variances.
        latent: u32,
        /// Multiplies the gradient.
        weight: f32,
        /// Free bits: a unit with a lower mean divergence has no gradient.
        free: f32,
    }
}

const INVOCATIONS: usize = 256;

const fn forwards(name: &'static str, bindings: &'static [Binding], reference: Functions) -> Kernel {
    Kernel {
        name,
        op: "kl",
        source: shader!("kl", "grid", "nan", "elementary"),
        bindings,
        params: KlParams::FIELDS,
        overrides: &[],
        workgroup: [64, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::Forward,
    }
}

/// rows `[m]` = −½ Σ (1 + logvar − mean² − exp(logvar)).
pub static KL: Kernel = forwards("kl", &[read("heads"), write("rows")], functions!(reference::kl::kl));

/// units `[latent]` = the mean divergence of each unit over the rows.
pub static KL_UNITS: Kernel =
    forwards("kl_units", &[read("heads"), write("units")], functions!(reference::kl::kl_units));

/// dheads += `rates[3]` · weight · ∂rows/∂heads.
pub static KL_BACKWARD: Kernel = Kernel {
    name: "kl_backward",
    op: "kl",
    source: shader!("kl", "grid", "nan", "elementary"),
    bindings: &[read("heads"), read("rates"), update("dheads")],
    params: KlBackwardParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::kl::kl_backward),
    gradient: Gradient::Backward,
};

const fn bounded(name: &'static str, bindings: &'static [Binding], reference: Functions) -> Kernel {
    Kernel {
        name,
        op: "kl",
        source: shader!("kl", "grid", "nan", "elementary"),
        bindings,
        params: KlBoundedParams::FIELDS,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::Backward,
    }
}

/// dheads += `rates[3]` · weight · ∂rows/∂heads, where `units[l]` ≥ free.
pub static KL_BACKWARD_FREE: Kernel = bounded(
    "kl_backward_free",
    &[read("heads"), read("rates"), update("dheads"), read("of_units")],
    functions!(reference::kl::kl_backward_free),
);

/// dheads += sign(`rows[r]` − `rates[3]`) · weight · ∂rows/∂heads.
pub static KL_BACKWARD_HELD: Kernel = bounded(
    "kl_backward_held",
    &[read("heads"), read("rates"), update("dheads"), read("of_rows")],
    functions!(reference::kl::kl_backward_held),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&KL, &KL_UNITS, &KL_BACKWARD, &KL_BACKWARD_FREE, &KL_BACKWARD_HELD];

/// The divergence of each row of heads [m, 2 latent], means before log variances: `[m]`.
///
/// # Panics
/// If `heads` has an odd number of columns.
pub fn forward(s: &mut Schedule, label: &str, heads: Buf) -> Buf {
    let params = KlParams { m: heads.shape.rows() as u32, latent: latent(label, heads) };
    let rows = s.scratch([heads.shape.rows()]);
    s.push(&KL, label, &[heads, rows], &params, Grid::Linear(rows.len()), 3 * heads.len() as u64);
    rows
}

/// dheads += `rates[3]` · weight · the derivative of Σ rows. `rates` `[4]` holds the weight of this step; `weight` is a
/// constant factor, such as 1 / batch.
///
/// # Panics
/// If `dheads` has another size than `heads`, `rates` does not have four elements, or `heads` has an odd number
/// of columns.
pub fn backward(s: &mut Schedule, label: &str, heads: Buf, rates: Buf, weight: f32, dheads: Buf) {
    assert_eq!(heads.len(), dheads.len(), "{label}: dheads of {} for heads of {}", dheads.shape, heads.shape);
    assert_eq!(rates.len(), 4, "{label}: rates of shape {}", rates.shape);
    let params = KlBackwardParams { len: heads.len() as u32, latent: latent(label, heads), weight };
    let grid = Grid::Linear(heads.len().div_ceil(INVOCATIONS));
    s.push(&KL_BACKWARD, label, &[heads, rates, dheads], &params, grid, 5 * heads.len() as u64);
}

/// The mean divergence of each unit of heads [m, 2 latent]: `[latent]`.
///
/// # Panics
/// If `heads` has an odd number of columns.
pub fn units(s: &mut Schedule, label: &str, heads: Buf) -> Buf {
    let latent = latent(label, heads);
    let params = KlParams { m: heads.shape.rows() as u32, latent };
    let units = s.scratch([latent as usize]);
    s.push(&KL_UNITS, label, &[heads, units], &params, Grid::Linear(units.len()), 3 * heads.len() as u64);
    units
}

/// dheads += `rates[3]` · weight · the derivative of m · Σ max(free, units), where `units` are those of [`units`].
///
/// # Panics
/// As [`backward`], and if `units` does not have one element per unit.
#[allow(clippy::too_many_arguments)]
pub fn backward_free(
    s: &mut Schedule,
    label: &str,
    heads: Buf,
    rates: Buf,
    units: Buf,
    weight: f32,
    free: f32,
    dheads: Buf,
) {
    assert_eq!(2 * units.len(), heads.shape.cols(), "{label}: {} for heads of {}", units.shape, heads.shape);
    push_bounded(s, &KL_BACKWARD_FREE, label, [heads, rates, dheads, units], weight, free);
}

/// dheads += weight · the derivative of Σ |rows − `rates[3]`|, where `rows` are those of [`forward`].
///
/// # Panics
/// As [`backward`], and if `rows` does not have one element per row.
pub fn backward_held(s: &mut Schedule, label: &str, heads: Buf, rates: Buf, rows: Buf, weight: f32, dheads: Buf) {
    assert_eq!(rows.len(), heads.shape.rows(), "{label}: {} for heads of {}", rows.shape, heads.shape);
    push_bounded(s, &KL_BACKWARD_HELD, label, [heads, rates, dheads, rows], weight, 0.0);
}

fn push_bounded(s: &mut Schedule, kernel: &'static Kernel, label: &str, bufs: [Buf; 4], weight: f32, free: f32) {
    let [heads, rates, dheads, _] = bufs;
    assert_eq!(heads.len(), dheads.len(), "{label}: dheads of {} for heads of {}", dheads.shape, heads.shape);
    assert_eq!(rates.len(), 4, "{label}: rates of shape {}", rates.shape);
    let params = KlBoundedParams { len: heads.len() as u32, latent: latent(label, heads), weight, free };
    let grid = Grid::Linear(heads.len().div_ceil(INVOCATIONS));
    s.push(kernel, label, &bufs, &params, grid, 6 * heads.len() as u64);
}

fn latent(label: &str, heads: Buf) -> u32 {
    let cols = heads.shape.cols();
    assert!(cols.is_multiple_of(2), "{label}: {cols} columns cannot be means and as many log variances");
    cols as u32 / 2
}
