//! y = gate ⊙ act(a · b + bias). The dense product uses the crate `gemm`.

use crate::ops::matmul::{JoinParams, MatmulParams};
use crate::reference::activation::{activate_all, gate_all};
use crate::reference::{BLOCK, block_of_rows, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;
use std::ops::Range;

/// y = gate ⊙ act(a · b + bias)
pub fn matmul<E: Element>(args: &mut Args<'_, E>) {
    let p: MatmulParams = args.params();
    let (a, b, bias, gate_y) = (args.read("a"), args.read("b"), args.read("bias"), args.read("gate_y"));
    let y = args.write("y");
    dense(&p, a, b, 0..p.k as usize, y, false, Threads::All);
    let block = block_of_rows(p.n as usize);
    y.par_chunks_mut(block).enumerate().for_each(|(i, y)| epilogue(&p, bias, gate_y, i * block / p.n as usize, y));
}

/// y += a · b
pub fn matmul_add<E: Element>(args: &mut Args<'_, E>) {
    let p: MatmulParams = args.params();
    dense(&p, args.read("a"), args.read("b"), 0..p.k as usize, args.write("y"), true, Threads::All);
}

/// `y[z]` = a · b over the z-th chunk of k
pub fn matmul_split<E: Element>(args: &mut Args<'_, E>) {
    let p: MatmulParams = args.params();
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    y.par_chunks_mut((p.m * p.n) as usize).enumerate().for_each(|(z, y)| {
        let begin = z * p.chunk as usize;
        let terms = begin..(begin + p.chunk as usize).min(p.k as usize);
        dense(&p, a, b, terms, y, false, Threads::One);
    });
}

/// total += Σ_z `partial[z]`
pub fn matmul_join<E: Element>(args: &mut Args<'_, E>) {
    let p: JoinParams = args.params();
    let (partial, total) = (args.read("partial"), args.write("total"));
    total.par_chunks_mut(BLOCK).enumerate().for_each(|(block, total)| {
        for partial in partial.chunks_exact(p.len as usize) {
            let partial = &partial[block * BLOCK..];
            vectorised(|| total.iter_mut().zip(partial).for_each(|(total, &partial)| *total += partial));
        }
    });
}

/// y = gate ⊙ act(y + bias), where y starts with row `first` of rows of n numbers.
pub(crate) fn epilogue<E: Element>(p: &MatmulParams, bias: &[E], gate_y: &[E], first: usize, y: &mut [E]) {
    let n = p.n as usize;
    if p.use_bias != 0 {
        vectorised(|| y.chunks_exact_mut(n).for_each(|y| y.iter_mut().zip(bias).for_each(|(y, &bias)| *y += bias)));
    }
    activate_all(p.activation, p.alpha, y);
    if p.gate != 0 {
        gate_all(p.gate, p.gate_alpha, &gate_y[first * n..], y);
    }
}

/// The threads that compute a product. The result does not depend on them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Threads {
    /// The calling thread, when several compute products at the same time.
    One,
    /// All threads, if the product is large.
    All,
}

/// y = a · b, or y += a · b, over a range of terms of k; strides take care of transposition.
pub(crate) fn dense<E: Element>(
    p: &MatmulParams,
    a: &[E],
    b: &[E],
    terms: Range<usize>,
    y: &mut [E],
    add: bool,
    threads: Threads,
) {
    let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
    let (a_row, a_col) = if p.trans_a != 0 { (1, m) } else { (k, 1) };
    let (b_row, b_col) = if p.trans_b != 0 { (1, k) } else { (n, 1) };
    assert!(a.len() == m * k && b.len() == k * n && y.len() == m * n && terms.end <= k);
    let (a, b) = (&a[terms.start * a_col..], &b[terms.start * b_row..]);
    let [a_row, a_col, b_row, b_col] = [a_row, a_col, b_row, b_col].map(|stride| stride as isize);
    // SAFETY: by the assertion above, every index that the strides and sizes reach is inside its slice.
    unsafe {
        gemm::gemm(
            m,
            n,
            terms.len(),
            y.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.as_ptr(),
            a_col,
            a_row,
            b.as_ptr(),
            b_col,
            b_row,
            if add { E::one() } else { E::zero() },
            E::one(),
            false,
            false,
            false,
            match threads {
                Threads::One => gemm::Parallelism::None,
                Threads::All => gemm::Parallelism::Rayon(0),
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize, usize); 6] = [(1, 1, 1), (1, 7, 5), (11, 1, 3), (2, 3, 1), (13, 17, 19), (31, 29, 97)];

    /// y = start + a · b over a range of terms, by the definition.
    fn loops<E: Element>(p: &MatmulParams, a: &[E], b: &[E], terms: Range<usize>, start: &[E]) -> Vec<E> {
        let (m, n, k) = (p.m as usize, p.n as usize, p.k as usize);
        let mut y = start.to_vec();
        for row in 0..m {
            for col in 0..n {
                for l in terms.clone() {
                    let a = if p.trans_a != 0 { a[l * m + row] } else { a[row * k + l] };
                    let b = if p.trans_b != 0 { b[col * k + l] } else { b[l * n + col] };
                    y[row * n + col] += a * b;
                }
            }
        }
        y
    }

    /// Irregular integers, whose sums do not depend on the order of addition.
    fn numbers<E: Element>(len: usize, factor: usize) -> Vec<E> {
        (0..len).map(|i| E::of((i * factor % 101) as f64 - 50.0)).collect()
    }

    #[test]
    fn dense_equals_three_loops() {
        compare::<f32>();
        compare::<f64>();
    }

    fn compare<E: Element>() {
        for (m, n, k) in SIZES {
            let chunks = [0..k, 0..k.div_ceil(2), k / 2..k, k / 3..(2 * k).div_ceil(3)];
            let (a, b, start) = (numbers::<E>(m * k, 37), numbers(k * n, 59), numbers(m * n, 23));
            for (trans_a, trans_b) in [(0, 0), (0, 1), (1, 0)] {
                let [rows, cols, depth] = [m, n, k].map(|size| size as u32);
                let p = MatmulParams { m: rows, n: cols, k: depth, trans_a, trans_b, ..Default::default() };
                for terms in &chunks {
                    for add in [false, true] {
                        // The old contents must not affect a product that is not added to them.
                        let base = if add { start.clone() } else { vec![E::zero(); m * n] };
                        let expected = loops(&p, &a, &b, terms.clone(), &base);
                        for threads in [Threads::One, Threads::All] {
                            let mut y = if add { start.clone() } else { vec![E::nan(); m * n] };
                            dense(&p, &a, &b, terms.clone(), &mut y, add, threads);
                            assert_eq!(y, expected, "{m}×{n}×{k}, {trans_a} {trans_b}, {terms:?}, add: {add}");
                        }
                    }
                }
            }
        }
    }
}
