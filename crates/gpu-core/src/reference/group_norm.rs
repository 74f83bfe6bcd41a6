//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε) over the pixels and channels of a group of one image,
//! and its derivatives. x is [n, hw, c].

use crate::ops::group_norm::GroupNormParams;
use crate::reference::activation::{activate_all, gate_all};
use crate::reference::{fold_rows, round_all, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;
use std::ops::Range;

impl GroupNormParams {
    /// The pixels of a chunk of an image.
    fn chunk_pixels(&self, part: usize) -> Range<usize> {
        let chunk = self.chunk as usize;
        part * chunk..(self.hw as usize).min((part + 1) * chunk)
    }

    /// The channels of a group.
    fn width(&self) -> usize {
        (self.c / self.groups) as usize
    }

    /// The elements of a group of one image.
    fn count(&self) -> f64 {
        f64::from(self.hw) * self.width() as f64
    }

    /// The elements of an image.
    fn image(&self) -> usize {
        (self.hw * self.c) as usize
    }

    /// The elements of a chunk, with chunks counted through all images.
    fn chunk_elements(&self, chunk: usize) -> Range<usize> {
        let (c, parts) = (self.c as usize, self.parts as usize);
        let pixels = self.chunk_pixels(chunk % parts);
        let first = chunk / parts * self.image();
        first + pixels.start * c..first + pixels.end * c
    }

    /// The first and the second number of the groups of an image, each for every channel; `pairs` is [n, groups, 2].
    fn of_channels<E: Element>(&self, pairs: &[E], image: usize) -> [Vec<E>; 2] {
        let of_image = &pairs[2 * image * self.groups as usize..];
        [0, 1].map(|which| (0..self.c as usize).map(|j| of_image[2 * (j / self.width()) + which]).collect())
    }

    /// The weight of every channel, or ones.
    fn weights<E: Element>(&self, weight: &[E]) -> Vec<E> {
        if self.affine != 0 { weight[..self.c as usize].to_vec() } else { vec![E::one(); self.c as usize] }
    }

    /// The indices into [n, parts, c] of the chunks and channels of a group, with groups counted through all images.
    fn group_entries(&self, group: usize) -> impl Iterator<Item = usize> + Clone {
        let (c, parts, groups, width) = (self.c as usize, self.parts as usize, self.groups as usize, self.width());
        let (image, first) = (group / groups, group % groups * width);
        (0..parts * width).map(move |e| (image * parts + e / width) * c + first + e % width)
    }
}

/// The mean of x over a chunk of one channel, and Σ (x − mean)² about it
pub fn group_norm_partial<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let c = p.c as usize;
    let (x, partial) = (args.read("x"), args.write("partial"));
    partial.par_chunks_mut(2 * c).enumerate().for_each(|(chunk, partial)| {
        let x = &x[p.chunk_elements(chunk)];
        let (means, squares) = partial.split_at_mut(c);
        let mut of_chunk = vec![0.0; c];
        fold_rows(&mut of_chunk, x, |sum, x| sum + x);
        of_chunk.iter_mut().for_each(|mean| *mean /= (x.len() / c) as f64);
        let mut about = vec![0.0; c];
        vectorised(|| {
            for row in x.chunks_exact(c) {
                let pairs = about.iter_mut().zip(row).zip(&of_chunk);
                pairs.for_each(|((sum, x), mean)| *sum += (x.wide() - mean).powi(2));
            }
        });
        round_all(means, &of_chunk);
        round_all(squares, &about);
    });
}

/// mean = Σ k mean_part / count, var = Σ (squares_part + k (mean_part − mean)²) / count, k being the pixels of a
/// part; stats = mean, 1 / √(var + ε)
pub fn group_norm_finish<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let (c, parts) = (p.c as usize, p.parts as usize);
    let (partials, stats) = (args.read("partials"), args.write("stats"));
    stats.par_chunks_mut(2).enumerate().for_each(|(group, stats)| {
        let chunks = p.group_entries(group).map(|at| {
            let (part, channel) = (at / c, at % c);
            let both = &partials[2 * part * c..];
            (p.chunk_pixels(part % parts).len() as f64, both[channel].wide(), both[c + channel].wide())
        });
        let mean = chunks.clone().map(|(k, mean, _)| k * mean).sum::<f64>() / p.count();
        let squares: f64 = chunks.map(|(k, of_part, squares)| squares + k * (of_part - mean).powi(2)).sum();
        stats.copy_from_slice(&[mean, 1.0 / (squares / p.count() + f64::from(p.epsilon)).sqrt()].map(E::of));
    });
}

/// y = act(weight · (x − mean) · inv_std + bias)
pub fn group_norm_apply<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let c = p.c as usize;
    let (x, saved, weight, bias) = (args.read("x"), args.read("saved"), args.read("weight"), args.read("bias"));
    let weights = p.weights(weight);
    let biases = if p.affine != 0 { bias[..c].to_vec() } else { vec![E::zero(); c] };
    let y = args.write("y");
    y.par_chunks_mut(p.image()).zip(x.par_chunks(p.image())).enumerate().for_each(|(image, (y, x))| {
        let [mean, inv_std] = p.of_channels(saved, image);
        vectorised(|| {
            for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                let of_channels = weights.iter().zip(&biases).zip(&mean).zip(&inv_std);
                for ((y, &x), (((&weight, &bias), &mean), &inv_std)) in y.iter_mut().zip(x).zip(of_channels) {
                    *y = weight * ((x - mean) * inv_std) + bias;
                }
            }
        });
        activate_all(p.activation, p.alpha, y);
    });
}

/// Σ dy x̂ and Σ dy over each chunk of one channel
pub fn group_norm_backward_partial<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let (c, parts) = (p.c as usize, p.parts as usize);
    let (x, saved, dy) = (args.read("x"), args.read("saved"), args.read("dy"));
    let (dots, sums) = (args.write("partial_dot"), args.write("partial_sum"));
    dots.par_chunks_mut(c).zip(sums.par_chunks_mut(c)).enumerate().for_each(|(chunk, (dots, sums))| {
        let [mean, inv_std] = p.of_channels(saved, chunk / parts);
        let (x, dy) = (&x[p.chunk_elements(chunk)], &dy[p.chunk_elements(chunk)]);
        let (mut dot, mut sum) = (vec![0.0; c], vec![0.0; c]);
        vectorised(|| {
            for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
                let of_channels = dot.iter_mut().zip(&mean).zip(&inv_std);
                for ((&x, &dy), ((dot, &mean), &inv_std)) in x.iter().zip(dy).zip(of_channels) {
                    *dot += (dy * ((x - mean) * inv_std)).wide();
                }
            }
        });
        fold_rows(&mut sum, dy, |sum, dy| sum + dy);
        round_all(dots, &dot);
        round_all(sums, &sum);
    });
}

/// Σ weight dy x̂ and Σ weight dy over each group
pub fn group_norm_backward_finish<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let (dots, sums, weight) = (args.read("dots"), args.read("sums"), args.read("weight"));
    let scale = |at: usize| if p.affine != 0 { weight[at % p.c as usize] } else { E::one() };
    args.write("totals").par_chunks_mut(2).enumerate().for_each(|(group, totals)| {
        totals[0] = E::of(p.group_entries(group).map(|at| (scale(at) * dots[at]).wide()).sum::<f64>());
        totals[1] = E::of(p.group_entries(group).map(|at| (scale(at) * sums[at]).wide()).sum::<f64>());
    });
}

/// dx = inv_std (weight dy − (Σ weight dy + x̂ Σ weight dy x̂) / count) · slope
pub fn group_norm_backward_apply<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let c = p.c as usize;
    let (x, saved, dy, weight) = (args.read("x"), args.read("saved"), args.read("dy"), args.read("weight"));
    let (group_sums, gate_y) = (args.read("group_sums"), args.read("gate_y"));
    let (weights, count) = (p.weights(weight), E::of(p.count()));
    let dx = args.write("dx");
    dx.par_chunks_mut(p.image()).enumerate().for_each(|(image, dx)| {
        let [mean, inv_std] = p.of_channels(saved, image);
        let [dot, sum] = p.of_channels(group_sums, image);
        let whole = image * p.image()..(image + 1) * p.image();
        vectorised(|| {
            let rows = x[whole.clone()].chunks_exact(c).zip(dy[whole.clone()].chunks_exact(c));
            for (dx, (x, dy)) in dx.chunks_exact_mut(c).zip(rows) {
                let of_channels = mean.iter().zip(&inv_std).zip(dot.iter().zip(&sum)).zip(&weights);
                for (((dx, &x), &dy), (((&mean, &inv_std), (&dot, &sum)), &weight)) in
                    dx.iter_mut().zip(x).zip(dy).zip(of_channels)
                {
                    *dx = inv_std * (weight * dy - (sum + (x - mean) * inv_std * dot) / count);
                }
            }
        });
        gate_all(p.gate, p.gate_alpha, &gate_y[whole], dx);
    });
}
