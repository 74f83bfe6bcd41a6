//! y = tanh(a) ⊙ σ(b) of the halves (a | b) of x + bias, and its gradients.

use crate::ops::gated::GatedParams;
use crate::reference::activation::sigmoid;
use crate::reference::{block_of_rows, fold_rows, round_all, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// The biases of rows of x.
struct Biases<'a, E> {
    bias: &'a [E],
    /// A row of zeros, in the place of biases that are not there.
    none: Vec<E>,
    /// Rows of x to a row of the bias.
    rows: usize,
}

impl<'a, E: Element> Biases<'a, E> {
    fn new(p: &GatedParams, bias: &'a [E]) -> Self {
        let none = if p.biased == 1 { Vec::new() } else { vec![E::zero(); 2 * p.c as usize] };
        Self { bias, none, rows: p.rows as usize }
    }

    /// The halves of the bias of a row of x of `width` numbers.
    #[inline(always)]
    fn of(&self, row: usize, width: usize) -> (&[E], &[E]) {
        let bias = if self.none.is_empty() { &self.bias[row / self.rows * width..][..width] } else { &self.none };
        bias.split_at(width / 2)
    }
}

/// `y[r, j] = tanh(x[r, j] + bias[r / rows, j]) σ(x[r, c + j] + bias[r / rows, c + j])`
pub fn gated<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let (c, biases) = (p.c as usize, Biases::new(&p, args.read("bias")));
    let block = block_of_rows(c);
    y.par_chunks_mut(block).zip(x.par_chunks(2 * block)).enumerate().for_each(|(chunk, (y, x))| {
        vectorised(|| {
            for (i, (y, x)) in y.chunks_exact_mut(c).zip(x.chunks_exact(2 * c)).enumerate() {
                let ((a, b), (bias_a, bias_b)) = (x.split_at(c), biases.of(chunk * block / c + i, 2 * c));
                let halves = a.iter().zip(bias_a).zip(b.iter().zip(bias_b));
                for (y, ((&a, &bias_a), (&b, &bias_b))) in y.iter_mut().zip(halves) {
                    *y = (a + bias_a).hyperbolic_tangent() * sigmoid(b + bias_b);
                }
            }
        });
    });
}

/// dx = (dy (1 − tanh² a) σ(b) | dy tanh(a) σ(b) (1 − σ(b)))
pub fn gated_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (x, dy, dx) = (args.read("x"), args.read("dy"), args.write("dx"));
    let (c, biases) = (p.c as usize, Biases::new(&p, args.read("bias")));
    let block = block_of_rows(c);
    let chunks = dx.par_chunks_mut(2 * block).zip(x.par_chunks(2 * block)).zip(dy.par_chunks(block)).enumerate();
    chunks.for_each(|(chunk, ((dx, x), dy))| {
        vectorised(|| {
            let rows = dx.chunks_exact_mut(2 * c).zip(x.chunks_exact(2 * c)).zip(dy.chunks_exact(c));
            for (i, ((dx, x), dy)) in rows.enumerate() {
                let (da, db) = dx.split_at_mut(c);
                let ((a, b), (bias_a, bias_b)) = (x.split_at(c), biases.of(chunk * block / c + i, 2 * c));
                let halves = a.iter().zip(bias_a).zip(b.iter().zip(bias_b));
                for (((da, db), &dy), ((&a, &bias_a), (&b, &bias_b))) in da.iter_mut().zip(db).zip(dy).zip(halves) {
                    let (tanh, sigmoid) = ((a + bias_a).hyperbolic_tangent(), sigmoid(b + bias_b));
                    *da = dy * ((E::one() - tanh * tanh) * sigmoid);
                    *db = dy * (tanh * sigmoid * (E::one() - sigmoid));
                }
            }
        });
    });
}

/// `dbias[n, j]` = Σ dx over the rows of row n
pub fn gated_backward_bias<E: Element>(args: &mut Args<'_, E>) {
    let p: GatedParams = args.params();
    let (dx, dbias) = (args.read("dsum"), args.write("dbias"));
    let width = 2 * p.c as usize;
    dbias.par_chunks_mut(width).zip(dx.par_chunks(p.rows as usize * width)).for_each(|(dbias, dx)| {
        let mut sums = vec![0.0; width];
        fold_rows(&mut sums, dx, |sum, dx| sum + dx);
        round_all(dbias, &sums);
    });
}
