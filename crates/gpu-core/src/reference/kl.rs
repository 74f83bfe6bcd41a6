//! rows = −½ Σ (1 + logvar − mean² − exp(logvar)), with the argument of exp at most 80, and its gradients.

use crate::ops::kl::{KlBackwardParams, KlBoundedParams, KlParams};
use crate::{Args, Element};
use rayon::prelude::*;

fn variance<E: Element>(logvar: E) -> E {
    logvar.min(E::of(80.0)).exponential()
}

/// 1 + logvar − mean² − exp(logvar), in f64: its parts cancel.
fn term<E: Element>(mean: E, logvar: E) -> f64 {
    let (mean, logvar) = (mean.wide(), logvar.wide());
    1.0 + logvar - mean * mean - variance(logvar)
}

/// `rows[r]` = −½ Σ_l (1 + logvar − mean² − exp(logvar))
pub fn kl<E: Element>(args: &mut Args<'_, E>) {
    let p: KlParams = args.params();
    let latent = p.latent as usize;
    let (heads, rows) = (args.read("heads"), args.write("rows"));
    rows.par_iter_mut().zip(heads.par_chunks(2 * latent)).for_each(|(row, heads)| {
        let (means, logvars) = heads.split_at(latent);
        let terms = means.iter().zip(logvars).map(|(&mean, &logvar)| term(mean, logvar));
        *row = E::of(-0.5 * terms.sum::<f64>());
    });
}

/// `units[l]` = −1/2m Σ_r (1 + logvar − mean² − exp(logvar))
pub fn kl_units<E: Element>(args: &mut Args<'_, E>) {
    let p: KlParams = args.params();
    let (m, latent) = (p.m as usize, p.latent as usize);
    let (heads, units) = (args.read("heads"), args.write("units"));
    units.par_iter_mut().enumerate().for_each(|(l, unit)| {
        let pairs = heads.chunks(2 * latent).map(|row| (row[l], row[latent + l]));
        let terms = pairs.map(|(mean, logvar)| term(mean, logvar));
        *unit = E::of(-0.5 * terms.sum::<f64>() / m as f64);
    });
}

/// ∂rows/∂heads of element i: mean, or ½ (exp(logvar) − 1).
fn slope<E: Element>(heads: &[E], i: usize, latent: usize) -> E {
    if i % (2 * latent) < latent { heads[i] } else { E::of(0.5) * (variance(heads[i]) - E::one()) }
}

/// dheads += `rates[3]` · weight · (mean | ½ (exp(logvar) − 1))
pub fn kl_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: KlBackwardParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates, dheads) = (args.read("heads"), args.read("rates"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().for_each(|(i, dhead)| {
        *dhead += rates[3] * E::of(p.weight) * slope(heads, i, latent);
    });
}

/// The same, where `units[l]` ≥ free.
pub fn kl_backward_free<E: Element>(args: &mut Args<'_, E>) {
    let p: KlBoundedParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates) = (args.read("heads"), args.read("rates"));
    let (units, dheads) = (args.read("of_units"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().filter(|(i, _)| units[i % latent] >= E::of(p.free)).for_each(|(i, dhead)| {
        *dhead += rates[3] * E::of(p.weight) * slope(heads, i, latent);
    });
}

/// dheads += sign(rows − `rates[3]`) · weight · (mean | ½ (exp(logvar) − 1))
pub fn kl_backward_held<E: Element>(args: &mut Args<'_, E>) {
    let p: KlBoundedParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates) = (args.read("heads"), args.read("rates"));
    let (rows, dheads) = (args.read("of_rows"), args.write("dheads"));
    dheads.par_iter_mut().enumerate().for_each(|(i, dhead)| {
        let above = rows[i / (2 * latent)] - rates[3];
        let side = if above == E::zero() { E::zero() } else { above.signum() };
        *dhead += side * E::of(p.weight) * slope(heads, i, latent);
    });
}
