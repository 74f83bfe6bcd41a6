//! log p(x|z) + log p(z) − log q(z|x).

use crate::ops::log_weight::LogWeightParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// `y[r]` = −`recon[r]` − ½ Σ_l z² + ½ Σ_l (eps² + logvar[r / repeat, l])
pub fn log_weight<E: Element>(args: &mut Args<'_, E>) {
    let p: LogWeightParams = args.params();
    let (latent, repeat) = (p.latent as usize, p.repeat as usize);
    let (recon, z, eps, heads) = (args.read("recon"), args.read("z"), args.read("eps"), args.read("heads"));
    args.write("y").par_iter_mut().enumerate().for_each(|(r, y)| {
        let logvars = &heads[(2 * (r / repeat) + 1) * latent..][..latent];
        let (z, eps) = (&z[r * latent..][..latent], &eps[r * latent..][..latent]);
        let terms = z.iter().zip(eps).zip(logvars).map(|((&z, &eps), &logvar)| {
            let (z, eps, logvar) = (z.wide(), eps.wide(), logvar.wide());
            eps * eps + logvar - z * z
        });
        *y = E::of(0.5 * terms.sum::<f64>() - recon[r].wide());
    });
}
