//! The mathematics of every kernel, in f64 for the reference executor and in f32 for the CPU executor.
//!
//! There is one file per operator and one function per kernel, generic over the element and parallel over outputs. The
//! shaders and the functions in f32 must agree with those in f64. Long sums are added in f64 and rounded once. Only the
//! dense product comes from a library, and a test compares it with three plain loops.

pub mod activation;
pub mod adam;
pub mod affine_coupling;
pub mod attention;
pub mod augment;
pub mod autoregressive;
pub mod batch_norm;
pub mod blurred_waves;
pub mod categorical;
pub mod channels;
pub mod codebook;
pub mod codes;
pub mod conv2d;
pub mod corrupt;
pub mod cross_entropy;
pub mod density;
pub mod drop_rows;
pub mod elementwise;
pub mod fill;
pub mod flow_divergence;
pub mod flow_path;
pub mod fsq;
pub mod gan_loss;
pub mod gated;
pub mod gather;
pub mod gradient_penalty;
pub mod group_norm;
pub mod kl;
pub mod layer_norm;
pub mod lion;
pub mod log_weight;
pub mod loss;
pub mod matmul;
pub mod minibatch_std;
pub mod mix;
pub mod pad;
pub mod permute;
pub mod philox;
pub mod planar;
pub mod pool;
pub mod record;
pub mod reduce;
pub mod reparameterise;
pub mod replay_pool;
pub mod resize;
pub mod roof;
pub mod running_average;
pub mod sequence;
pub mod sgd;
pub mod shift;
pub mod softmax;
pub mod spectral_norm;
pub mod spline;
pub mod tick;
pub mod time_features;
pub mod upsample;
pub mod vq;

use crate::Element;

/// Elements that a thread computes at a time, in element-wise loops.
const BLOCK: usize = 1 << 12;

/// Runs a loop as compiled for the vectors of this processor. The results are the same as without them, bit for bit:
/// the compiler neither reorders nor fuses operations.
#[inline(always)]
fn vectorised(body: impl FnOnce()) {
    pulp::Arch::new().dispatch(body);
}

/// Whole rows of n numbers, about a [`BLOCK`] of them.
fn block_of_rows(n: usize) -> usize {
    (BLOCK / n).max(1) * n
}

/// totals = f(totals, row), element by element, for every row of x in turn.
fn fold_rows<E: Element>(totals: &mut [f64], x: &[E], f: impl Fn(f64, f64) -> f64) {
    vectorised(|| {
        for row in x.chunks_exact(totals.len()) {
            totals.iter_mut().zip(row).for_each(|(total, &x)| *total = f(*total, x.wide()));
        }
    });
}

/// Rounds sums to elements.
fn round_all<'a, E: Element>(rounded: &mut [E], sums: impl IntoIterator<Item = &'a f64>) {
    rounded.iter_mut().zip(sums).for_each(|(rounded, &sum)| *rounded = E::of(sum));
}

/// The factor that clips a gradient whose sum of squares is `squares`: min(1, clip / (√squares + 10⁻⁶)), 1 without clip
fn clip_scale<E: Element>(clip: f32, squares: E) -> E {
    E::of(if clip > 0.0 { (f64::from(clip) / (squares.wide().sqrt() + 1e-6)).min(1.0) } else { 1.0 })
}
