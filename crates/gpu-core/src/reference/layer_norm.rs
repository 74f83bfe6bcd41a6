//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε) along the rows of x [rows, c], and its derivatives.

use crate::ops::layer_norm::LayerNormParams;
use crate::reference::activation::{activate, slope_from_output};
use crate::{Args, Element};
use rayon::prelude::*;

/// y = act(weight · x̂ + bias), and the mean and 1 / √(var + ε) of each row
pub fn layer_norm<E: Element>(args: &mut Args<'_, E>) {
    let p: LayerNormParams = args.params();
    let c = p.c as usize;
    let (x, weight, bias) = (args.read("x"), args.read("weight"), args.read("bias"));
    let (y, stats) = (args.write("y"), args.write("stats"));
    y.par_chunks_mut(c).zip(stats.par_chunks_mut(2)).zip(x.par_chunks(c)).for_each(|((y, stats), x)| {
        let mean = x.iter().map(|x| x.wide()).sum::<f64>() / c as f64;
        let var = x.iter().map(|x| (x.wide() - mean).powi(2)).sum::<f64>() / c as f64;
        let (mean, inv_std) = (E::of(mean), E::of(1.0 / (var + f64::from(p.epsilon)).sqrt()));
        for j in 0..c {
            y[j] = activate(p.activation, p.alpha, weight[j] * (x[j] - mean) * inv_std + bias[j]);
        }
        stats.copy_from_slice(&[mean, inv_std]);
    });
}

/// dx = inv_std (g − (Σ g + x̂ Σ g x̂) / c) · slope, with g = weight dy
pub fn layer_norm_backward_input<E: Element>(args: &mut Args<'_, E>) {
    let p: LayerNormParams = args.params();
    let c = p.c as usize;
    let (x, weight, dy) = (args.read("x"), args.read("weight"), args.read("dy"));
    let (saved, gate_y) = (args.read("saved"), args.read("gate_y"));
    args.write("dx").par_chunks_mut(c).enumerate().for_each(|(r, dx)| {
        let (mean, inv_std) = (saved[2 * r], saved[2 * r + 1]);
        let normed = |j: usize| (x[r * c + j] - mean) * inv_std;
        let g = |j: usize| weight[j] * dy[r * c + j];
        let sum = E::of((0..c).map(|j| g(j).wide()).sum::<f64>());
        let dot = E::of((0..c).map(|j| (g(j) * normed(j)).wide()).sum::<f64>());
        for (j, dx) in dx.iter_mut().enumerate() {
            let d = inv_std * (g(j) - (sum + normed(j) * dot) / E::of(c as f64));
            *dx = d * slope_from_output(p.gate, p.gate_alpha, gate_y[r * c + j]);
        }
    });
}

/// Σ dy x̂ over each chunk of rows
pub fn layer_norm_backward_weight<E: Element>(args: &mut Args<'_, E>) {
    let p: LayerNormParams = args.params();
    let (c, chunk, rows) = (p.c as usize, p.chunk as usize, p.rows as usize);
    let (x, dy, saved) = (args.read("x"), args.read("dy"), args.read("saved"));
    args.write("partial").par_iter_mut().enumerate().for_each(|(i, dot)| {
        let (part, j) = (i / c, i % c);
        let rows = part * chunk..rows.min((part + 1) * chunk);
        let terms = rows.map(|r| (dy[r * c + j] * (x[r * c + j] - saved[2 * r]) * saved[2 * r + 1]).wide());
        *dot = E::of(terms.sum::<f64>());
    });
}
