//! Random numbers from counters: the words of [`philox`], uniform numbers, and normal numbers.

use crate::ops::philox::{DrawParams, NormalParams, RowsParams, UniformParams};
use crate::random::{philox, unit};
use crate::reference::round_all;
use crate::{Args, Element};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// `words[4b + j] = philox((b, stream, step, 0), key)[j]`
pub fn philox_words<E: Element>(args: &mut Args<'_, E>) {
    let p: DrawParams = args.params();
    let (step, words) = (args.read_u32("clock")[0], args.write_u32("words"));
    words.par_chunks_mut(4).enumerate().for_each(|(block, words)| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        words.copy_from_slice(&drawn[..words.len()]);
    });
}

/// y = √(−2 ln u(w₀)) cos 2πu(w₁), then with the sine; the same with w₂ and w₃; skips the first elements
pub fn philox_normal<E: Element>(args: &mut Args<'_, E>) {
    let p: NormalParams = args.params();
    let (step, y) = (args.read_u32("clock")[0], args.write("y"));
    each_block(y, p.first as usize, |block| normals([block as u32, p.stream, step, 0], [p.key0, p.key1]));
}

/// Four normal numbers of a counter.
fn normals(counter: [u32; 4], key: [u32; 2]) -> [f64; 4] {
    let drawn = philox(counter, key);
    let pair = |radius: u32, turn: u32| {
        let radius = (-2.0 * unit(radius).ln()).sqrt();
        let (sin, cos) = (TAU * unit(turn)).sin_cos();
        [radius * cos, radius * sin]
    };
    let ([a, b], [c, d]) = (pair(drawn[0], drawn[1]), pair(drawn[2], drawn[3]));
    [a, b, c, d]
}

/// y = low + (high − low) u(w); skips the first elements
pub fn philox_uniform<E: Element>(args: &mut Args<'_, E>) {
    let p: UniformParams = args.params();
    let (step, y) = (args.read_u32("clock")[0], args.write("y"));
    let (low, high) = (f64::from(p.low), f64::from(p.high));
    each_block(y, p.first as usize, |block| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        drawn.map(|word| low + (high - low) * unit(word))
    });
}

/// Row r of z is normal under seed r, and truncated: a number beyond ±bound is replaced by the first accepted proposal
pub fn philox_rows<E: Element>(args: &mut Args<'_, E>) {
    let p: RowsParams = args.params();
    let (step, seeds, z) = (args.read_u32("clock")[0], args.read_u32("seeds"), args.write("z"));
    let bound = f64::from(p.bound);
    z.par_chunks_mut(p.cols as usize).zip(seeds.par_chunks(2)).for_each(|(row, seed)| {
        for (block, z) in row.chunks_mut(4).enumerate() {
            let counter = |last: u32| [block as u32, p.stream, step, last];
            let key = [seed[0], seed[1]];
            let first = normals(counter(0), key);
            let drawn = [0, 1, 2, 3].map(|j| match first[j] {
                within if within.abs() <= bound => within,
                _ => (0..PROPOSALS).find_map(|i| proposal(i, bound, counter, key, j)).unwrap_or(0.0),
            });
            round_all(z, &drawn);
        }
    });
}

/// Proposals in place of a number that is beyond the bound.
const PROPOSALS: u32 = 128;

/// Number j of a proposal, if it is accepted: a normal one within the bound; below a bound of 1, where few are, a
/// uniform one with probability e^(−z²/2).
fn proposal(i: u32, bound: f64, counter: impl Fn(u32) -> [u32; 4], key: [u32; 2], j: usize) -> Option<f64> {
    if bound >= 1.0 {
        return Some(normals(counter(i + 1), key)[j]).filter(|z| z.abs() <= bound);
    }
    let [value, height] = [2 * i + 1, 2 * i + 2].map(|last| unit(philox(counter(last), key)[j]));
    let z = bound * (2.0 * value - 1.0);
    (height < (-0.5 * z * z).exp()).then_some(z)
}

/// Writes the numbers of blocks of four, from element `first` of all blocks on.
fn each_block<E: Element>(y: &mut [E], first: usize, numbers: impl Fn(usize) -> [f64; 4] + Sync) {
    let begun = first % 4;
    let (head, rest) = y.split_at_mut(y.len().min((4 - begun) % 4));
    round_all(head, &numbers(first / 4)[begun..]);
    let start = first.div_ceil(4);
    rest.par_chunks_mut(4).enumerate().for_each(|(block, y)| round_all(y, &numbers(start + block)));
}
