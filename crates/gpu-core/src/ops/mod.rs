//! The operators: for each its kernels, its shape checks, and the builders that push its calls.

use crate::Kernel;

pub mod activation;
pub mod adam;
pub mod elementwise;
pub mod fill;
pub mod gather;
pub mod kl;
pub mod log_weight;
pub mod loss;
pub mod matmul;
pub mod permute;
pub mod philox;
pub mod record;
pub mod reduce;
pub mod reparameterise;
pub mod softmax;
pub mod tick;

/// Every kernel there is; `frit check` and the tests go through this list.
pub fn kernels() -> Vec<&'static Kernel> {
    [
        activation::KERNELS,
        adam::KERNELS,
        elementwise::KERNELS,
        fill::KERNELS,
        gather::KERNELS,
        kl::KERNELS,
        log_weight::KERNELS,
        loss::KERNELS,
        matmul::KERNELS,
        permute::KERNELS,
        philox::KERNELS,
        record::KERNELS,
        reduce::KERNELS,
        reparameterise::KERNELS,
        softmax::KERNELS,
        tick::KERNELS,
    ]
    .concat()
}
