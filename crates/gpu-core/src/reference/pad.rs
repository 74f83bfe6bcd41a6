//! Padding of images. The gradient adds each dy to the element that was shown at its position.

use crate::ops::pad::PadParams;
use crate::reference::activation::slope_from_output;
use crate::{Args, Element};
use rayon::prelude::*;

/// y = x inside, zero or x reflected in the border
pub fn pad<E: Element>(args: &mut Args<'_, E>) {
    let p: PadParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let [h, w, c] = [p.h, p.w, p.c].map(|size| size as usize);
    let (rows, columns) = ((p.top + p.h + p.bottom) as usize, (p.left + p.w + p.right) as usize);
    y.par_chunks_mut(columns * c).enumerate().for_each(|(row, y)| {
        let (n, row) = (row / rows, row % rows);
        let Some(row) = shown(&p, row, p.top, p.h) else { return y.fill(E::zero()) };
        let x = &x[(n * h + row) * w * c..][..w * c];
        let inside = p.left as usize * c;
        y[inside..inside + w * c].copy_from_slice(x);
        for column in border(&p, columns) {
            let y = &mut y[column * c..][..c];
            match shown(&p, column, p.left, p.w) {
                Some(of_x) => y.copy_from_slice(&x[of_x * c..][..c]),
                None => y.fill(E::zero()),
            }
        }
    });
}

/// dx += dy, times the gate
pub fn pad_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PadParams = args.params();
    let (dy, gate_y, dx) = (args.read("dy"), args.read("gate_y"), args.write("dx"));
    let [h, w, c] = [p.h, p.w, p.c].map(|size| size as usize);
    let (rows, columns) = ((p.top + p.h + p.bottom) as usize, (p.left + p.w + p.right) as usize);
    let add = |dx: &mut [E], dy: &[E]| dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
    dx.par_chunks_mut(h * w * c).zip(dy.par_chunks(rows * columns * c)).for_each(|(dx, dy)| {
        dx.fill(E::zero());
        for (row, dy) in dy.chunks_exact(columns * c).enumerate() {
            let Some(row) = shown(&p, row, p.top, p.h) else { continue };
            let dx = &mut dx[row * w * c..][..w * c];
            add(dx, &dy[p.left as usize * c..][..w * c]);
            for column in border(&p, columns) {
                if let Some(of_x) = shown(&p, column, p.left, p.w) {
                    add(&mut dx[of_x * c..][..c], &dy[column * c..][..c]);
                }
            }
        }
    });
    if p.gate != 0 {
        let slope = |y: E| slope_from_output(p.gate, p.gate_alpha, y);
        dx.par_iter_mut().zip(gate_y).for_each(|(dx, &y)| *dx *= slope(y));
    }
}

/// The columns of y before and after those of x.
fn border(p: &PadParams, columns: usize) -> impl Iterator<Item = usize> {
    (0..p.left as usize).chain((p.left + p.w) as usize..columns)
}

/// The index of x that y shows at an index along one axis; `None` for zero padding.
fn shown(p: &PadParams, at: usize, before: u32, size: u32) -> Option<usize> {
    let (at, size) = (at as i64 - i64::from(before), i64::from(size));
    match at {
        _ if (0..size).contains(&at) => Some(at as usize),
        _ if p.reflect == 0 => None,
        ..0 => Some(-at as usize),
        _ => Some((2 * (size - 1) - at) as usize),
    }
}
