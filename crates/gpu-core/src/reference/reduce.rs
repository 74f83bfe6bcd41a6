//! y = scale · op over the chunks of the rows or columns of x [m, n], and the derivatives for whole rows and columns.

use crate::ops::reduce::{Operation, ReduceParams};
use crate::reference::{fold_rows, round_all};
use crate::{Args, Element};
use rayon::prelude::*;

/// op, by [`Operation::code`]; NaN for an unknown code.
fn reduce(kind: u32, values: impl Iterator<Item = f64>) -> f64 {
    match Operation::decode(kind) {
        Some(Operation::Sum) => values.sum(),
        Some(Operation::Max) => values.fold(f64::NEG_INFINITY, f64::max),
        Some(Operation::SumOfSquares) => values.map(|v| v * v).sum(),
        None => f64::NAN,
    }
}

/// y[r, c] = scale · op over x[r, c · chunk .. (c + 1) · chunk]
pub fn reduce_rows<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let (n, chunk, parts) = (p.n as usize, p.chunk as usize, p.parts as usize);
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_iter_mut().enumerate().for_each(|(i, y)| {
        let (row, part) = (&x[i / parts * n..][..n], i % parts);
        let chunk = &row[part * chunk..n.min((part + 1) * chunk)];
        *y = E::of(f64::from(p.scale) * reduce(p.kind, chunk.iter().map(|x| x.wide())));
    });
}

/// y[c, j] = scale · op over x[c · chunk .. (c + 1) · chunk, j]
pub fn reduce_columns<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(p.n as usize).enumerate().for_each(|(part, y)| round_all(y, &column_chunks(&p, x, part)));
}

/// y[c, j] += the same
pub fn reduce_columns_add<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(p.n as usize).enumerate().for_each(|(part, y)| {
        y.iter_mut().zip(column_chunks(&p, x, part)).for_each(|(y, reduced)| *y += E::of(reduced));
    });
}

/// y += the sums of whole columns, from those of the chunks
pub fn reduce_columns_add_all<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let mut partial = vec![E::zero(); p.parts as usize * y.len()];
    partial.par_chunks_mut(y.len()).enumerate().for_each(|(part, sums)| round_all(sums, &column_chunks(&p, x, part)));
    let joined = ReduceParams { m: p.parts, chunk: p.parts, ..p };
    y.iter_mut().zip(column_chunks(&joined, &partial, 0)).for_each(|(y, sum)| *y += E::of(sum));
}

/// scale · op over a chunk of each column
fn column_chunks<E: Element>(p: &ReduceParams, x: &[E], part: usize) -> Vec<f64> {
    let (m, n, chunk) = (p.m as usize, p.n as usize, p.chunk as usize);
    let x = &x[part * chunk * n..m.min((part + 1) * chunk) * n];
    let operation = Operation::decode(p.kind);
    let mut reduced = vec![if operation == Some(Operation::Max) { f64::NEG_INFINITY } else { 0.0 }; n];
    match operation {
        Some(Operation::Sum) => fold_rows(&mut reduced, x, |sum, x| sum + x),
        Some(Operation::Max) => fold_rows(&mut reduced, x, f64::max),
        Some(Operation::SumOfSquares) => fold_rows(&mut reduced, x, |sum, x| sum + x * x),
        None => reduced.fill(f64::NAN),
    }
    reduced.iter_mut().for_each(|reduced| *reduced *= f64::from(p.scale));
    reduced
}

/// dx[r, j] = scale · `dy[r]` · ∂op/∂x[r, j]
pub fn reduce_rows_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let n = p.n as usize;
    let (x, reduced, dy, dx) = (args.read("x"), args.read("reduced"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(n).zip(x.par_chunks(n)).enumerate().for_each(|(r, (dx, x))| {
        let ties = ties(x.iter(), reduced[r]);
        for (dx, &x) in dx.iter_mut().zip(x) {
            *dx = E::of(p.scale) * dy[r] * slope(p.kind, x, reduced[r], ties);
        }
    });
}

/// dx[r, j] = scale · `dy[j]` · ∂op/∂x[r, j]
pub fn reduce_columns_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ReduceParams = args.params();
    let n = p.n as usize;
    let (x, reduced, dy, dx) = (args.read("x"), args.read("reduced"), args.read("dy"), args.write("dx"));
    let ties: Vec<E> = (0..n).into_par_iter().map(|col| ties(x[col..].iter().step_by(n), reduced[col])).collect();
    dx.par_iter_mut().zip(x).enumerate().for_each(|(i, (dx, &x))| {
        let col = i % n;
        *dx = E::of(p.scale) * dy[col] * slope(p.kind, x, reduced[col], ties[col]);
    });
}

/// The number of values equal to the result.
fn ties<'a, E: Element>(values: impl Iterator<Item = &'a E>, result: E) -> E {
    E::of(values.filter(|&&v| v == result).count() as f64)
}

/// ∂op/∂v; that of a maximum is shared equally by the values that attain it.
fn slope<E: Element>(kind: u32, v: E, result: E, ties: E) -> E {
    match Operation::decode(kind) {
        Some(Operation::Sum) => E::one(),
        Some(Operation::Max) if v == result => E::one() / ties,
        Some(Operation::Max) => E::zero(),
        Some(Operation::SumOfSquares) => E::of(2.0) * v,
        None => E::nan(),
    }
}
