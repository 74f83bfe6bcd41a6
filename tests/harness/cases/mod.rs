//! The case lists, one file per operator.

use crate::Case;

mod activation;
mod adam;
mod batch_norm;
mod channels;
mod codebook;
mod conv2d;
mod cross_entropy;
mod elementwise;
mod fill;
mod gan_loss;
mod gather;
mod group_norm;
mod kl;
mod layer_norm;
mod lion;
mod log_weight;
mod loss;
mod matmul;
mod pad;
mod permute;
mod philox;
mod pool;
mod record;
mod reduce;
mod reparameterise;
mod roof;
mod sgd;
mod softmax;
mod spectral_norm;
mod tick;
mod upsample;
mod vq;

/// Builds the cases of an operator.
type Maker = fn() -> Vec<Case>;

/// The operators with the functions that build their cases; some cases are large, so they are built on demand.
pub const OPERATORS: &[(&str, Maker)] = &[
    ("activation", activation::cases),
    ("adam", adam::cases),
    ("batch_norm", batch_norm::cases),
    ("channels", channels::cases),
    ("codebook", codebook::cases),
    ("conv2d", conv2d::cases),
    ("cross_entropy", cross_entropy::cases),
    ("elementwise", elementwise::cases),
    ("fill", fill::cases),
    ("gan_loss", gan_loss::cases),
    ("gather", gather::cases),
    ("group_norm", group_norm::cases),
    ("kl", kl::cases),
    ("layer_norm", layer_norm::cases),
    ("lion", lion::cases),
    ("log_weight", log_weight::cases),
    ("loss", loss::cases),
    ("matmul", matmul::cases),
    ("pad", pad::cases),
    ("permute", permute::cases),
    ("philox", philox::cases),
    ("pool", pool::cases),
    ("record", record::cases),
    ("reduce", reduce::cases),
    ("reparameterise", reparameterise::cases),
    ("roof", roof::cases),
    ("sgd", sgd::cases),
    ("softmax", softmax::cases),
    ("spectral_norm", spectral_norm::cases),
    ("tick", tick::cases),
    ("upsample", upsample::cases),
    ("vq", vq::cases),
];

/// The cases of an operator; empty if it is unknown.
pub fn of(op: &str) -> Vec<Case> {
    OPERATORS.iter().filter(|(name, _)| *name == op).flat_map(|(_, cases)| cases()).collect()
}
