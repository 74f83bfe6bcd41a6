//! Lion, in the same steps as shaders/lion.wgsl.

use crate::Args;
use crate::ops::lion::LionParams;
use crate::reference::{BLOCK, clip_scale, running_average};
use rayon::prelude::*;

/// w ← (1 − lr λ) w − lr sign(β₁ m + (1 − β₁) g); m ← β₂ m + (1 − β₂) g
pub fn lion(args: &mut Args<'_>) {
    descend(args);
}

/// The same; then average ← keep · average + (1 − keep) w
pub fn lion_averaged(args: &mut Args<'_>) {
    let p: LionParams = args.params();
    let w = descend(args);
    running_average(args.write("average"), w, p.keep, p.one_minus_keep);
}

/// 1, −1, or x where x is neither positive nor negative: 0 and NaN
fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

fn descend<'a>(args: &mut Args<'a>) -> &'a mut [f64] {
    let p: LionParams = args.params();
    let [beta1, beta2, decay] = [p.beta1, p.beta2, p.decay].map(f64::from);
    let [rest1, rest2] = [p.one_minus_beta1, p.one_minus_beta2].map(f64::from);
    let lr = args.read("rates")[0];
    let scale = clip_scale(p.clip, args.read("norm")[0]);
    let (w, g, m) = (args.write("w"), args.write("g"), args.write("m"));
    let blocks = w.par_chunks_mut(BLOCK).zip(g.par_chunks_mut(BLOCK)).zip(m.par_chunks_mut(BLOCK));
    blocks.for_each(|((w, g), m)| {
        for ((w, g), m) in w.iter_mut().zip(g).zip(m) {
            let grad = scale * *g;
            *w = (1.0 - lr * decay) * *w - lr * sign(beta1 * *m + rest1 * grad);
            *m = beta2 * *m + rest2 * grad;
            *g = 0.0;
        }
    });
    w
}
