//! Monotone splines of rational quadratic functions, their gradients, and their inverse.

use crate::ops::spline::SplineParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// A number's bins along one axis.
struct Axis {
    /// The softmax of theta.
    shares: Vec<f64>,
    /// The bins + 1 knots, from −bound to bound.
    knots: Vec<f64>,
}

impl Axis {
    /// By the numbers of theta, one a bin
    fn new<E: Element>(p: &SplineParams, theta: &[E]) -> Self {
        let highest = theta.iter().map(|x| x.wide()).fold(f64::NEG_INFINITY, f64::max);
        let exponentials: Vec<f64> = theta.iter().map(|x| (x.wide() - highest).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        let shares: Vec<f64> = exponentials.into_iter().map(|e| e / sum).collect();
        let (min, bound) = (f64::from(p.min_size), f64::from(p.bound));
        let mut knots = vec![-bound];
        for share in &shares {
            let size = min + (1.0 - min * f64::from(p.bins)) * share;
            knots.push(knots[knots.len() - 1] + 2.0 * bound * size);
        }
        Self { shares, knots }
    }

    /// The bin that v is in
    fn find(&self, v: f64) -> usize {
        self.knots[1..self.shares.len()].iter().take_while(|&&knot| v >= knot).count()
    }

    fn size(&self, k: usize) -> f64 {
        self.knots[k + 1] - self.knots[k]
    }

    /// The gradient of theta from those of the start and the size of bin k
    fn backward<E: Element>(&self, p: &SplineParams, k: usize, dstart: f64, dsize: f64, dtheta: &mut [E]) {
        let factor = 2.0 * f64::from(p.bound) * (1.0 - f64::from(p.min_size) * f64::from(p.bins));
        let own = |i: usize| match i.cmp(&k) {
            std::cmp::Ordering::Less => dstart,
            std::cmp::Ordering::Equal => dsize,
            std::cmp::Ordering::Greater => 0.0,
        };
        let mean: f64 = self.shares.iter().enumerate().map(|(i, share)| own(i) * share).sum();
        for (i, (dtheta, share)) in dtheta.iter_mut().zip(&self.shares).enumerate() {
            *dtheta = E::of(factor * share * (own(i) - mean));
        }
    }
}

/// The slope at knot k
fn slope<E: Element>(p: &SplineParams, slopes: &[E], k: usize) -> f64 {
    if k == 0 || k == p.bins as usize {
        return 1.0;
    }
    let v = slopes[k - 1].wide() + f64::from(p.one);
    f64::from(p.min_slope) + v.max(0.0) + (-v.abs()).exp().ln_1p()
}

/// Widths, heights and slopes of a row of theta
fn parts<'a, E>(p: &SplineParams, theta: &'a [E]) -> (&'a [E], &'a [E], &'a [E]) {
    let (widths, rest) = theta.split_at(p.bins as usize);
    let (heights, slopes) = rest.split_at(p.bins as usize);
    (widths, heights, slopes)
}

/// Numbers of theta for a number of x
fn width(p: &SplineParams) -> usize {
    3 * p.bins as usize - 1
}

/// y = y₀ + h A / D and log dy/dx = log(s² N / D²), with A = s ξ² + d₀ q, D = s + (d₀ + d₁ − 2s) q,
/// N = d₁ ξ² + 2 s q + d₀ (1 − ξ)² and q = ξ (1 − ξ)
pub fn spline<E: Element>(args: &mut Args<'_, E>) {
    let p: SplineParams = args.params();
    let (x, theta, y, log_slope) = (args.read("x"), args.read("theta"), args.write("y"), args.write("log_slope"));
    let rows = y.par_iter_mut().zip(log_slope).zip(x).zip(theta.par_chunks(width(&p)));
    rows.for_each(|(((y, log_slope), &x), theta)| {
        if x.abs().wide() >= f64::from(p.bound) || x.is_nan() {
            (*y, *log_slope) = (x, E::zero());
            return;
        }
        let (widths, heights, slopes) = parts(&p, theta);
        let [of_x, of_y] = [widths, heights].map(|theta| Axis::new(&p, theta));
        let k = of_x.find(x.wide());
        let (w, h, d0, d1) = (of_x.size(k), of_y.size(k), slope(&p, slopes, k), slope(&p, slopes, k + 1));
        let xi = (x.wide() - of_x.knots[k]) / w;
        let (q, s) = (xi * (1.0 - xi), h / w);
        let below = s + (d0 + d1 - 2.0 * s) * q;
        let rise = d1 * xi * xi + 2.0 * s * q + d0 * (1.0 - xi).powi(2);
        *y = E::of(of_y.knots[k] + h * (s * xi * xi + d0 * q) / below);
        *log_slope = E::of((s * s * rise / (below * below)).ln());
    });
}

/// dx and dtheta by the chain rule through ξ, s, d₀, d₁, h and y₀
pub fn spline_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: SplineParams = args.params();
    let (x, theta, dy, dslope) = (args.read("x"), args.read("theta"), args.read("dy"), args.read("dslope"));
    let (dx, dtheta) = (args.write("dx"), args.write("dtheta"));
    let rows = dx.par_iter_mut().zip(dtheta.par_chunks_mut(width(&p))).enumerate();
    rows.for_each(|(i, (dx, dtheta))| {
        if x[i].abs().wide() >= f64::from(p.bound) || x[i].is_nan() {
            *dx = dy[i];
            dtheta.fill(E::zero());
            return;
        }
        let (x, dy, dslope) = (x[i].wide(), dy[i].wide(), dslope[i].wide());
        let (widths, heights, slopes) = parts(&p, &theta[i * width(&p)..][..width(&p)]);
        let [of_x, of_y] = [widths, heights].map(|theta| Axis::new(&p, theta));
        let k = of_x.find(x);
        let (w, h, d0, d1) = (of_x.size(k), of_y.size(k), slope(&p, slopes, k), slope(&p, slopes, k + 1));
        let xi = (x - of_x.knots[k]) / w;
        let (q, s) = (xi * (1.0 - xi), h / w);
        let (above, below) = (s * xi * xi + d0 * q, s + (d0 + d1 - 2.0 * s) * q);
        let rise = d1 * xi * xi + 2.0 * s * q + d0 * (1.0 - xi).powi(2);
        // The derivatives of A, D and N by each, whence those of y and of log dy/dx.
        let through = |a: f64, d: f64, n: f64| {
            dy * h * (a * below - above * d) / (below * below) + dslope * (n / rise - 2.0 * d / below)
        };
        let by_xi = through(
            2.0 * s * xi + d0 * (1.0 - 2.0 * xi),
            (d0 + d1 - 2.0 * s) * (1.0 - 2.0 * xi),
            2.0 * d1 * xi + 2.0 * s * (1.0 - 2.0 * xi) - 2.0 * d0 * (1.0 - xi),
        );
        let by_s = through(xi * xi, 1.0 - 2.0 * q, 2.0 * q) + dslope * 2.0 / s;
        let by_slopes = [through(q, q, (1.0 - xi).powi(2)), through(0.0, q, xi * xi)];
        *dx = E::of(by_xi / w);
        let (dwidths, rest) = dtheta.split_at_mut(widths.len());
        let (dheights, dslopes) = rest.split_at_mut(heights.len());
        of_x.backward(&p, k, -by_xi / w, -(by_xi * xi + by_s * s) / w, dwidths);
        of_y.backward(&p, k, dy, dy * above / below + by_s / w, dheights);
        dslopes.fill(E::zero());
        for (knot, by_slope) in [k, k + 1].into_iter().zip(by_slopes) {
            if knot > 0 && knot < widths.len() {
                let v = slopes[knot - 1].wide() + f64::from(p.one);
                dslopes[knot - 1] = E::of(by_slope / (1.0 + (-v).exp()));
            }
        }
    });
}

/// x = x₀ + w ξ, with ξ = 2 s r / (b + √(b² + 4 a s r)), r = (y − y₀) / h, b = d₀ − r (d₀ + d₁ − 2s) and a = s − b
pub fn spline_inverse<E: Element>(args: &mut Args<'_, E>) {
    let p: SplineParams = args.params();
    let (y, theta, x) = (args.read("value"), args.read("theta"), args.write("argument"));
    x.par_iter_mut().zip(y).zip(theta.par_chunks(width(&p))).for_each(|((x, &y), theta)| {
        if y.abs().wide() >= f64::from(p.bound) || y.is_nan() {
            *x = y;
            return;
        }
        let (widths, heights, slopes) = parts(&p, theta);
        let [of_x, of_y] = [widths, heights].map(|theta| Axis::new(&p, theta));
        let k = of_y.find(y.wide());
        let (w, h, d0, d1) = (of_x.size(k), of_y.size(k), slope(&p, slopes, k), slope(&p, slopes, k + 1));
        let (s, r) = (h / w, (y.wide() - of_y.knots[k]) / h);
        let b = d0 - r * (d0 + d1 - 2.0 * s);
        let a = s - b;
        let xi = 2.0 * s * r / (b + (b * b + 4.0 * a * s * r).max(0.0).sqrt());
        *x = E::of(of_x.knots[k] + w * xi);
    });
}
