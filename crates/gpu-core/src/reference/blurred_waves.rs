//! Waves of coordinates, blurred by the noise that is left at a place of a path, and their derivatives.

use crate::ops::blurred_waves::BlurredWavesParams;
use crate::reference::round_all;
use crate::{Args, Element};
use rayon::prelude::*;
use std::f64::consts::PI;

/// `y[r, j, k]` = e^(−½ ω² σ²) (cos ωx, sin ωx), with ω = π 2ᵏ, σ = (1 − `u[r]`)ᵖ and x = `x[r, j]`
pub fn blurred_waves<E: Element>(args: &mut Args<'_, E>) {
    let p: BlurredWavesParams = args.params();
    let (x, u, y) = (args.read("x"), args.read("u"), args.write("y"));
    y.par_chunks_mut(2 * p.waves as usize).zip(x).enumerate().for_each(|(at, (y, x))| {
        for (y, (frequency, blur)) in y.chunks_mut(2).zip(waves(&p, u[at / p.n as usize])) {
            let (sin, cos) = (frequency * x.wide()).sin_cos();
            round_all(y, &[blur * cos, blur * sin]);
        }
    });
}

/// `dy[r, j, k]` = e^(−½ ω² σ²) ω `v[r, j]` (−sin ωx, cos ωx)
pub fn blurred_waves_tangent<E: Element>(args: &mut Args<'_, E>) {
    let p: BlurredWavesParams = args.params();
    let (x, u, v, dy) = (args.read("x"), args.read("u"), args.read("v"), args.write("dy"));
    dy.par_chunks_mut(2 * p.waves as usize).zip(x).zip(v).enumerate().for_each(|(at, ((dy, x), v))| {
        for (dy, (frequency, blur)) in dy.chunks_mut(2).zip(waves(&p, u[at / p.n as usize])) {
            let (sin, cos) = (frequency * x.wide()).sin_cos();
            let speed = blur * frequency * v.wide();
            round_all(dy, &[-speed * sin, speed * cos]);
        }
    });
}

/// ω and e^(−½ ω² σ²) of every k.
fn waves<E: Element>(p: &BlurredWavesParams, u: E) -> impl Iterator<Item = (f64, f64)> {
    let sigma = (1.0 - u.wide()).powf(p.spacing.into());
    (0..p.waves).map(move |k| {
        let frequency = PI * f64::from(1u32 << k);
        (frequency, (-0.5 * (frequency * sigma).powi(2)).exp())
    })
}
