//! Stochastic gradient descent, in the same steps as shaders/sgd.wgsl.

use crate::ops::sgd::SgdParams;
use crate::reference::{BLOCK, clip_scale};
use crate::{Args, Element};
use rayon::prelude::*;

/// w ← w − lr (g + λ w), with g clipped
pub fn sgd<E: Element>(args: &mut Args<'_, E>) {
    let p: SgdParams = args.params();
    let (lr, decay) = (args.read("rates")[0], E::of(p.decay));
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g) = (args.write("w"), args.write("g"));
    w.par_iter_mut().zip(g).for_each(|(w, g)| {
        *w -= lr * (scale * *g + decay * *w);
        *g = E::zero();
    });
}

/// b ← μ b + g + λ w; w ← w − lr b, or w − lr (g + λ w + μ b)
pub fn sgd_momentum<E: Element>(args: &mut Args<'_, E>) {
    let p: SgdParams = args.params();
    let (lr, [mu, decay]) = (args.read("rates")[0], [p.mu, p.decay].map(E::of));
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g, momentum) = (args.write("w"), args.write("g"), args.write("momentum"));
    let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks_mut(BLOCK)).zip(momentum.par_chunks_mut(BLOCK));
    blocks.for_each(|((w, g), momentum)| {
        for ((w, g), b) in w.iter_mut().zip(g).zip(momentum) {
            let grad = scale * *g + decay * *w;
            *b = mu * *b + grad;
            *w -= lr * if p.nesterov != 0 { grad + mu * *b } else { *b };
            *g = E::zero();
        }
    });
}
