//! Random numbers from counters: the words of [`philox`] as they are, uniform, and normal.

use crate::Args;
use crate::ops::philox::{DrawParams, UniformParams};
use crate::random::{philox, unit};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// `words[4b + j] = philox((b, stream, step, 0), key)[j]`
pub fn philox_words(args: &mut Args<'_>) {
    let p: DrawParams = args.params();
    let (step, words) = (args.read_u32("clock")[0], args.write_u32("words"));
    words.par_chunks_mut(4).enumerate().for_each(|(block, words)| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        words.copy_from_slice(&drawn[..words.len()]);
    });
}

/// y = √(−2 ln u(w₀)) cos 2πu(w₁), then the sine of the same; so also with w₂ and w₃
pub fn philox_normal(args: &mut Args<'_>) {
    let p: DrawParams = args.params();
    let (step, y) = (args.read_u32("clock")[0], args.write("y"));
    y.par_chunks_mut(4).enumerate().for_each(|(block, y)| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        for (pair, y) in y.chunks_mut(2).enumerate() {
            let radius = (-2.0 * unit(drawn[2 * pair]).ln()).sqrt();
            let (sin, cos) = (TAU * unit(drawn[2 * pair + 1])).sin_cos();
            let normals = [radius * cos, radius * sin];
            y.copy_from_slice(&normals[..y.len()]);
        }
    });
}

/// y = low + (high − low) u(w)
pub fn philox_uniform(args: &mut Args<'_>) {
    let p: UniformParams = args.params();
    let (step, y) = (args.read_u32("clock")[0], args.write("y"));
    let (low, high) = (f64::from(p.low), f64::from(p.high));
    y.par_chunks_mut(4).enumerate().for_each(|(block, y)| {
        let drawn = philox([block as u32, p.stream, step, 0], [p.key0, p.key1]);
        for (y, word) in y.iter_mut().zip(drawn) {
            *y = low + (high - low) * unit(word);
        }
    });
}
