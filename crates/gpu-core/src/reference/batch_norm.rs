//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε), over the rows of x [rows, c], and its derivatives.

use crate::Args;
use crate::ops::batch_norm::BatchNormParams;
use crate::reference::activation::{activate, slope_from_output};
use rayon::prelude::*;
use std::ops::Range;

impl BatchNormParams {
    /// The rows of a chunk.
    fn chunk_rows(&self, part: usize) -> Range<usize> {
        let chunk = self.chunk as usize;
        part * chunk..(self.rows as usize).min((part + 1) * chunk)
    }
}

/// `partial[part]` = the means of x over the rows of a chunk, and Σ (x − mean)² around them
pub fn batch_norm_partial(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let c = p.c as usize;
    let (x, partial) = (args.read("x"), args.write("partial"));
    partial.par_chunks_mut(2 * c).enumerate().for_each(|(part, partial)| {
        let rows = p.chunk_rows(part);
        let (means, squares) = partial.split_at_mut(c);
        for j in 0..c {
            let column = || rows.clone().map(|r| x[r * c + j]);
            means[j] = column().sum::<f64>() / rows.len() as f64;
            squares[j] = column().map(|x| (x - means[j]).powi(2)).sum();
        }
    });
}

/// mean = Σ n mean_part / rows, var = Σ (squares_part + n (mean_part − mean)²) / rows, n being the rows of a
/// part; running ← (1 − momentum) running + momentum batch
pub fn batch_norm_finish(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let (c, rows, momentum) = (p.c as usize, f64::from(p.rows), f64::from(p.momentum));
    let (partials, stats) = (args.read("partials"), args.write("stats"));
    let (running_mean, running_var) = (args.write("running_mean"), args.write("running_var"));
    let (means, inv_stds) = stats.split_at_mut(c);
    for j in 0..c {
        let parts = || {
            let part = |(part, both): (usize, &[f64])| (p.chunk_rows(part).len() as f64, both[j], both[c + j]);
            partials.chunks(2 * c).enumerate().map(part)
        };
        let mean = parts().map(|(n, mean, _)| n * mean).sum::<f64>() / rows;
        let squares: f64 = parts().map(|(n, of_part, squares)| squares + n * (of_part - mean).powi(2)).sum();
        means[j] = mean;
        inv_stds[j] = 1.0 / (squares / rows + f64::from(p.epsilon)).sqrt();
        running_mean[j] = (1.0 - momentum) * running_mean[j] + momentum * mean;
        running_var[j] = (1.0 - momentum) * running_var[j] + momentum * squares / (rows - 1.0);
    }
}

/// The mean and 1 / √(var + ε)
pub fn batch_norm_running(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let (mean, variance, stats) = (args.read("mean"), args.read("variance"), args.write("stats"));
    let (means, inv_stds) = stats.split_at_mut(p.c as usize);
    means.copy_from_slice(mean);
    inv_stds.iter_mut().zip(variance).for_each(|(i, var)| *i = 1.0 / (var + f64::from(p.epsilon)).sqrt());
}

/// y = act(weight · (x − mean) · inv_std + bias)
pub fn batch_norm_apply(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let c = p.c as usize;
    let (x, weight, bias, y) = (args.read("x"), args.read("weight"), args.read("bias"), args.write("y"));
    let (mean, inv_std) = args.read("saved").split_at(c);
    y.par_chunks_mut(c).zip(x.par_chunks(c)).for_each(|(y, x)| {
        for j in 0..c {
            y[j] = activate(p.activation, p.alpha.into(), weight[j] * (x[j] - mean[j]) * inv_std[j] + bias[j]);
        }
    });
}

/// Σ dy x̂ and Σ dy over the rows of each chunk
pub fn batch_norm_backward_partial(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let c = p.c as usize;
    let (x, dy) = (args.read("x"), args.read("dy"));
    let (mean, inv_std) = args.read("saved").split_at(c);
    let (dots, sums) = (args.write("partial_dot"), args.write("partial_sum"));
    dots.par_iter_mut().zip(sums).enumerate().for_each(|(i, (dot, sum))| {
        let j = i % c;
        let column = || p.chunk_rows(i / c).map(|r| r * c + j);
        *dot = column().map(|at| dy[at] * (x[at] - mean[j]) * inv_std[j]).sum();
        *sum = column().map(|at| dy[at]).sum();
    });
}

/// The sums of both over the chunks
pub fn batch_norm_backward_finish(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    for (partial, total) in [("dots", "total_dot"), ("sums", "total_sum")] {
        let (partial, total) = (args.read(partial), args.write(total));
        total.par_iter_mut().enumerate().for_each(|(j, total)| {
            *total = partial.iter().skip(j).step_by(p.c as usize).sum();
        });
    }
}

/// dx = weight · inv_std (dy − Σ dy / rows − x̂ Σ dy x̂ / rows) · slope
pub fn batch_norm_backward_apply(args: &mut Args<'_>) {
    let p: BatchNormParams = args.params();
    let (c, rows) = (p.c as usize, f64::from(p.rows));
    let (x, dy, weight, gate_y) = (args.read("x"), args.read("dy"), args.read("weight"), args.read("gate_y"));
    let (mean, inv_std) = args.read("saved").split_at(c);
    let (dot, sum, dx) = (args.read("dot"), args.read("sum"), args.write("dx"));
    dx.par_iter_mut().enumerate().for_each(|(i, dx)| {
        let j = i % c;
        let mut d = dy[i];
        if p.training != 0 {
            let normed = (x[i] - mean[j]) * inv_std[j];
            d -= (sum[j] + normed * dot[j]) / rows;
        }
        *dx = weight[j] * inv_std[j] * d * slope_from_output(p.gate, p.gate_alpha.into(), gate_y[i]);
    });
}
