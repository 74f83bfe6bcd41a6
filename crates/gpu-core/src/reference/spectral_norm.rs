//! y = w / σ with σ = uᵀ w v for w [m, n], one power iteration of u and v, and the derivative with constant u and v.

use crate::ops::spectral_norm::SpectralNormParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// a · b, added in f64
fn dot<E: Element>(a: &[E], b: &[E]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (a * b).wide()).sum()
}

/// `partial[part]` = wᵀ u over a chunk of rows
pub fn spectral_norm_columns<E: Element>(args: &mut Args<'_, E>) {
    let p: SpectralNormParams = args.params();
    let (m, n, chunk) = (p.m as usize, p.n as usize, p.chunk as usize);
    let (w, u) = (args.read("w"), args.read("u"));
    args.write("partial").par_iter_mut().enumerate().for_each(|(i, sum)| {
        let (part, j) = (i / n, i % n);
        let terms = (part * chunk..m.min((part + 1) * chunk)).map(|row| (u[row] * w[row * n + j]).wide());
        *sum = E::of(terms.sum::<f64>());
    });
}

/// w v
pub fn spectral_norm_rows<E: Element>(args: &mut Args<'_, E>) {
    let p: SpectralNormParams = args.params();
    let (w, v) = (args.read("w"), args.read("v"));
    args.write("product").par_iter_mut().zip(w.par_chunks(p.n as usize)).for_each(|(sum, w)| *sum = E::of(dot(w, v)));
}

/// t / max(‖t‖, ε)
pub fn spectral_norm_normalise<E: Element>(args: &mut Args<'_, E>) {
    let p: SpectralNormParams = args.params();
    let t = args.read("t");
    let length = E::of(dot(t, t).sqrt().max(p.epsilon.into()));
    for output in ["state", "copy"] {
        args.write(output).iter_mut().zip(t).for_each(|(unit, &t)| *unit = t / length);
    }
}

/// σ = uᵀ (w v)
pub fn spectral_norm_sigma<E: Element>(args: &mut Args<'_, E>) {
    args.write("sigma")[0] = E::of(dot(args.read("u"), args.read("t")));
}

/// w / σ
pub fn spectral_norm_divide<E: Element>(args: &mut Args<'_, E>) {
    let (w, sigma) = (args.read("w"), args.read("divisor")[0]);
    args.write("y").par_iter_mut().zip(w).for_each(|(y, &w)| *y = w / sigma);
}

/// Σ dy ⊙ y of each row
pub fn spectral_norm_dot<E: Element>(args: &mut Args<'_, E>) {
    let p: SpectralNormParams = args.params();
    let n = p.n as usize;
    let (dy, y) = (args.read("dy"), args.read("normed"));
    let rows = dy.par_chunks(n).zip(y.par_chunks(n));
    args.write("products").par_iter_mut().zip(rows).for_each(|(sum, (dy, y))| *sum = E::of(dot(dy, y)));
}

/// dw += (dy − total u vᵀ) / σ
pub fn spectral_norm_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SpectralNormParams = args.params();
    let n = p.n as usize;
    let (dy, sigma, total) = (args.read("dy"), args.read("divisor")[0], args.read("total")[0]);
    let (u, v) = (args.read("u_saved"), args.read("v_saved"));
    args.write("dw").par_iter_mut().enumerate().for_each(|(i, dw)| {
        *dw += (dy[i] - total * u[i / n] * v[i % n]) / sigma;
    });
}
