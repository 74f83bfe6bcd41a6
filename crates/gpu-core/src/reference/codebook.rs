//! Codebooks by running averages, their initialisation and restarts, and their perplexity.

use crate::ops::codebook::{
    DeadParams, DrawParams, EmaParams, NONE, NearerParams, PerplexityParams, PlaceParams, SmoothParams,
};
use crate::random::{Stream, philox};
use crate::{Args, Element};
use rayon::prelude::*;

/// size = left · size + gain · counts, total = left · total + gain · sums
pub fn codebook_ema<E: Element>(args: &mut Args<'_, E>) {
    let p: EmaParams = args.params();
    let (left, gain) = (E::of(p.left), E::of(p.gain));
    for (now, average) in [("counts", "size"), ("sums", "total")] {
        let (now, average) = (args.read(now), args.write(average));
        average.par_iter_mut().zip(now).for_each(|(average, &now)| *average = left * *average + gain * now);
    }
}

/// e = total / ((size + ε) / (n + k ε) n)
pub fn codebook_smooth<E: Element>(args: &mut Args<'_, E>) {
    let p: SmoothParams = args.params();
    let (sizes, totals, n, codebook) =
        (args.read("sizes"), args.read("totals"), args.read("n")[0], args.write("codebook"));
    let (k, epsilon) = (E::of(p.k), E::of(p.epsilon));
    codebook.par_iter_mut().zip(totals).enumerate().for_each(|(i, (e, &total))| {
        *e = total / ((sizes[i / p.dim as usize] + epsilon) / (n + k * epsilon) * n);
    });
}

/// exp(−Σ p ln p), where p = histogram / Σ histogram, and the number of positive p
pub fn codebook_perplexity<E: Element>(args: &mut Args<'_, E>) {
    let _: PerplexityParams = args.params();
    let (histogram, perplexity, used) = (args.read("histogram"), args.write("perplexity"), args.write("used"));
    let sum: f64 = histogram.iter().map(|count| count.wide()).sum();
    let shares = histogram.iter().map(|count| count.wide()).filter(|&count| count > 0.0).map(|count| count / sum);
    let shares: Vec<f64> = shares.collect();
    perplexity[0] = E::of((-shares.iter().map(|p| p * p.ln()).sum::<f64>()).exp());
    used[0] = E::of(shares.len() as f64);
}

/// `chosen[j]` = a random row where `usage[j]` < threshold, otherwise `NONE`
pub fn codebook_dead<E: Element>(args: &mut Args<'_, E>) {
    let p: DeadParams = args.params();
    let (usage, step, chosen) = (args.read("usage"), args.read_u32("clock")[0], args.write_u32("chosen"));
    chosen.par_iter_mut().zip(usage).enumerate().for_each(|(j, (chosen, &usage))| {
        let word = philox([j as u32, Stream::Codebook as u32, step, 0], [p.key0, p.key1])[0];
        *chosen = if usage < E::of(p.threshold) { below(word, p.m) } else { NONE };
    });
}

/// row = r with probability `w[r]` / Σ w, where w are the `weights` of the distances
pub fn codebook_draw<E: Element>(args: &mut Args<'_, E>) {
    let p: DrawParams = args.params();
    let (distance, step, row) = (args.read("distance"), args.read_u32("clock")[0], args.write_u32("row"));
    let word = philox([p.code, Stream::Codebook as u32, step, 1], [p.key0, p.key1])[0];
    row[0] = drawn(&weights(distance, p.bits), word);
}

/// The distances as integers: multiples of 2^−bits of the least power of two above the largest, rounded down.
fn weights<E: Element>(distance: &[E], bits: u32) -> Vec<u32> {
    let largest = distance.iter().map(|d| d.wide()).fold(0.0, f64::max);
    // The exponent is read from the bits, since a computed logarithm might be rounded up.
    let exponent = (largest.to_bits() >> 52) as i32 - 1023;
    let scale = if largest > f64::from(1e-30f32) { 2f64.powi(bits as i32 - 1 - exponent) } else { 0.0 };
    distance.iter().map(|d| (d.wide() * scale) as u32).collect()
}

/// The row drawn by a random word, with a probability proportional to its weight; any row if all weights are zero.
fn drawn(weights: &[u32], word: u32) -> u32 {
    let sum: u32 = weights.iter().sum();
    if sum == 0 {
        return below(word, weights.len() as u32);
    }
    let place = below(word, sum);
    let reached = weights.iter().scan(0, |reached, weight| {
        *reached += weight;
        Some(*reached)
    });
    reached.take_while(|&reached| reached <= place).count() as u32
}

/// ⌊word / 2³² · bound⌋
fn below(word: u32, bound: u32) -> u32 {
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}

/// `nearer[r]` = min(`nearer[r]`, Σ (`z[r]` − `z[row]`)²), or the sum alone for the first code
pub fn codebook_nearer<E: Element>(args: &mut Args<'_, E>) {
    let p: NearerParams = args.params();
    let dim = p.dim as usize;
    let (z, row, nearer) = (args.read("z"), args.read_u32("source")[0], args.write("nearer"));
    let code = &z[row as usize * dim..][..dim];
    nearer.par_iter_mut().zip(z.par_chunks(dim)).for_each(|(nearer, z)| {
        let sum = E::of(z.iter().zip(code).map(|(&z, &code)| ((z - code) * (z - code)).wide()).sum::<f64>());
        *nearer = if p.first != 0 { sum } else { nearer.min(sum) };
    });
}

/// `codes[first + j]` = `z[source[j]]`, except where `source[j]` is `NONE`
pub fn codebook_place<E: Element>(args: &mut Args<'_, E>) {
    let p: PlaceParams = args.params();
    let dim = p.dim as usize;
    let (z, source, codes) = (args.read("z"), args.read_u32("source"), args.write("codes"));
    let placed = codes[p.first as usize * dim..].par_chunks_mut(dim).zip(source);
    placed.filter(|(_, row)| **row < p.m).for_each(|(code, &row)| {
        code.copy_from_slice(&z[row as usize * dim..][..dim]);
    });
}

/// `size[first + j]` = weight and `total[first + j]` = weight · `z[source[j]]`, with the same exception
pub fn codebook_place_averages<E: Element>(args: &mut Args<'_, E>) {
    let p: PlaceParams = args.params();
    let (first, dim, weight) = (p.first as usize, p.dim as usize, E::of(p.weight));
    let (z, source, size, total) = (args.read("z"), args.read_u32("source"), args.write("size"), args.write("total"));
    let placed = total[first * dim..].par_chunks_mut(dim).zip(&mut size[first..]).zip(source);
    placed.filter(|(_, row)| **row < p.m).for_each(|((total, size), &row)| {
        *size = weight;
        for (total, &z) in total.iter_mut().zip(&z[row as usize * dim..]) {
            *total = weight * z;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spaced words draw each row in proportion to its distance.
    #[test]
    fn rows_are_drawn_in_proportion_to_their_distances() {
        let distance = [0.75, 0.0, 3.0, 1.5, 1e-9, 0.75];
        let weights = weights(&distance, 24);
        assert_eq!(weights, [3 << 20, 0, 3 << 22, 3 << 21, 0, 3 << 20].map(|weight: u32| weight));
        let mut often = [0; 6];
        for i in 0..8000u32 {
            often[drawn(&weights, i * (u32::MAX / 8000)) as usize] += 1;
        }
        for (count, d) in often.iter().zip(distance) {
            assert!((f64::from(*count) - 8000.0 * d / 6.0).abs() <= 2.0, "{often:?}");
        }
        assert_eq!((drawn(&weights, 0), drawn(&weights, u32::MAX)), (0, 5));
    }

    #[test]
    fn equal_rows_are_equally_likely() {
        let weights = weights(&[0.0; 4], 24);
        assert_eq!([0, 1 << 30, 1 << 31, u32::MAX].map(|word| drawn(&weights, word)), [0, 1, 2, 3]);
    }

    /// The bits that ops/codebook.rs chooses for 2²⁰ rows: their sum just fits.
    #[test]
    fn weights_of_many_rows_do_not_overflow() {
        let weights = weights(&vec![1.999_999_9; 1 << 20], 12);
        assert_eq!(drawn(&weights, u32::MAX), (1 << 20) - 1);
    }
}
