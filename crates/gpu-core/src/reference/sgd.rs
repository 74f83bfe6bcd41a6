//! Stochastic gradient descent, in the same steps as shaders/sgd.wgsl.

use crate::Args;
use crate::ops::sgd::SgdParams;
use crate::reference::{BLOCK, clip_scale, running_average};
use rayon::prelude::*;

/// w ← w − lr (g + λ w), with g clipped
pub fn sgd(args: &mut Args<'_>) {
    descend(args);
}

/// The same; then average ← keep · average + (1 − keep) w
pub fn sgd_averaged(args: &mut Args<'_>) {
    let p: SgdParams = args.params();
    let w = descend(args);
    running_average(args.write("average"), w, p.keep, p.one_minus_keep);
}

/// b ← μ b + g + λ w; w ← w − lr b, or w − lr (g + λ w + μ b)
pub fn sgd_momentum(args: &mut Args<'_>) {
    descend_with_momentum(args);
}

/// The same; then average ← keep · average + (1 − keep) w
pub fn sgd_momentum_averaged(args: &mut Args<'_>) {
    let p: SgdParams = args.params();
    let w = descend_with_momentum(args);
    running_average(args.write("average_last"), w, p.keep, p.one_minus_keep);
}

fn descend<'a>(args: &mut Args<'a>) -> &'a mut [f64] {
    let p: SgdParams = args.params();
    let (lr, decay) = (args.read("rates")[0], f64::from(p.decay));
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g) = (args.write("w"), args.write("g"));
    w.par_iter_mut().zip(g).for_each(|(w, g)| {
        *w -= lr * (scale * *g + decay * *w);
        *g = 0.0;
    });
    w
}

fn descend_with_momentum<'a>(args: &mut Args<'a>) -> &'a mut [f64] {
    let p: SgdParams = args.params();
    let (lr, [mu, decay]) = (args.read("rates")[0], [p.mu, p.decay].map(f64::from));
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g, momentum) = (args.write("w"), args.write("g"), args.write("momentum"));
    let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks_mut(BLOCK)).zip(momentum.par_chunks_mut(BLOCK));
    blocks.for_each(|((w, g), momentum)| {
        for ((w, g), b) in w.iter_mut().zip(g).zip(momentum) {
            let grad = scale * *g + decay * *w;
            *b = mu * *b + grad;
            *w -= lr * if p.nesterov != 0 { grad + mu * *b } else { *b };
            *g = 0.0;
        }
    });
    w
}
