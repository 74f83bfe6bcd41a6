//! z = μ + e^(½ logvar) ε.

use crate::ops::reparameterise::ReparameteriseParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// e^(½ logvar), with logvar clamped to ±80 as in the kernels
fn deviation<E: Element>(logvar: E) -> E {
    num_traits::clamp(E::of(0.5) * logvar, E::of(-40.0), E::of(40.0)).exponential()
}

/// z = μ + e^(½ logvar) ε
pub fn reparameterise<E: Element>(args: &mut Args<'_, E>) {
    let p: ReparameteriseParams = args.params();
    let (heads, eps, z) = (args.read("heads"), args.read("eps"), args.write("z"));
    let (latent, repeat) = (p.latent as usize, p.repeat as usize);
    z.par_chunks_mut(latent).zip(eps.par_chunks(latent)).enumerate().for_each(|(row, (z, eps))| {
        let (mean, logvar) = heads[row / repeat * 2 * latent..][..2 * latent].split_at(latent);
        for l in 0..latent {
            z[l] = mean[l] + deviation(logvar[l]) * eps[l];
        }
    });
}

/// dμ = Σ dz, dlogvar = ½ e^(½ logvar) Σ dz ε
pub fn reparameterise_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ReparameteriseParams = args.params();
    let (heads, eps, dz, dheads) = (args.read("heads"), args.read("eps"), args.read("dz"), args.write("dheads"));
    let (latent, repeat) = (p.latent as usize, p.repeat as usize);
    dheads.par_chunks_mut(2 * latent).enumerate().for_each(|(row, dheads)| {
        for l in 0..latent {
            let draws = (row * repeat..(row + 1) * repeat).map(|r| r * latent + l);
            let logvar = heads[row * 2 * latent + latent + l];
            dheads[l] = E::of(draws.clone().map(|i| dz[i].wide()).sum::<f64>());
            let along = E::of(draws.map(|i| (dz[i] * eps[i]).wide()).sum::<f64>());
            dheads[latent + l] = E::of(0.5) * deviation(logvar) * along;
        }
    });
}
