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
pub mod softmax;
pub mod spectral_norm;
pub mod tick;
pub mod upsample;
pub mod vq;

/// Elements that a thread computes at a time, in element-wise loops.
const BLOCK: usize = 1 << 12;

/// totals = f(totals, row), element by element, for every row of x in turn.
fn fold_rows(totals: &mut [f64], x: &[f64], f: impl Fn(f64, f64) -> f64) {
    for row in x.chunks_exact(totals.len()) {
        totals.iter_mut().zip(row).for_each(|(total, &x)| *total = f(*total, x));
    }
}
