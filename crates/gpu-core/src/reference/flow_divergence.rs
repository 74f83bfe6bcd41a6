//! rows = ½ Σ (z² − z0²) − log_slope, and its gradients.

use crate::ops::flow_divergence::{FlowDivergenceBackwardParams, FlowDivergenceParams};
use crate::{Args, Element};
use rayon::prelude::*;

/// `rows[r]` = ½ Σ_l (z² − z0²) − `log_slope[r]`
pub fn flow_divergence<E: Element>(args: &mut Args<'_, E>) {
    let p: FlowDivergenceParams = args.params();
    let d = p.d as usize;
    let (z, z0, log_slope, rows) = (args.read("z"), args.read("z0"), args.read("log_slope"), args.write("rows"));
    let pairs = z.par_chunks(d).zip(z0.par_chunks(d)).zip(log_slope);
    rows.par_iter_mut().zip(pairs).for_each(|(row, ((z, z0), log_slope))| {
        let terms = z.iter().zip(z0).map(|(z, z0)| (z.wide() - z0.wide()) * (z.wide() + z0.wide()));
        *row = E::of(0.5 * terms.sum::<f64>() - log_slope.wide());
    });
}

/// dz = g z, dz0 = −g z0 and dslope = −g, with g = `rates[3]` · weight
pub fn flow_divergence_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: FlowDivergenceBackwardParams = args.params();
    let (z, z0, rates) = (args.read("z"), args.read("z0"), args.read("rates"));
    let g = rates[3] * E::of(p.weight);
    args.write("dz").par_iter_mut().zip(z).for_each(|(dz, &z)| *dz = g * z);
    args.write("dz0").par_iter_mut().zip(z0).for_each(|(dz0, &z0)| *dz0 = -g * z0);
    args.write("dslope").fill(-g);
}
