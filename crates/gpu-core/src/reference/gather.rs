//! Rows of bytes as numbers.

use crate::ops::gather::{DRAWS, GatherParams, MovedParams};
use crate::{Args, Element};
use rayon::prelude::*;

/// `y[b, j] = scale · byte(order[b] · width + j) + shift`
pub fn gather<E: Element>(args: &mut Args<'_, E>) {
    let p: GatherParams = args.params();
    let (data, order, y) = (args.read_u32("data"), args.read_u32("order"), args.write("y"));
    let width = p.width as usize;
    let (scale, shift) = (E::of(p.scale), E::of(p.shift));
    y.par_chunks_mut(width).zip(order).for_each(|(y, &row)| {
        for (j, y) in y.iter_mut().enumerate() {
            let at = row as usize * width + j;
            let byte = data[at / 4].to_le_bytes()[at % 4];
            *y = scale * E::of(byte) + shift;
        }
    });
}

/// The same of images, each mirrored or not and moved by three draws
pub fn gather_moved<E: Element>(args: &mut Args<'_, E>) {
    let p: MovedParams = args.params();
    let (data, order, draws) = (args.read_u32("data"), args.read_u32("order"), args.read("draws"));
    let moved = args.write("moved");
    let [h, w, c, crop] = [p.h, p.w, p.c, p.crop].map(|size| size as usize);
    let (scale, shift, size) = (E::of(p.scale), E::of(p.shift), h * w * c);
    let along = |draw: E| (((draw.wide() * 8_388_608.0) as usize >> 7) * (2 * crop + 1)) >> 16;
    // The place in the image before it moved, of `at` after it.
    let source = |at: usize, by: usize, size: usize| (at + crop).saturating_sub(by).min(size - 1);
    moved.par_chunks_mut(size).zip(order).zip(draws.par_chunks(DRAWS)).for_each(|((moved, &image), draws)| {
        let start = image as usize * size;
        let [down, right] = [along(draws[1]), along(draws[2])];
        let mirrored = p.mirror != 0 && draws[0].wide() < 0.5;
        for (at, y) in moved.chunks_mut(c).enumerate() {
            let (row, column) = (source(at / w, down, h), source(at % w, right, w));
            let column = if mirrored { w - 1 - column } else { column };
            for (channel, y) in y.iter_mut().enumerate() {
                let at = start + (row * w + column) * c + channel;
                *y = scale * E::of(data[at / 4].to_le_bytes()[at % 4]) + shift;
            }
        }
    });
}
