//! y = x eˢ + t with s = bound · tanh(a / bound), its gradients, and its inverse.

use crate::ops::affine_coupling::AffineCouplingParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// Added to a variance, which may be 0.
const EPSILON: f64 = 1e-6;

/// s and ds/da
fn bounded<E: Element>(a: E, bound: f32) -> (E, E) {
    if bound == 0.0 {
        return (a, E::one());
    }
    let bound = E::of(bound);
    let t = (a / bound).hyperbolic_tangent();
    (bound * t, E::one() - t * t)
}

/// The row a | t of row `row` of x
fn row_of<'a, E>(p: &AffineCouplingParams, theta: &'a [E], row: usize) -> (&'a [E], &'a [E]) {
    let d = p.d as usize;
    theta[row / p.rows as usize * 2 * d..][..2 * d].split_at(d)
}

/// y = x eˢ + t and log dy/dx = s
pub fn affine_coupling<E: Element>(args: &mut Args<'_, E>) {
    let p: AffineCouplingParams = args.params();
    let d = p.d as usize;
    let (x, theta, y, log_slope) = (args.read("x"), args.read("theta"), args.write("y"), args.write("log_slope"));
    let rows = y.par_chunks_mut(d).zip(log_slope.par_chunks_mut(d)).zip(x.par_chunks(d)).enumerate();
    rows.for_each(|(row, ((y, log_slope), x))| {
        let (a, t) = row_of(&p, theta, row);
        for j in 0..d {
            let (s, _) = bounded(a[j], p.bound);
            y[j] = x[j] * s.exponential() + t[j];
            log_slope[j] = s;
        }
    });
}

/// dx = dy eˢ; of each row of x, da = (dy x eˢ + dslope) ds/da and dt = dy
pub fn affine_coupling_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: AffineCouplingParams = args.params();
    let d = p.d as usize;
    let (x, theta, dy, dslope) = (args.read("x"), args.read("theta"), args.read("dy"), args.read("dslope"));
    let (dx, dtheta) = (args.write("dx"), args.write("dtheta"));
    let rows = dx.par_chunks_mut(d).zip(dtheta.par_chunks_mut(2 * d)).enumerate();
    rows.for_each(|(row, (dx, dtheta))| {
        let (a, _) = row_of(&p, theta, row);
        for j in 0..d {
            let i = row * d + j;
            let (s, slope) = bounded(a[j], p.bound);
            dx[j] = dy[i] * s.exponential();
            dtheta[j] = (dx[j] * x[i] + dslope[i]) * slope;
            dtheta[d + j] = dy[i];
        }
    });
}

/// x = (y − t) e⁻ˢ
pub fn affine_coupling_inverse<E: Element>(args: &mut Args<'_, E>) {
    let p: AffineCouplingParams = args.params();
    let d = p.d as usize;
    let (y, theta, x) = (args.read("value"), args.read("theta"), args.write("argument"));
    x.par_chunks_mut(d).zip(y.par_chunks(d)).enumerate().for_each(|(row, (x, y))| {
        let (a, t) = row_of(&p, theta, row);
        for j in 0..d {
            x[j] = (y[j] - t[j]) * (-bounded(a[j], p.bound).0).exponential();
        }
    });
}

/// a = −½ log variance and t = −mean / √variance of each column
pub fn affine_coupling_standardise<E: Element>(args: &mut Args<'_, E>) {
    let p: AffineCouplingParams = args.params();
    let (d, m) = (p.d as usize, f64::from(p.rows));
    let sample = args.read("sample");
    let (a, t) = args.write("standard").split_at_mut(d);
    for (j, (a, t)) in a.iter_mut().zip(t).enumerate() {
        let column = || sample.iter().skip(j).step_by(d).map(|x| x.wide());
        let mean = column().sum::<f64>() / m;
        let variance = column().map(|x| (x - mean).powi(2)).sum::<f64>() / m + EPSILON;
        *a = E::of(-0.5 * variance.ln());
        *t = E::of(-mean / variance.sqrt());
    }
}
