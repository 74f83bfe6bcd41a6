//! z = μ + e^(½ logvar) ε.

use crate::Args;
use crate::ops::reparameterise::ReparameteriseParams;
use rayon::prelude::*;

/// e^(½ logvar), with logvar clamped to ±80 as in the kernels
fn deviation(logvar: f64) -> f64 {
    (0.5 * logvar).clamp(-40.0, 40.0).exp()
}

/// z = μ + e^(½ logvar) ε
pub fn reparameterise(args: &mut Args<'_>) {
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
pub fn reparameterise_backward(args: &mut Args<'_>) {
    let p: ReparameteriseParams = args.params();
    let (heads, eps, dz, dheads) = (args.read("heads"), args.read("eps"), args.read("dz"), args.write("dheads"));
    let (latent, repeat) = (p.latent as usize, p.repeat as usize);
    dheads.par_chunks_mut(2 * latent).enumerate().for_each(|(row, dheads)| {
        for l in 0..latent {
            let draws = (row * repeat..(row + 1) * repeat).map(|r| r * latent + l);
            let logvar = heads[row * 2 * latent + latent + l];
            dheads[l] = draws.clone().map(|i| dz[i]).sum();
            dheads[latent + l] = 0.5 * deviation(logvar) * draws.map(|i| dz[i] * eps[i]).sum::<f64>();
        }
    });
}
