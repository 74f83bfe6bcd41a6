//! Lion, in the same steps as shaders/lion.wgsl.

use crate::ops::lion::LionParams;
use crate::reference::{BLOCK, clip_scale};
use crate::{Args, Element};
use rayon::prelude::*;

/// 1, −1, or x where x is neither positive nor negative: 0 and NaN
fn sign<E: Element>(x: E) -> E {
    if x == E::zero() || x.is_nan() { x } else { x.signum() }
}

/// w ← (1 − lr λ) w − lr sign(β₁ m + (1 − β₁) g); m ← β₂ m + (1 − β₂) g
pub fn lion<E: Element>(args: &mut Args<'_, E>) {
    let p: LionParams = args.params();
    let [beta1, beta2, decay] = [p.beta1, p.beta2, p.decay].map(E::of);
    let [rest1, rest2] = [p.one_minus_beta1, p.one_minus_beta2].map(E::of);
    let lr = args.read("rates")[0];
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g, m) = (args.write("w"), args.write("g"), args.write("m"));
    let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks_mut(BLOCK)).zip(m.par_chunks_mut(BLOCK));
    blocks.for_each(|((w, g), m)| {
        for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
            let grad = scale * *g;
            *w = (E::one() - lr * decay) * *w - lr * sign(beta1 * *m + rest1 * grad);
            *m = beta2 * *m + rest2 * grad;
            *g = E::zero();
        }
    });
}
