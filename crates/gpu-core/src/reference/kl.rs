//! rows = −½ Σ (1 + logvar − mean² − exp(logvar)), with the argument of exp at most 80, and its gradients.

use crate::Args;
use crate::ops::kl::{KlBackwardParams, KlBoundedParams, KlParams};
use rayon::prelude::*;

fn variance(logvar: f64) -> f64 {
    logvar.min(80.0).exp()
}

/// `rows[r]` = −½ Σ_l (1 + logvar − mean² − exp(logvar))
pub fn kl(args: &mut Args<'_>) {
    let p: KlParams = args.params();
    let latent = p.latent as usize;
    let (heads, rows) = (args.read("heads"), args.write("rows"));
    rows.par_iter_mut().zip(heads.par_chunks(2 * latent)).for_each(|(row, heads)| {
        let (means, logvars) = heads.split_at(latent);
        let terms = means.iter().zip(logvars).map(|(mean, &logvar)| 1.0 + logvar - mean * mean - variance(logvar));
        *row = -0.5 * terms.sum::<f64>();
    });
}

/// `units[l]` = −1/2m Σ_r (1 + logvar − mean² − exp(logvar))
pub fn kl_units(args: &mut Args<'_>) {
    let p: KlParams = args.params();
    let (m, latent) = (p.m as usize, p.latent as usize);
    let (heads, units) = (args.read("heads"), args.write("units"));
    units.par_iter_mut().enumerate().for_each(|(l, unit)| {
        let pairs = heads.chunks(2 * latent).map(|row| (row[l], row[latent + l]));
        let terms = pairs.map(|(mean, logvar)| 1.0 + logvar - mean * mean - variance(logvar));
        *unit = -0.5 * terms.sum::<f64>() / m as f64;
    });
}

/// ∂rows/∂heads of element i: mean, or ½ (exp(logvar) − 1).
fn slope(heads: &[f64], i: usize, latent: usize) -> f64 {
    if i % (2 * latent) < latent { heads[i] } else { 0.5 * (variance(heads[i]) - 1.0) }
}

/// dheads += `rates[3]` · weight · (mean | ½ (exp(logvar) − 1))
pub fn kl_backward(args: &mut Args<'_>) {
    let p: KlBackwardParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates, dheads) = (args.read("heads"), args.read("rates"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().for_each(|(i, dhead)| {
        *dhead += rates[3] * f64::from(p.weight) * slope(heads, i, latent);
    });
}

/// The same, where `units[l]` ≥ free.
pub fn kl_backward_free(args: &mut Args<'_>) {
    let p: KlBoundedParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates) = (args.read("heads"), args.read("rates"));
    let (units, dheads) = (args.read("of_units"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().filter(|(i, _)| units[i % latent] >= f64::from(p.free)).for_each(|(i, dhead)| {
        *dhead += rates[3] * f64::from(p.weight) * slope(heads, i, latent);
    });
}

/// dheads += sign(rows − `rates[3]`) · weight · (mean | ½ (exp(logvar) − 1))
pub fn kl_backward_held(args: &mut Args<'_>) {
    let p: KlBoundedParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates) = (args.read("heads"), args.read("rates"));
    let (rows, dheads) = (args.read("of_rows"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().for_each(|(i, dhead)| {
        let above = rows[i / (2 * latent)] - rates[3];
        let side = if above == 0.0 { 0.0 } else { above.signum() };
        *dhead += side * f64::from(p.weight) * slope(heads, i, latent);
    });
}
