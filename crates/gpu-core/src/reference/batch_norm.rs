//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε), over the rows of x [rows, c], and its derivatives.

use crate::ops::batch_norm::BatchNormParams;
use crate::reference::activation::{activate_all, gate_all};
use crate::reference::{block_of_rows, fold_rows, round_all, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;
use std::ops::Range;

impl BatchNormParams {
    /// The rows of a chunk.
    fn chunk_rows(&self, part: usize) -> Range<usize> {
        let chunk = self.chunk as usize;
        part * chunk..(self.rows as usize).min((part + 1) * chunk)
    }
}

/// `partial[part]` = the means of x over the rows of a chunk, and Σ (x − mean)² about them
pub fn batch_norm_partial<E: Element>(args: &mut Args<'_, E>) {
    let p: BatchNormParams = args.params();
    chunk_statistics(&p, args.read("x"), args.write("partial"));
}

fn chunk_statistics<E: Element>(p: &BatchNormParams, x: &[E], partial: &mut [E]) {
    let c = p.c as usize;
    partial.par_chunks_mut(2 * c).enumerate().for_each(|(part, partial)| {
        let (mut means, mut squares) = (vec![0.0; c], vec![0.0; c]);
        let rows = p.chunk_rows(part);
        let x = &x[rows.start * c..rows.end * c];
        fold_rows(&mut means, x, |sum, x| sum + x);
        means.iter_mut().for_each(|mean| *mean /= rows.len() as f64);
        vectorised(|| {
            for x in x.chunks_exact(c) {
                squares.iter_mut().zip(x).zip(&means).for_each(|((sum, x), mean): ((&mut f64, &E), &f64)| {
                    *sum += (x.wide() - mean) * (x.wide() - mean);
                });
            }
        });
        round_all(partial, means.iter().chain(&squares));
    });
}

/// mean = Σ n mean_part / rows, var = Σ (squares_part + n (mean_part − mean)²) / rows, n being the rows of a
/// part; running ← (1 − momentum) running + momentum batch
pub fn batch_norm_finish<E: Element>(args: &mut Args<'_, E>) {
    let (partials, stats) = (args.read("partials"), args.write("stats"));
    join_statistics(args, partials, stats);
}

fn join_statistics<E: Element>(args: &mut Args<'_, E>, partials: &[E], stats: &mut [E]) {
    let p: BatchNormParams = args.params();
    let (c, rows, momentum) = (p.c as usize, f64::from(p.rows), f64::from(p.momentum));
    let (running_mean, running_var) = (args.write("running_mean"), args.write("running_var"));
    let (means, inv_stds) = stats.split_at_mut(c);
    for j in 0..c {
        let parts = || {
            let part =
                |(part, both): (usize, &[E])| (p.chunk_rows(part).len() as f64, both[j].wide(), both[c + j].wide());
            partials.chunks(2 * c).enumerate().map(part)
        };
        let mean = parts().map(|(n, mean, _)| n * mean).sum::<f64>() / rows;
        let squares: f64 = parts().map(|(n, of_part, squares)| squares + n * (of_part - mean).powi(2)).sum();
        means[j] = E::of(mean);
        inv_stds[j] = E::of(1.0 / (squares / rows + f64::from(p.epsilon)).sqrt());
        running_mean[j] = E::of((1.0 - momentum) * running_mean[j].wide() + momentum * mean);
        running_var[j] = E::of((1.0 - momentum) * running_var[j].wide() + momentum * squares / (rows - 1.0));
    }
}

/// The three steps of the forward pass in turn
pub fn batch_norm_few<E: Element>(args: &mut Args<'_, E>) {
    let p: BatchNormParams = args.params();
    let (x, stats) = (args.read("x"), args.write("stats"));
    let mut partials = vec![E::zero(); p.parts as usize * stats.len()];
    chunk_statistics(&p, x, &mut partials);
    join_statistics(args, &partials, stats);
    normalise(&p, x, stats, [args.read("gain"), args.read("shift")], args.write("out"));
}

/// The mean and 1 / √(var + ε)
pub fn batch_norm_running<E: Element>(args: &mut Args<'_, E>) {
    let p: BatchNormParams = args.params();
    let (mean, variance, stats) = (args.read("mean"), args.read("variance"), args.write("stats"));
    let (means, inv_stds) = stats.split_at_mut(p.c as usize);
    means.copy_from_slice(mean);
    inv_stds.iter_mut().zip(variance).for_each(|(inv_std, var)| {
        *inv_std = E::of(1.0 / (var.wide() + f64::from(p.epsilon)).sqrt());
    });
}

/// y = act(weight · (x − mean) · inv_std + bias)
pub fn batch_norm_apply<E: Element>(args: &mut Args<'_, E>) {
    let affine = [args.read("weight"), args.read("bias")];
    normalise(&args.params(), args.read("x"), args.read("saved"), affine, args.write("y"));
}

fn normalise<E: Element>(p: &BatchNormParams, x: &[E], stats: &[E], [weight, bias]: [&[E]; 2], y: &mut [E]) {
    let c = p.c as usize;
    let (mean, inv_std) = stats.split_at(c);
    let (weight, bias, mean, inv_std) = (&weight[..c], &bias[..c], &mean[..c], &inv_std[..c]);
    let block = block_of_rows(c);
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        vectorised(|| {
            for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                let of_channels = weight.iter().zip(bias).zip(mean).zip(inv_std);
                for ((y, &x), (((&weight, &bias), &mean), &inv_std)) in y.iter_mut().zip(x).zip(of_channels) {
                    *y = weight * (x - mean) * inv_std + bias;
                }
            }
        });
        activate_all(p.activation, p.alpha, y);
    });
}

/// Σ dy x̂ and Σ dy over the rows of each chunk
pub fn batch_norm_backward_partial<E: Element>(args: &mut Args<'_, E>) {
    let (dots, sums) = (args.write("partial_dot"), args.write("partial_sum"));
    chunk_sums(args, dots, sums);
}

fn chunk_sums<E: Element>(args: &Args<'_, E>, dots: &mut [E], sums: &mut [E]) {
    let p: BatchNormParams = args.params();
    let c = p.c as usize;
    let (x, dy) = (args.read("x"), args.read("dy"));
    let (mean, inv_std) = args.read("saved").split_at(c);
    dots.par_chunks_mut(c).zip(sums.par_chunks_mut(c)).enumerate().for_each(|(part, (dots, sums))| {
        let rows = p.chunk_rows(part);
        let (x, dy) = (&x[rows.start * c..rows.end * c], &dy[rows.start * c..rows.end * c]);
        let (mut dot, mut sum) = (vec![0.0; c], vec![0.0; c]);
        let (mean, inv_std) = (&mean[..c], &inv_std[..c]);
        vectorised(|| {
            for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
                let of_channels = dot.iter_mut().zip(mean).zip(inv_std);
                for ((&x, &dy), ((dot, &mean), &inv_std)) in x.iter().zip(dy).zip(of_channels) {
                    *dot += (dy * (x - mean) * inv_std).wide();
                }
            }
        });
        fold_rows(&mut sum, dy, |sum, dy| sum + dy);
        round_all(dots, &dot);
        round_all(sums, &sum);
    });
}

/// The sums of both over the chunks
pub fn batch_norm_backward_finish<E: Element>(args: &mut Args<'_, E>) {
    for (partial, total) in [("dots", "total_dot"), ("sums", "total_sum")] {
        join_sums(args.read(partial), args.write(total));
    }
}

/// The same, also added to the gradients of the parameters
pub fn batch_norm_backward_finish_add<E: Element>(args: &mut Args<'_, E>) {
    let totals = [args.write("total_dot"), args.write("total_sum")];
    join_sums(args.read("dots"), totals[0]);
    join_sums(args.read("sums"), totals[1]);
    add(args, totals[0], totals[1]);
}

fn join_sums<E: Element>(partial: &[E], total: &mut [E]) {
    let mut sums = vec![0.0; total.len()];
    fold_rows(&mut sums, partial, |sum, part| sum + part);
    round_all(total, &sums);
}

fn add<E: Element>(args: &mut Args<'_, E>, dot: &[E], sum: &[E]) {
    let p: BatchNormParams = args.params();
    let (of_weight, of_bias) = args.write("gradients").split_at_mut(p.bias_at as usize);
    of_weight.iter_mut().zip(dot).for_each(|(gradient, &dot)| *gradient += dot);
    of_bias.iter_mut().zip(sum).for_each(|(gradient, &sum)| *gradient += sum);
}

/// dx = weight · inv_std (dy − Σ dy / rows − x̂ Σ dy x̂ / rows) · slope
pub fn batch_norm_backward_apply<E: Element>(args: &mut Args<'_, E>) {
    let (sums, dx) = ([args.read("dot"), args.read("sum")], args.write("dx"));
    input_gradient(args, sums, args.read("gate_y"), dx);
}

/// The three steps of the backward pass in turn
pub fn batch_norm_backward_few<E: Element>(args: &mut Args<'_, E>) {
    let (dot, sum) = args.write("totals").split_at_mut(args.read("weight").len());
    backward_of_few(args, dot, sum);
}

/// The same, with the sums added to the gradients of the parameters
pub fn batch_norm_backward_few_add<E: Element>(args: &mut Args<'_, E>) {
    let [mut dot, mut sum] = [(); 2].map(|()| vec![E::zero(); args.read("weight").len()]);
    backward_of_few(args, &mut dot, &mut sum);
    add(args, &dot, &sum);
}

fn backward_of_few<E: Element>(args: &mut Args<'_, E>, dot: &mut [E], sum: &mut [E]) {
    let p: BatchNormParams = args.params();
    let [mut dots, mut sums] = [(); 2].map(|()| vec![E::zero(); (p.parts * p.c) as usize]);
    chunk_sums(args, &mut dots, &mut sums);
    join_sums(&dots, dot);
    join_sums(&sums, sum);
    let dx = args.write("dx_few");
    input_gradient(args, [dot, sum], args.read("gate_few"), dx);
}

fn input_gradient<E: Element>(args: &Args<'_, E>, [dot, sum]: [&[E]; 2], gate_y: &[E], dx: &mut [E]) {
    let p: BatchNormParams = args.params();
    let (c, rows) = (p.c as usize, E::of(p.rows));
    let (x, dy, weight) = (args.read("x"), args.read("dy"), args.read("weight"));
    let (mean, inv_std) = args.read("saved").split_at(c);
    let (weight, mean, inv_std, dot, sum) = (&weight[..c], &mean[..c], &inv_std[..c], &dot[..c], &sum[..c]);
    let block = block_of_rows(c);
    let blocks = dx.par_chunks_mut(block).zip(x.par_chunks(block)).zip(dy.par_chunks(block));
    blocks.zip(gate_y.par_chunks(block)).for_each(|(((dx, x), dy), gate_y)| {
        vectorised(|| {
            for ((dx, x), dy) in dx.chunks_exact_mut(c).zip(x.chunks_exact(c)).zip(dy.chunks_exact(c)) {
                let of_channels = weight.iter().zip(mean).zip(inv_std).zip(dot).zip(sum);
                let all = dx.iter_mut().zip(x).zip(dy).zip(of_channels);
                for (((dx, &x), &dy), ((((&weight, &mean), &inv_std), &dot), &sum)) in all {
                    let through = (sum + (x - mean) * inv_std * dot) / rows;
                    *dx = weight * inv_std * (dy - if p.training != 0 { through } else { E::zero() });
                }
            }
        });
        gate_all(p.gate, p.gate_alpha, gate_y, dx);
    });
}
