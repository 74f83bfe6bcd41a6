//! y = act(weight · x̂ + bias), x̂ = (x − mean) / √(var + ε) over the pixels and channels of a group of one image,
//! and its derivatives. x is [n, hw, c].

use crate::ops::group_norm::GroupNormParams;
use crate::reference::activation::{activate, slope_from_output};
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

    /// The index of an element's group, counted through all images.
    fn group_of(&self, element: usize) -> usize {
        let (c, pixels) = (self.c as usize, self.hw as usize);
        element / (pixels * c) * self.groups as usize + element % c / self.width()
    }

    /// The elements of x in channel `i % c` of chunk `i / c`, with chunks counted through all images.
    fn chunk_elements(&self, i: usize) -> impl Iterator<Item = usize> + Clone {
        let (c, parts, hw) = (self.c as usize, self.parts as usize, self.hw as usize);
        let (part, channel) = (i / c, i % c);
        self.chunk_pixels(part % parts).map(move |pixel| (part / parts * hw + pixel) * c + channel)
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
    partial.par_chunks_mut(2 * c).enumerate().for_each(|(part, partial)| {
        let (means, squares) = partial.split_at_mut(c);
        for channel in 0..c {
            let chunk = p.chunk_elements(part * c + channel);
            let mean = chunk.clone().map(|at| x[at].wide()).sum::<f64>() / chunk.clone().count() as f64;
            means[channel] = E::of(mean);
            squares[channel] = E::of(chunk.map(|at| (x[at].wide() - mean).powi(2)).sum::<f64>());
        }
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
    let (x, saved, weight, bias) = (args.read("x"), args.read("saved"), args.read("weight"), args.read("bias"));
    args.write("y").par_iter_mut().enumerate().for_each(|(i, y)| {
        let (stats, channel) = (&saved[2 * p.group_of(i)..], i % p.c as usize);
        let normed = (x[i] - stats[0]) * stats[1];
        let v = if p.affine != 0 { weight[channel] * normed + bias[channel] } else { normed };
        *y = activate(p.activation, p.alpha, v);
    });
}

/// Σ dy x̂ and Σ dy over each chunk of one channel
pub fn group_norm_backward_partial<E: Element>(args: &mut Args<'_, E>) {
    let p: GroupNormParams = args.params();
    let (x, saved, dy) = (args.read("x"), args.read("saved"), args.read("dy"));
    let (dots, sums) = (args.write("partial_dot"), args.write("partial_sum"));
    dots.par_iter_mut().zip(sums).enumerate().for_each(|(i, (dot, sum))| {
        let normed = |at: usize| (x[at] - saved[2 * p.group_of(at)]) * saved[2 * p.group_of(at) + 1];
        *dot = E::of(p.chunk_elements(i).map(|at| (dy[at] * normed(at)).wide()).sum::<f64>());
        *sum = E::of(p.chunk_elements(i).map(|at| dy[at].wide()).sum::<f64>());
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
    let (x, saved, dy, weight) = (args.read("x"), args.read("saved"), args.read("dy"), args.read("weight"));
    let (group_sums, gate_y) = (args.read("group_sums"), args.read("gate_y"));
    args.write("dx").par_iter_mut().enumerate().for_each(|(i, dx)| {
        let at = 2 * p.group_of(i);
        let (mean, inv_std, dot, sum) = (saved[at], saved[at + 1], group_sums[at], group_sums[at + 1]);
        let g = if p.affine != 0 { weight[i % p.c as usize] * dy[i] } else { dy[i] };
        let d = inv_std * (g - (sum + (x[i] - mean) * inv_std * dot) / E::of(p.count()));
        *dx = d * slope_from_output(p.gate, p.gate_alpha, gate_y[i]);
    });
}
