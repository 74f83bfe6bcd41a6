//! Draws of categories by the largest logit with Gumbel noise.

use crate::ops::categorical::CategoricalParams;
use crate::random::{philox, unit};
use crate::{Args, Element};
use rayon::prelude::*;

/// `index[r]` = argmax_j (scale · x[r, j] − ln(−ln u)) over the `top` largest logits, the first of equal ones
pub fn categorical<E: Element>(args: &mut Args<'_, E>) {
    let p: CategoricalParams = args.params();
    let (x, step, index) = (args.read("x"), args.read_u32("clock")[0], args.write_u32("index"));
    let k = p.k as usize;
    index.par_iter_mut().zip(x.par_chunks(k)).enumerate().for_each(|(row, (index, x))| {
        let mut sorted = x.to_vec();
        sorted.sort_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
        // The least logit that takes part.
        let least = sorted[if p.top == 0 { k - 1 } else { p.top as usize - 1 }];
        let noisy = |j: usize| {
            let at = row * k + j;
            let words = philox([(at / 4) as u32, p.stream, step, p.draw], [p.key0, p.key1]);
            f64::from(p.scale) * x[j].wide() - (-unit(words[at % 4]).ln()).ln()
        };
        let (mut best, mut place) = (f64::NEG_INFINITY, 0);
        for j in (0..k).filter(|&j| x[j] >= least) {
            let sum = noisy(j);
            if sum > best {
                (best, place) = (sum, j as u32);
            }
        }
        *index = place;
    });
}
