//! y = tanh(a) ⊙ σ(b) of the halves (a | b) of x + bias, and its gradients.

use crate::ops::gated::GatedParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// tanh(a) and σ(b)
fn halves<E: Element>(a: E, b: E) -> (E, E) {
    (a.hyperbolic_tangent(), E::one() / (E::one() + (-b).exponential()))
}

/// The bias of row `row` of x at a channel, 0 without a bias
fn bias_at<E: Element>(p: &GatedParams, bias: &[E], row: usize, channel: usize) -> E {
    match p.biased {
        1 => bias[row / p.rows as usize * 2 * p.c as usize + channel],
        _ => E::zero(),
    }
}

/// `y[r, j] = tanh(x[r, j] + bias[r / rows, j]) σ(x[r, c + j] + bias[r / rows, c + j])`
pub fn gated<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (x, bias, y) = (args.read("x"), args.read("bias"), args.write("y"));
    let c = p.c as usize;
    y.par_chunks_mut(c).zip(x.par_chunks(2 * c)).enumerate().for_each(|(row, (y, x))| {
        for (j, y) in y.iter_mut().enumerate() {
            let at = |channel: usize| x[channel] + bias_at(&p, bias, row, channel);
            let (tanh, sigmoid) = halves(at(j), at(c + j));
            *y = tanh * sigmoid;
        }
    });
}

/// dx = (dy (1 − tanh² a) σ(b) | dy tanh(a) σ(b) (1 − σ(b)))
pub fn gated_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (x, bias, dy, dx) = (args.read("x"), args.read("bias"), args.read("dy"), args.write("dx"));
    let c = p.c as usize;
    let rows = dx.par_chunks_mut(2 * c).zip(x.par_chunks(2 * c)).zip(dy.par_chunks(c)).enumerate();
    rows.for_each(|(row, ((dx, x), dy))| {
        let (da, db) = dx.split_at_mut(c);
        for (j, (da, db)) in da.iter_mut().zip(db).enumerate() {
            let at = |channel: usize| x[channel] + bias_at(&p, bias, row, channel);
            let (tanh, sigmoid) = halves(at(j), at(c + j));
            *da = dy[j] * ((E::one() - tanh * tanh) * sigmoid);
            *db = dy[j] * (tanh * sigmoid * (E::one() - sigmoid));
        }
    });
}

/// `dbias[n, j]` = Σ dx over the rows of row n
pub fn gated_backward_bias<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (dx, dbias) = (args.read("dsum"), args.write("dbias"));
    let width = 2 * p.c as usize;
    dbias.par_chunks_mut(width).zip(dx.par_chunks(p.rows as usize * width)).for_each(|(dbias, dx)| {
        for (j, dbias) in dbias.iter_mut().enumerate() {
            *dbias = E::of(dx.iter().skip(j).step_by(width).map(|dx| dx.wide()).sum::<f64>());
        }
    });
}
