//! Random numbers from counters: the words of [`philox`], uniform numbers, and normal numbers.

use crate::ops::philox::{DrawParams, NormalParams, UniformParams};
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
    let normals = |block: usize| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        let pair = |radius: u32, turn: u32| {
            let radius = (-2.0 * unit(radius).ln()).sqrt();
            let (sin, cos) = (TAU * unit(turn)).sin_cos();
            [radius * cos, radius * sin]
        };
        let ([a, b], [c, d]) = (pair(drawn[0], drawn[1]), pair(drawn[2], drawn[3]));
        [a, b, c, d]
    };
    each_block(y, p.first as usize, normals);
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

/// Writes the numbers of blocks of four, from element `first` of all blocks on.
fn each_block<E: Element>(y: &mut [E], first: usize, numbers: impl Fn(usize) -> [f64; 4] + Sync) {
    let begun = first % 4;
    let (head, rest) = y.split_at_mut(y.len().min((4 - begun) % 4));
    round_all(head, &numbers(first / 4)[begun..]);
    let start = first.div_ceil(4);
    rest.par_chunks_mut(4).enumerate().for_each(|(block, y)| round_all(y, &numbers(start + block)));
}
