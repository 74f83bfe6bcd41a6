//! rows = −½ Σ (1 + logvar − mean² − exp(logvar)), where exp sees at most 80.

use crate::Args;
use crate::ops::kl::{KlBackwardParams, KlParams};
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

/// dheads += `rates[3]` · weight · (mean | ½ (exp(logvar) − 1))
pub fn kl_backward(args: &mut Args<'_>) {
    let p: KlBackwardParams = args.params();
    let latent = p.latent as usize;
    let (heads, rates, dheads) = (args.read("heads"), args.read("rates"), args.write("dheads"));
    dheads.par_iter_mut().zip(heads).enumerate().for_each(|(i, (dhead, &head))| {
        let slope = if i % (2 * latent) < latent { head } else { 0.5 * (variance(head) - 1.0) };
        *dhead += rates[3] * f64::from(p.weight) * slope;
    });
}
