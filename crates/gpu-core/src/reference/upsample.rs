//! Images enlarged by whole factors. The gradients add each dy to the pixels that contributed to it.

use crate::ops::upsample::UpsampleParams;
use crate::reference::activation::gate_all;
use crate::reference::{BLOCK, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// For one axis: the indices of x that contribute to index `to` of y, with their weights, by factor and size of x.
type Taps<E, const COUNT: usize> = fn(to: usize, factor: u32, size: u32) -> [(usize, E); COUNT];

/// `y[row, col] = x[row / factor, col / factor]`
pub fn upsample_nearest<E: Element>(args: &mut Args<'_, E>) {
    forward(args, nearest);
}

/// y = Σ weight x over the four pixels around
pub fn upsample_bilinear<E: Element>(args: &mut Args<'_, E>) {
    forward(args, linear);
}

/// dx += dy, times the gate
pub fn upsample_nearest_backward<E: Element>(args: &mut Args<'_, E>) {
    backward(args, nearest);
}

/// dx += weight dy, times the gate
pub fn upsample_bilinear_backward<E: Element>(args: &mut Args<'_, E>) {
    backward(args, linear);
}

fn nearest<E: Element>(to: usize, factor: u32, _: u32) -> [(usize, E); 1] {
    [(to / factor as usize, E::one())]
}

/// Pixel centres are at halves, so index `to` of y is (to + ½) / factor − ½ in x; indices past the edge use the edge.
fn linear<E: Element>(to: usize, factor: u32, size: u32) -> [(usize, E); 2] {
    let from = ((to as f64 + 0.5) / f64::from(factor) - 0.5).max(0.0);
    let low = from.floor() as usize;
    let weight = from - low as f64;
    [(low, E::of(1.0 - weight)), ((low + 1).min(size as usize - 1), E::of(weight))]
}

fn forward<E: Element, const COUNT: usize>(args: &mut Args<'_, E>, taps: Taps<E, COUNT>) {
    let p: UpsampleParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let (h, w, c) = (p.h as usize, p.w as usize, p.c as usize);
    y.par_chunks_mut(w * p.factor_w as usize * c).enumerate().for_each(|(row, y)| {
        let (n, row) = (row / (h * p.factor_h as usize), row % (h * p.factor_h as usize));
        y.fill(E::zero());
        for (col, y) in y.chunks_exact_mut(c).enumerate() {
            for (r, a) in taps(row, p.factor_h, p.h) {
                for (s, b) in taps(col, p.factor_w, p.w) {
                    add(y, a * b, &x[((n * h + r) * w + s) * c..][..c]);
                }
            }
        }
    });
}

fn backward<E: Element, const COUNT: usize>(args: &mut Args<'_, E>, taps: Taps<E, COUNT>) {
    let p: UpsampleParams = args.params();
    let (dy, gate_y, dx) = (args.read("dy"), args.read("gate_y"), args.write("dx"));
    let (w, c) = (p.w as usize, p.c as usize);
    let (rows, cols) = ((p.h * p.factor_h) as usize, (p.w * p.factor_w) as usize);
    dx.par_chunks_mut(p.h as usize * w * c).zip(dy.par_chunks(rows * cols * c)).for_each(|(dx, dy)| {
        dx.fill(E::zero());
        for (pixel, dy) in dy.chunks_exact(c).enumerate() {
            for (r, a) in taps(pixel / cols, p.factor_h, p.h) {
                for (s, b) in taps(pixel % cols, p.factor_w, p.w) {
                    add(&mut dx[(r * w + s) * c..][..c], a * b, dy);
                }
            }
        }
    });
    if p.gate != 0 {
        let blocks = dx.par_chunks_mut(BLOCK).zip(gate_y.par_chunks(BLOCK));
        blocks.for_each(|(dx, y)| gate_all(p.gate, p.gate_alpha, y, dx));
    }
}

/// y += weight x, of the channels of a pixel
fn add<E: Element>(y: &mut [E], weight: E, x: &[E]) {
    vectorised(|| y.iter_mut().zip(x).for_each(|(y, &x)| *y += weight * x));
}
