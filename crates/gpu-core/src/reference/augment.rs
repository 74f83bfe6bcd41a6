//! Changes of colour, translation and cutout of images, and their adjoints.

use crate::ops::augment::{ColourParams, DRAWS, PlaceParams};
use crate::reference::activation::slope_from_output;
use crate::{Args, Element};
use rayon::prelude::*;

/// y = gate ⊙ (contrast (saturation (x − m) + m) + (1 − contrast) mean + brightness)
pub fn augment_colour<E: Element>(args: &mut Args<'_, E>) {
    let p: ColourParams = args.params();
    let (x, draws, mean) = (args.read("x"), args.read("draws"), args.read("mean"));
    let (gate_y, y) = (args.read("gate_y"), args.write("y"));
    let (c, pixels) = (p.c as usize, p.pixels as usize);
    y.par_chunks_mut(pixels * c).enumerate().for_each(|(image, y)| {
        let draws = &draws[image * DRAWS..][..DRAWS];
        let brightness = if p.bright == 0 { E::zero() } else { draws[0] - E::of(0.5) };
        let (saturation, contrast) = (E::of(2.0) * draws[1], E::of(0.5) + draws[2]);
        let offset = (E::one() - contrast) * mean[image] + brightness;
        let start = image * pixels * c;
        for (pixel, y) in y.chunks_mut(c).enumerate() {
            let x = &x[start + pixel * c..][..c];
            let m = E::of(x.iter().map(|x| x.wide()).sum::<f64>() / f64::from(p.c));
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = contrast * (saturation * (x - m) + m) + offset);
        }
        if p.gate != 0 {
            let gate_y = &gate_y[start..][..y.len()];
            y.iter_mut().zip(gate_y).for_each(|(y, &of)| *y *= slope_from_output(p.gate, p.gate_alpha, of));
        }
    });
}

/// The changes of one image: rows and columns to move by, and the first pixel of the window.
struct Place {
    shift: [i64; 2],
    window: [i64; 2],
}

impl Place {
    fn of<E: Element>(p: &PlaceParams, draws: &[E]) -> Self {
        let integer = |draw: E, count: u32| i64::from((((draw.wide() * 8_388_608.0) as u32 >> 7) * count) >> 16);
        let along = |draw: E, reach: u32| integer(draw, 2 * reach + 1) - i64::from(reach);
        let first = |draw: E, size: u32, cut: u32| integer(draw, size + 1 - cut % 2) - i64::from(cut / 2);
        Self {
            shift: [along(draws[3], p.reach_h), along(draws[4], p.reach_w)],
            window: [first(draws[5], p.h, p.cut_h), first(draws[6], p.w, p.cut_w)],
        }
    }

    fn cuts(&self, p: &PlaceParams, [row, column]: [i64; 2]) -> bool {
        let inside = |at: i64, first: i64, size: u32| (first..first + i64::from(size)).contains(&at);
        inside(row, self.window[0], p.cut_h) && inside(column, self.window[1], p.cut_w)
    }
}

/// Calls `copy` with each pixel of the moved image that has a source, and that source, both as row · w + column.
fn each_pixel(p: &PlaceParams, place: &Place, mut copy: impl FnMut(usize, usize)) {
    let (h, w) = (i64::from(p.h), i64::from(p.w));
    for row in 0..h {
        for column in 0..w {
            let source = [row - place.shift[0], column - place.shift[1]];
            let inside = (0..h).contains(&source[0]) && (0..w).contains(&source[1]);
            if inside && !place.cuts(p, [row, column]) {
                copy((row * w + column) as usize, (source[0] * w + source[1]) as usize);
            }
        }
    }
}

/// moved = x translated, with a window cut out
pub fn augment_place<E: Element>(args: &mut Args<'_, E>) {
    let p: PlaceParams = args.params();
    let (x, draws, moved) = (args.read("x"), args.read("draws"), args.write("moved"));
    let (c, size) = (p.c as usize, (p.h * p.w * p.c) as usize);
    moved.par_chunks_mut(size).zip(x.par_chunks(size)).zip(draws.par_chunks(DRAWS)).for_each(|((moved, x), draws)| {
        moved.fill(E::zero());
        each_pixel(&p, &Place::of(&p, draws), |to, from| {
            moved[to * c..][..c].copy_from_slice(&x[from * c..][..c]);
        });
    });
}

/// dx = gate ⊙ dy moved back, without the window
pub fn augment_place_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PlaceParams = args.params();
    let (dy, draws, gate_x, dx) = (args.read("dy"), args.read("draws"), args.read("gate_x"), args.write("dx"));
    let (c, size) = (p.c as usize, (p.h * p.w * p.c) as usize);
    dx.par_chunks_mut(size).zip(dy.par_chunks(size)).zip(draws.par_chunks(DRAWS)).for_each(|((dx, dy), draws)| {
        dx.fill(E::zero());
        each_pixel(&p, &Place::of(&p, draws), |to, from| {
            dx[from * c..][..c].copy_from_slice(&dy[to * c..][..c]);
        });
    });
    if p.gate != 0 {
        let slope = |y: E| slope_from_output(p.gate, p.gate_alpha, y);
        dx.par_iter_mut().zip(gate_x).for_each(|(dx, &y)| *dx *= slope(y));
    }
}
