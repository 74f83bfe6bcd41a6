//! Padding of images. The gradient adds each dy to the element that was shown at its position.

use crate::ops::pad::PadParams;
use crate::reference::activation::slope_from_output;
use crate::{Args, Element};
use rayon::prelude::*;

/// y = x inside, zero or x reflected in the border
pub fn pad<E: Element>(args: &mut Args<'_, E>) {
    let p: PadParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let (image, c) = ((p.h * p.w * p.c) as usize, p.c as usize);
    let rows = (p.top + p.h + p.bottom) as usize;
    y.par_chunks_mut((p.left + p.w + p.right) as usize * c).enumerate().for_each(|(row, y)| {
        let (n, row) = (row / rows, row % rows);
        for (i, y) in y.iter_mut().enumerate() {
            *y = pixel(&p, row, i / c).map_or(E::zero(), |pixel| x[n * image + pixel * c + i % c]);
        }
    });
}

/// dx += dy, times the gate
pub fn pad_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PadParams = args.params();
    let (dy, gate_y, dx) = (args.read("dy"), args.read("gate_y"), args.write("dx"));
    let (rows, cols, c) = ((p.top + p.h + p.bottom) as usize, (p.left + p.w + p.right) as usize, p.c as usize);
    dx.par_chunks_mut((p.h * p.w) as usize * c).zip(dy.par_chunks(rows * cols * c)).for_each(|(dx, dy)| {
        dx.fill(E::zero());
        for (i, &dy) in dy.iter().enumerate() {
            if let Some(pixel) = pixel(&p, i / c / cols, i / c % cols) {
                dx[pixel * c + i % c] += dy;
            }
        }
    });
    if p.gate != 0 {
        let slope = |y: E| slope_from_output(p.gate, p.gate_alpha, y);
        dx.par_iter_mut().zip(gate_y).for_each(|(dx, &y)| *dx *= slope(y));
    }
}

/// The pixel of x, row · w + column, that y shows at a row and column; `None` for zero padding.
fn pixel(p: &PadParams, row: usize, col: usize) -> Option<usize> {
    let row = shown(p, row, p.top, p.h)?;
    Some(row * p.w as usize + shown(p, col, p.left, p.w)?)
}

/// The same along one axis.
fn shown(p: &PadParams, at: usize, before: u32, size: u32) -> Option<usize> {
    let (at, size) = (at as i64 - i64::from(before), i64::from(size));
    match at {
        _ if (0..size).contains(&at) => Some(at as usize),
        _ if p.reflect == 0 => None,
        ..0 => Some(-at as usize),
        _ => Some((2 * (size - 1) - at) as usize),
    }
}
