//! Nearest codes, their look-up, and the losses between rows z and their codes q.

use crate::ops::vq::{BackwardParams, ElementParams, LossParams, NearestParams};
use crate::{Args, Element};
use rayon::prelude::*;

/// `nearest[r]` = argmin_j Σ_l (z[r, l] − e[j, l])², the lowest j of equal ones; the codes tried are those that can be
/// the nearest by `norms[j]` − 2 scores[r, j] and its rounding error, slack · `norms[j]`
pub fn vq_nearest<E: Element>(args: &mut Args<'_, E>) {
    let p: NearestParams = args.params();
    let (dim, slack) = (p.dim as usize, f64::from(p.slack));
    let (z, codebook, scores, norms) = (args.read("z"), args.read("codebook"), args.read("scores"), args.read("norms"));
    let rows = z.par_chunks(dim).zip(scores.par_chunks(p.k as usize));
    args.write_u32("nearest").par_iter_mut().zip(rows).for_each(|(nearest, (z, scores))| {
        let bound = |j: usize, side: f64| {
            let (norm, score) = (norms[j].wide(), scores[j].wide());
            norm - 2.0 * score + side * slack * norm
        };
        let limit = (0..norms.len()).map(|j| bound(j, 1.0)).fold(f64::INFINITY, f64::min);
        let distance = |j: usize| {
            let code = &codebook[j * dim..][..dim];
            z.iter().zip(code).map(|(&z, &e)| ((z - e) * (z - e)).wide()).sum::<f64>()
        };
        let near = (0..norms.len()).filter(|&j| bound(j, -1.0) <= limit).map(|j| (distance(j), j));
        let least = near.fold((f64::INFINITY, 0), |least, found| if found.0 < least.0 { found } else { least });
        *nearest = least.1 as u32;
    });
}

/// `q[r]` = `codebook[index[r]]`
pub fn vq_lookup<E: Element>(args: &mut Args<'_, E>) {
    let p: ElementParams = args.params();
    let dim = p.width as usize;
    let (index, codebook, q) = (args.read_u32("index"), args.read("codebook"), args.write("q"));
    q.par_chunks_mut(dim).zip(index).for_each(|(q, &j)| q.copy_from_slice(&codebook[j as usize * dim..][..dim]));
}

/// one_hot[r, j] = 1 where j = `index[r]`, otherwise 0
pub fn vq_one_hot<E: Element>(args: &mut Args<'_, E>) {
    let p: ElementParams = args.params();
    let (index, one_hot) = (args.read_u32("index"), args.write("one_hot"));
    one_hot.par_chunks_mut(p.width as usize).zip(index).for_each(|(row, &index)| {
        row.fill(E::zero());
        row[index as usize] = E::one();
    });
}

/// `rows[r]` = scale · Σ (z − q)²
pub fn vq_loss<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    let dim = p.dim as usize;
    let (z, q, rows) = (args.read("z"), args.read("quantised"), args.write("rows"));
    rows.par_iter_mut().zip(z.par_chunks(dim)).zip(q.par_chunks(dim)).for_each(|((row, z), q)| {
        let sum: f64 = z.iter().zip(q).map(|(&z, &q)| ((z - q) * (z - q)).wide()).sum();
        *row = E::of(f64::from(p.scale) * sum);
    });
}

/// The same, and dz += slope · (z − q)
pub fn vq_loss_with_gradient<E: Element>(args: &mut Args<'_, E>) {
    let p: LossParams = args.params();
    let (z, q, dz) = (args.read("z"), args.read("quantised"), args.write("dz"));
    vq_loss(args);
    dz.par_iter_mut().zip(z).zip(q).for_each(|((dz, &z), &q)| *dz += E::of(p.slope) * (z - q));
}

/// de[j, l] += slope · (`counts[j]` e[j, l] − sums[j, l])
pub fn vq_codebook_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: BackwardParams = args.params();
    let (counts, codebook, sums) = (args.read("counts"), args.read("codebook"), args.read("sums"));
    let de = args.write("de");
    de.par_iter_mut().zip(codebook).zip(sums).enumerate().for_each(|(i, ((de, &e), &sum))| {
        *de += E::of(p.slope) * (counts[i / p.dim as usize] * e - sum);
    });
}
