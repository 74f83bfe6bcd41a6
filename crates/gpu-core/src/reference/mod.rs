//! The mathematics of every kernel in plain f64, with which the shaders must agree.
//!
//! There is one file per operator and one function per kernel, parallel over outputs. Only the dense product comes from
//! a library, and a test compares it with three plain loops.

pub mod activation;
pub mod adam;
pub mod batch_norm;
pub mod channels;
pub mod codebook;
pub mod conv2d;
pub mod cross_entropy;
pub mod elementwise;
pub mod fill;
pub mod gan_loss;
pub mod gather;
pub mod group_norm;
pub mod kl;
pub mod layer_norm;
pub mod lion;
pub mod log_weight;
pub mod loss;
pub mod matmul;
pub mod pad;
pub mod permute;
pub mod philox;
pub mod pool;
pub mod record;
pub mod reduce;
pub mod reparameterise;
pub mod roof;
pub mod sgd;
pub mod softmax;
pub mod spectral_norm;
pub mod tick;
pub mod upsample;
pub mod vq;

use rayon::prelude::*;

/// Elements that a thread computes at a time, in element-wise loops.
const BLOCK: usize = 1 << 12;

/// totals = f(totals, row), element by element, for every row of x in turn.
fn fold_rows(totals: &mut [f64], x: &[f64], f: impl Fn(f64, f64) -> f64) {
    for row in x.chunks_exact(totals.len()) {
        totals.iter_mut().zip(row).for_each(|(total, &x)| *total = f(*total, x));
    }
}

/// The factor that clips a gradient whose sum of squares is `squares`: min(1, clip / (√squares + 10⁻⁶)), 1 without clip
fn clip_scale(clip: f32, squares: f64) -> f64 {
    if clip > 0.0 { (f64::from(clip) / (squares.sqrt() + 1e-6)).min(1.0) } else { 1.0 }
}

/// average ← keep · average + (1 − keep) w
fn running_average(average: &mut [f64], w: &[f64], keep: f32, one_minus_keep: f32) {
    average.par_iter_mut().zip(w).for_each(|(average, w)| {
        *average = f64::from(keep) * *average + f64::from(one_minus_keep) * *w;
    });
}
