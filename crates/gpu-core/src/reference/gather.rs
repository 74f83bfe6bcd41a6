//! Rows of bytes as numbers.

use crate::ops::gather::GatherParams;
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
