//! Rows of bytes as numbers.

use crate::Args;
use crate::ops::gather::GatherParams;
use rayon::prelude::*;

/// `y[b, j] = scale · byte(order[b] · width + j) + shift`
pub fn gather(args: &mut Args<'_>) {
    let p: GatherParams = args.params();
    let (data, order, y) = (args.read_u32("data"), args.read_u32("order"), args.write("y"));
    let width = p.width as usize;
    y.par_chunks_mut(width).zip(order).for_each(|(y, &row)| {
        for (j, y) in y.iter_mut().enumerate() {
            let at = row as usize * width + j;
            let byte = data[at / 4].to_le_bytes()[at % 4];
            *y = f64::from(p.scale) * f64::from(byte) + f64::from(p.shift);
        }
    });
}
