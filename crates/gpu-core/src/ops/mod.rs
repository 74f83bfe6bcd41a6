//! The operators: each has kernels, shape checks, and builders that add its calls to a schedule.

use crate::{Buf, Kernel};

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

/// All kernels; `frit check` and the tests iterate over this list.
pub fn kernels() -> Vec<&'static Kernel> {
    [
        activation::KERNELS,
        adam::KERNELS,
        batch_norm::KERNELS,
        channels::KERNELS,
        codebook::KERNELS,
        conv2d::KERNELS,
        cross_entropy::KERNELS,
        elementwise::KERNELS,
        fill::KERNELS,
        gan_loss::KERNELS,
        gather::KERNELS,
        group_norm::KERNELS,
        kl::KERNELS,
        layer_norm::KERNELS,
        lion::KERNELS,
        log_weight::KERNELS,
        loss::KERNELS,
        matmul::KERNELS,
        pad::KERNELS,
        permute::KERNELS,
        philox::KERNELS,
        pool::KERNELS,
        record::KERNELS,
        reduce::KERNELS,
        reparameterise::KERNELS,
        roof::KERNELS,
        sgd::KERNELS,
        softmax::KERNELS,
        spectral_norm::KERNELS,
        tick::KERNELS,
        upsample::KERNELS,
        vq::KERNELS,
    ]
    .concat()
}

/// The terms that every optimiser shares, as its uniform holds them.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    /// Weight decay; 0 for none.
    pub(crate) decay: f32,
    /// Largest norm of the gradient; 0 for no limit.
    pub(crate) clip: f32,
    /// Share of the running average that stays in each step.
    pub(crate) keep: f32,
    /// 1 − keep, rounded once.
    pub(crate) one_minus_keep: f32,
}

impl Shared {
    /// # Panics
    /// If the weight decay is negative, the clipping norm is not above 0, or the average's decay is not in [0, 1].
    pub(crate) fn new(label: &str, weight_decay: f32, clip: Option<f32>, average: Option<f32>) -> Self {
        let keep = average.unwrap_or(0.0);
        assert!(weight_decay >= 0.0, "{label}: weight decay {weight_decay}");
        assert!(clip.is_none_or(|clip| clip > 0.0), "{label}: clipping to {clip:?}");
        assert!((0.0..=1.0).contains(&keep), "{label}: the average's decay {keep} is not in [0, 1]");
        Self { decay: weight_decay, clip: clip.unwrap_or(0.0), keep, one_minus_keep: 1.0 - keep }
    }

    /// The buffer to bind as the norm of the gradient: `rates`, unread, if nothing is clipped.
    ///
    /// # Panics
    /// If `rates` is not `[4]`, or the gradient is clipped and `norm` is not given.
    pub(crate) fn norm(&self, label: &str, norm: Option<Buf>, rates: Buf) -> Buf {
        assert_eq!(rates.len(), 4, "{label}: rates of shape {}", rates.shape);
        match norm {
            Some(norm) if self.clip > 0.0 => norm,
            _ => {
                assert!(self.clip == 0.0, "{label}: clipping needs the norm of the gradient");
                rates
            }
        }
    }
}
