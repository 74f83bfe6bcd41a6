//! Adam, in the same steps as shaders/adam.wgsl.

use crate::ops::adam::AdamParams;
use crate::reference::{BLOCK, clip_scale, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε), after clipping, weight decay and moments
pub fn adam<E: Element>(args: &mut Args<'_, E>) {
    let p: AdamParams = args.params();
    let [beta1, beta2, epsilon, decay] = [p.beta1, p.beta2, p.epsilon, p.decay].map(E::of);
    let [rest1, rest2] = [p.one_minus_beta1, p.one_minus_beta2].map(E::of);
    let rates = args.read("rates");
    let [lr, corrected1, corrected2] = [rates[0], rates[1], rates[2]];
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g, m, v) = (args.write("w"), args.write("g"), args.write("m"), args.write("v"));
    let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks_mut(BLOCK));
    blocks.zip(m.par_chunks_mut(BLOCK)).zip(v.par_chunks_mut(BLOCK)).for_each(|(((w, g), m), v)| {
        vectorised(|| {
            for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
                let mut grad = *g * scale;
                if p.decoupled != 0 {
                    *w *= E::one() - lr * decay;
                } else {
                    grad += decay * *w;
                }
                *m = beta1 * *m + rest1 * grad;
                *v = beta2 * *v + rest2 * grad * grad;
                *w -= lr / corrected1 * *m / (v.sqrt() / corrected2.sqrt() + epsilon);
                *g = E::zero();
            }
        });
    });
}
