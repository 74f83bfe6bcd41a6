//! Finite scalar quantisation: the bound of numbers, its derivative, their rounding to levels, and codes of indices.

use crate::ops::fsq::FsqParams;
use crate::{Args, Element};
use rayon::prelude::*;

impl FsqParams {
    /// The number of levels of each channel.
    fn levels(&self) -> Vec<u32> {
        let bytes = [self.low.to_le_bytes(), self.high.to_le_bytes()].concat();
        bytes[..self.channels as usize].iter().map(|&levels| levels.into()).collect()
    }
}

/// h, o and s of a number of levels: half the range, the offset of even numbers, and the shift that keeps zero at zero
fn range(levels: u32) -> [f64; 3] {
    let h = f64::from(levels - 1) * (1.0 - 1e-3) / 2.0;
    let o = if levels.is_multiple_of(2) { 0.5 } else { 0.0 };
    [h, o, (o / h).tan()]
}

/// y = (h tanh(z + s) − o) / c
pub fn fsq_bound<E: Element>(args: &mut Args<'_, E>) {
    let levels = args.params::<FsqParams>().levels();
    let (z, y) = (args.read("z"), args.write("y"));
    y.par_chunks_mut(levels.len()).zip(z.par_chunks(levels.len())).for_each(|(y, z)| {
        for ((y, &z), &levels) in y.iter_mut().zip(z).zip(&levels) {
            let [h, o, s] = range(levels).map(E::of);
            *y = (h * (z + s).hyperbolic_tangent() - o) / E::of(levels / 2);
        }
    });
}

/// dz = h / c · (1 − tanh²(z + s)) · dy
pub fn fsq_bound_backward<E: Element>(args: &mut Args<'_, E>) {
    let levels = args.params::<FsqParams>().levels();
    let (z, dy, dz) = (args.read("z"), args.read("dy"), args.write("dz"));
    let rows = z.par_chunks(levels.len()).zip(dy.par_chunks(levels.len()));
    dz.par_chunks_mut(levels.len()).zip(rows).for_each(|(dz, (z, dy))| {
        for (((dz, &z), &dy), &levels) in dz.iter_mut().zip(z).zip(dy).zip(&levels) {
            let [h, _, s] = range(levels);
            let t = (z.wide() + s).tanh();
            *dz = E::of(h / f64::from(levels / 2) * (1.0 - t * t)) * dy;
        }
    });
}

/// level = ⌊c y + c + ½⌋ within 0 and L − 1; q = (level − c) / c; index = the levels of a row as digits
pub fn fsq_quantise<E: Element>(args: &mut Args<'_, E>) {
    let levels = args.params::<FsqParams>().levels();
    let (latents, q, index) = (args.read("latents"), args.write("q"), args.write_u32("index"));
    let rows = latents.par_chunks(levels.len()).zip(q.par_chunks_mut(levels.len()));
    index.par_iter_mut().zip(rows).for_each(|(index, (latents, q))| {
        (*index, _) = latents.iter().zip(q).zip(&levels).fold((0, 1), |(code, place), ((&latent, q), &levels)| {
            let c = E::of(levels / 2);
            let level = (c * latent + c + E::of(0.5)).floor().max(E::zero()).min(E::of(levels - 1));
            let level = if latent.is_nan() { E::zero() } else { level };
            *q = if latent.is_nan() { latent } else { (level - c) / c };
            (code + place * level.wide() as u32, place * levels)
        });
    });
}

/// `q[r]` = the digits of `codes[r]`, each (digit − c) / c
pub fn fsq_lookup<E: Element>(args: &mut Args<'_, E>) {
    let levels = args.params::<FsqParams>().levels();
    let (codes, q) = (args.read_u32("codes"), args.write("q"));
    q.par_chunks_mut(levels.len()).zip(codes).for_each(|(q, &code)| {
        q.iter_mut().zip(&levels).fold(code, |rest, (q, &levels)| {
            let c = E::of(levels / 2);
            *q = (E::of(rest % levels) - c) / c;
            rest / levels
        });
    });
}
