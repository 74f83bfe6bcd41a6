//! The standard deviation within groups of images as a channel, its derivatives, and those of its derivative.

use crate::ops::minibatch_std::MinibatchStdParams;
use crate::reference::activation::slope_from_output;
use crate::{Args, Element};
use rayon::prelude::*;

/// The mean over a group's images of a function of number j, its value and its place in x; an image has `f` numbers.
fn mean_over<E: Element>(x: &[E], f: usize, of: impl Fn(usize, f64, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; f];
    for (image, x) in x.chunks(f).enumerate() {
        sums.iter_mut().zip(x).enumerate().for_each(|(j, (sum, x))| *sum += of(j, x.wide(), image * f + j));
    }
    let members = (x.len() / f) as f64;
    sums.iter_mut().for_each(|sum| *sum /= members);
    sums
}

/// Means and deviations of a group's numbers.
struct Statistics {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Statistics {
    fn new<E: Element>(p: &MinibatchStdParams, x: &[E]) -> Self {
        let f = (p.pixels * p.c) as usize;
        let mean = mean_over(x, f, |_, x, _| x);
        let mut deviation = mean_over(x, f, |j, x, _| (x - mean[j]).powi(2));
        deviation.iter_mut().for_each(|var| *var = (*var + f64::from(p.epsilon)).sqrt());
        Self { mean, deviation }
    }

    /// The means over the images of (x − mean) u.
    fn covariance<E: Element>(&self, x: &[E], u: &[E]) -> Vec<f64> {
        mean_over(x, self.mean.len(), |j, x, at| (x - self.mean[j]) * u[at].wide())
    }
}

/// Numbers of an image, and of a whole group of x and of y.
fn widths(p: &MinibatchStdParams) -> [usize; 3] {
    let (f, size) = ((p.pixels * p.c) as usize, p.size as usize);
    [f, size * f, size * (f + p.pixels as usize)]
}

/// Copies x, and m as the last channel.
fn widen<E: Element>(p: &MinibatchStdParams, x: &[E], m: E, y: &mut [E]) {
    let c = p.c as usize;
    y.chunks_mut(c + 1).zip(x.chunks(c)).for_each(|(y, x)| {
        y[..c].copy_from_slice(x);
        y[c] = m;
    });
}

/// The sum of dy of m over a group.
fn sum_of_m<E: Element>(p: &MinibatchStdParams, dy: &[E]) -> f64 {
    dy.iter().skip(p.c as usize).step_by(p.c as usize + 1).map(|dy| dy.wide()).sum()
}

/// y = x and m = Σⱼ deviationⱼ / f
pub fn minibatch_std<E: Element>(args: &mut Args<'_, E>) {
    let p: MinibatchStdParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let [f, of_x, of_y] = widths(&p);
    y.par_chunks_mut(of_y).zip(x.par_chunks(of_x)).for_each(|(y, x)| {
        let sum: f64 = Statistics::new(&p, x).deviation.iter().sum();
        widen(&p, x, E::of(sum / f as f64), y);
    });
}

/// along = u and Σⱼ (mean of (x − meanⱼ) u) / (f deviationⱼ)
pub fn minibatch_std_tangent<E: Element>(args: &mut Args<'_, E>) {
    let p: MinibatchStdParams = args.params();
    let (x, u, along) = (args.read("x"), args.read("u"), args.write("along"));
    let [f, of_x, of_y] = widths(&p);
    along.par_chunks_mut(of_y).zip(x.par_chunks(of_x)).zip(u.par_chunks(of_x)).for_each(|((along, x), u)| {
        let of_group = Statistics::new(&p, x);
        let sum: f64 = of_group.covariance(x, u).iter().zip(&of_group.deviation).map(|(with_u, d)| with_u / d).sum();
        widen(&p, u, E::of(sum / f as f64), along);
    });
}

/// dx = gate ⊙ (dy of x + dm (x − mean) / (f members deviation))
pub fn minibatch_std_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: MinibatchStdParams = args.params();
    let (x, dy) = (args.read("x"), args.read("dy"));
    let (gate_y, dx) = (args.read("gate_y"), args.write("dx"));
    let [f, of_x, of_y] = widths(&p);
    let c = p.c as usize;
    dx.par_chunks_mut(of_x).zip(x.par_chunks(of_x)).zip(dy.par_chunks(of_y)).for_each(|((dx, x), dy)| {
        let Statistics { mean, deviation } = Statistics::new(&p, x);
        let share = sum_of_m(&p, dy) / x.len() as f64;
        dx.chunks_mut(c).zip(dy.chunks(c + 1)).for_each(|(dx, dy)| dx.copy_from_slice(&dy[..c]));
        for (dx, x) in dx.chunks_mut(f).zip(x.chunks(f)) {
            for (j, (dx, x)) in dx.iter_mut().zip(x).enumerate() {
                *dx += E::of(share * (x.wide() - mean[j]) / deviation[j]);
            }
        }
    });
    gate(&p, dx, gate_y);
}

/// dx = gate ⊙ dm / (f members) ((u − mean u) / deviation − (x − mean) (mean of (x − mean) u) / deviation³)
pub fn minibatch_std_tangent_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: MinibatchStdParams = args.params();
    let (x, u, dy) = (args.read("x"), args.read("direction"), args.read("dy"));
    let (gate_y, dx) = (args.read("gate_y"), args.write("dx"));
    let [f, of_x, of_y] = widths(&p);
    let groups = x.par_chunks(of_x).zip(u.par_chunks(of_x)).zip(dy.par_chunks(of_y));
    dx.par_chunks_mut(of_x).zip(groups).for_each(|(dx, ((x, u), dy))| {
        let of_group = Statistics::new(&p, x);
        let (with_u, mean_u) = (of_group.covariance(x, u), mean_over(u, f, |_, u, _| u));
        let Statistics { mean, deviation } = of_group;
        let share = sum_of_m(&p, dy) / x.len() as f64;
        for (dx, (x, u)) in dx.chunks_mut(f).zip(x.chunks(f).zip(u.chunks(f))) {
            for (j, (dx, (x, u))) in dx.iter_mut().zip(x.iter().zip(u)).enumerate() {
                let of_x = (x.wide() - mean[j]) * with_u[j] / deviation[j].powi(3);
                *dx = E::of(share * ((u.wide() - mean_u[j]) / deviation[j] - of_x));
            }
        }
    });
    gate(&p, dx, gate_y);
}

/// dx ⊙= the slope of the gate's activation
fn gate<E: Element>(p: &MinibatchStdParams, dx: &mut [E], gate_y: &[E]) {
    if p.gate != 0 {
        let slope = |y: E| slope_from_output(p.gate, p.gate_alpha, y);
        dx.par_iter_mut().zip(gate_y).for_each(|(dx, &y)| *dx *= slope(y));
    }
}
