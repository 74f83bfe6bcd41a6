//! y = share a + (1 − share) b, row by row.

use crate::ops::mix::MixParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// y[r, j] = `share[r]` a[r, j] + (1 − `share[r]`) b[r, j]
pub fn mix_rows<E: Element>(args: &mut Args<'_, E>) {
    let p: MixParams = args.params();
    let n = p.n as usize;
    let (a, b, share, y) = (args.read("a"), args.read("b"), args.read("share"), args.write("y"));
    y.par_chunks_mut(n).enumerate().for_each(|(r, y)| {
        let rows = a[r * n..][..n].iter().zip(&b[r * n..][..n]);
        y.iter_mut().zip(rows).for_each(|(y, (&a, &b))| *y = share[r] * a + (E::one() - share[r]) * b);
    });
}
