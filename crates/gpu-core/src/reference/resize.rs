//! Images resized by bilinear interpolation. The gradient adds each dy to the pixels that contributed to it.

use crate::ops::resize::ResizeParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// y = Σ weight x over the four pixels around
pub fn resize_bilinear<E: Element>(args: &mut Args<'_, E>) {
    let p: ResizeParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let (h, w, c) = (p.h as usize, p.w as usize, p.c as usize);
    y.par_chunks_mut((p.out_w * p.c) as usize).enumerate().for_each(|(row, y)| {
        let (n, row) = (row / p.out_h as usize, row % p.out_h as usize);
        y.fill(E::zero());
        for (i, y) in y.iter_mut().enumerate() {
            for (r, a) in taps::<E>(row, p.h, p.out_h) {
                for (s, b) in taps::<E>(i / c, p.w, p.out_w) {
                    *y += a * b * x[((n * h + r) * w + s) * c + i % c];
                }
            }
        }
    });
}

/// dx += weight dy
pub fn resize_bilinear_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ResizeParams = args.params();
    let (dy, dx) = (args.read("dy"), args.write("dx"));
    let (w, c, cols) = (p.w as usize, p.c as usize, p.out_w as usize);
    let [image, of_y] = [p.h * p.w * p.c, p.out_h * p.out_w * p.c].map(|numbers| numbers as usize);
    dx.par_chunks_mut(image).zip(dy.par_chunks(of_y)).for_each(|(dx, dy)| {
        dx.fill(E::zero());
        for (i, &dy) in dy.iter().enumerate() {
            for (r, a) in taps::<E>(i / c / cols, p.h, p.out_h) {
                for (s, b) in taps::<E>(i / c % cols, p.w, p.out_w) {
                    dx[(r * w + s) * c + i % c] += a * b * dy;
                }
            }
        }
    });
}

/// For one axis: the indices of x around index `to` of y, with their weights. Past the edge, the last one is used.
fn taps<E: Element>(to: usize, from_size: u32, to_size: u32) -> [(usize, E); 2] {
    let from = to as f64 * f64::from(from_size) / f64::from(to_size);
    let low = from.floor() as usize;
    let weight = from - low as f64;
    [(low, E::of(1.0 - weight)), ((low + 1).min(from_size as usize - 1), E::of(weight))]
}
