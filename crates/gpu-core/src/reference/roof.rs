//! y = x, and y = Σ_j a_j, where a_j starts as x + j and repeatedly becomes scale a + shift.

use crate::ops::roof::{FmaParams, SUMS};
use crate::{Args, Element};
use rayon::prelude::*;

/// Elements that one thread copies at a time; larger blocks leave threads without work.
const PART: usize = 1 << 14;

/// y = x
pub fn roof_copy<E: Element>(args: &mut Args<'_, E>) {
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| y.copy_from_slice(x));
}

/// y = Σ_j a_j
pub fn roof_fma<E: Element>(args: &mut Args<'_, E>) {
    let p: FmaParams = args.params();
    let (scale, shift) = (E::of(p.scale), E::of(p.shift));
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_iter_mut().zip(x).for_each(|(y, &x)| {
        let mut sums: [E; SUMS] = std::array::from_fn(|j| x + E::of(j as f64));
        for _ in 0..p.turns {
            sums.iter_mut().for_each(|sum| *sum = scale * *sum + shift);
        }
        *y = sums.into_iter().sum();
    });
}
