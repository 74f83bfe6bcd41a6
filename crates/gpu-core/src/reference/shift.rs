//! Numbers for the channels of images, added to their pixels.

use crate::ops::shift::ShiftParams;
use crate::reference::round_all;
use crate::{Args, Element};
use rayon::prelude::*;

/// y[i, q, j] = x[i, q, j] + e[i, j]
pub fn shift_channels<E: Element>(args: &mut Args<'_, E>) {
    let p: ShiftParams = args.params();
    let (c, image) = (p.c as usize, (p.hw * p.c) as usize);
    let (x, e, y) = (args.read("x"), args.read("e"), args.write("y"));
    y.par_chunks_mut(image).zip(x.par_chunks(image)).zip(e.par_chunks(c)).for_each(|((y, x), e)| {
        for (y, x) in y.chunks_mut(c).zip(x.chunks(c)) {
            y.iter_mut().zip(x).zip(e).for_each(|((y, &x), &e)| *y = x + e);
        }
    });
}

/// de[i, j] = Σ over pixels q of dy[i, q, j]
pub fn shift_channels_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ShiftParams = args.params();
    let (c, image) = (p.c as usize, (p.hw * p.c) as usize);
    let (dy, de) = (args.read("dy"), args.write("de"));
    de.par_chunks_mut(c).zip(dy.par_chunks(image)).for_each(|(de, dy)| {
        let mut sums = vec![0.0; c];
        for pixel in dy.chunks(c) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &dy)| *sum += dy.wide());
        }
        round_all(de, &sums);
    });
}
