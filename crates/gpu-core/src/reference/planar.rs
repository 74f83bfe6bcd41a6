//! y = x + û tanh(w·x + b), its gradients, and its inverse.

use crate::ops::planar::PlanarParams;
use crate::reference::activation::sigmoid;
use crate::{Args, Element};
use rayon::prelude::*;

/// Added to w·w, which may be 0.
const EPSILON: f64 = 1e-12;
/// Halvings of an interval, as many as f64 has bits, and some more.
const HALVINGS: usize = 80;

/// The numbers u, w and b of a row, and those that follow from them.
struct Plane<'a, E> {
    u: &'a [E],
    w: &'a [E],
    b: E,
    c: E,
    norm: E,
    slope: E,
    shift: E,
}

fn dot<E: Element>(a: &[E], b: &[E]) -> E {
    E::of(a.iter().zip(b).map(|(&a, &b)| a.wide() * b.wide()).sum::<f64>())
}

fn softplus<E: Element>(x: E) -> E {
    x.max(E::zero()) + (-x.abs()).exponential().log_one_plus()
}

impl<'a, E: Element> Plane<'a, E> {
    /// That of row `row` of x.
    fn of_row(p: &PlanarParams, theta: &'a [E], row: usize) -> Self {
        let d = p.d as usize;
        let at = row / p.rows as usize * p.width as usize + p.first as usize;
        let (u, w) = theta[at..][..2 * d].split_at(d);
        let (c, norm) = (dot(u, w), dot(w, w) + E::of(EPSILON));
        let slope = softplus(c);
        Self { u, w, b: theta[at + 2 * d], c, norm, slope, shift: (slope - E::one() - c) / norm }
    }

    /// Number l of û.
    fn moved(&self, l: usize) -> E {
        self.u[l] + self.shift * self.w[l]
    }

    /// tanh(w·x + b)
    fn tanh(&self, x: &[E]) -> E {
        (dot(self.w, x) + self.b).hyperbolic_tangent()
    }
}

/// y = x + û tanh(w·x + b) and log |det dy/dx|
pub fn planar<E: Element>(args: &mut Args<'_, E>) {
    let p: PlanarParams = args.params();
    let d = p.d as usize;
    let (x, theta, y, log_slope) = (args.read("x"), args.read("theta"), args.write("y"), args.write("log_slope"));
    let rows = y.par_chunks_mut(d).zip(log_slope).zip(x.par_chunks(d)).enumerate();
    rows.for_each(|(row, ((y, log_slope), x))| {
        let plane = Plane::of_row(&p, theta, row);
        let t = plane.tanh(x);
        for l in 0..d {
            y[l] = x[l] + plane.moved(l) * t;
        }
        *log_slope = (t * t + (E::one() - t * t) * plane.slope).ln();
    });
}

/// dx and dtheta, of each row of x
pub fn planar_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PlanarParams = args.params();
    let (d, width, first) = (p.d as usize, p.width as usize, p.first as usize);
    let (x, theta, dy, dslope) = (args.read("x"), args.read("theta"), args.read("dy"), args.read("dslope"));
    let (dx, dtheta) = (args.write("dx"), args.write("dtheta"));
    let rows = dx.par_chunks_mut(d).zip(dtheta.par_chunks_mut(width)).enumerate();
    rows.for_each(|(row, (dx, dtheta))| {
        let (x, dy) = (&x[row * d..][..d], &dy[row * d..][..d]);
        let plane = Plane::of_row(&p, theta, row);
        let t = plane.tanh(x);
        let rest = E::one() - t * t;
        let ratio = dslope[row] / (t * t + rest * plane.slope);
        let (along_u, along_w) = (dot(dy, plane.u), dot(dy, plane.w));
        let two = E::of(2.0);
        let da = (along_u + plane.shift * along_w + two * t * (E::one() - plane.slope) * ratio) * rest;
        let dshift = t * along_w / plane.norm;
        let dc = (dshift + rest * ratio) * sigmoid(plane.c) - dshift;
        let (du, dw) = dtheta[first..][..2 * d].split_at_mut(d);
        for l in 0..d {
            dx[l] = dy[l] + da * plane.w[l];
            du[l] = t * dy[l] + dc * plane.w[l];
            dw[l] = t * plane.shift * dy[l] + dc * plane.u[l] - two * dshift * plane.shift * plane.w[l] + da * x[l];
        }
        dtheta[first + 2 * d] = da;
    });
}

/// x = y − û tanh(s + b), where s = w·x is the root of s + û·w tanh(s + b) = w·y
pub fn planar_inverse<E: Element>(args: &mut Args<'_, E>) {
    let p: PlanarParams = args.params();
    let d = p.d as usize;
    let (y, theta, x) = (args.read("value"), args.read("theta"), args.write("argument"));
    x.par_chunks_mut(d).zip(y.par_chunks(d)).enumerate().for_each(|(row, (x, y))| {
        let plane = Plane::of_row(&p, theta, row);
        let sum = dot(plane.w, y);
        let along = plane.c + plane.shift * (plane.norm - E::of(EPSILON));
        let (mut low, mut high) = (sum - along.abs(), sum + along.abs());
        for _ in 0..HALVINGS {
            let s = E::of(0.5) * (low + high);
            let below = s + along * (s + plane.b).hyperbolic_tangent() < sum;
            (low, high) = if below { (s, high) } else { (low, s) };
        }
        let t = (E::of(0.5) * (low + high) + plane.b).hyperbolic_tangent();
        for l in 0..d {
            x[l] = y[l] - plane.moved(l) * t;
        }
    });
}
