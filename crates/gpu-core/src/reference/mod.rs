//! The mathematics of every kernel, in plain f64: what the shaders must agree with.
//!
//! One file per operator, one function per kernel, parallel over outputs. Only the dense product inside is a
//! library's, itself checked against three plain loops.

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
