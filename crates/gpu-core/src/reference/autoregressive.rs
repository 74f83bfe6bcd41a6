//! The weights of an autoregressive network that may be seen.

use crate::ops::autoregressive::AutoregressiveParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// True where a row sees the column of weight i.
fn seen(p: &AutoregressiveParams, i: usize) -> bool {
    let i = i as u32;
    let degree = |index: u32, period: u32, bit: u32| {
        let degree = index % period;
        if p.reversed & bit == 0 { degree } else { period - 1 - degree }
    };
    degree(i % p.cols, p.col_period, 2) + p.strict <= degree(i / p.cols, p.row_period, 1)
}

/// y = w where it is seen, else 0
pub fn autoregressive<E: Element>(args: &mut Args<'_, E>) {
    let p: AutoregressiveParams = args.params();
    let (w, y) = (args.read("w"), args.write("y"));
    y.par_iter_mut().zip(w).enumerate().for_each(|(i, (y, &w))| *y = if seen(&p, i) { w } else { E::zero() });
}

/// dw += dy where it is seen
pub fn autoregressive_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: AutoregressiveParams = args.params();
    let (dy, dw) = (args.read("dy"), args.write("dw"));
    let pairs = dw.par_iter_mut().zip(dy).enumerate();
    pairs.filter(|(i, _)| seen(&p, *i)).for_each(|(_, (dw, &dy))| *dw += dy);
}
