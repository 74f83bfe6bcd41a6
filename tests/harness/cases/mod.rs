//! The case lists, one file per operator.

use crate::Case;

mod activation;
mod adam;
mod elementwise;
mod fill;
mod gather;
mod kl;
mod log_weight;
mod loss;
mod matmul;
mod permute;
mod philox;
mod record;
mod reduce;
mod reparameterise;
mod softmax;
mod tick;

/// Makes the cases of an operator.
type Maker = fn() -> Vec<Case>;

/// The operators, and what makes their cases: some are large, so they are made when wanted.
pub const OPERATORS: &[(&str, Maker)] = &[
    ("activation", activation::cases),
    ("adam", adam::cases),
    ("elementwise", elementwise::cases),
    ("fill", fill::cases),
    ("gather", gather::cases),
    ("kl", kl::cases),
    ("log_weight", log_weight::cases),
    ("loss", loss::cases),
    ("matmul", matmul::cases),
    ("permute", permute::cases),
    ("philox", philox::cases),
    ("record", record::cases),
    ("reduce", reduce::cases),
    ("reparameterise", reparameterise::cases),
    ("softmax", softmax::cases),
    ("tick", tick::cases),
];

/// The cases of one operator; none for an unknown one.
pub fn of(op: &str) -> Vec<Case> {
    OPERATORS.iter().filter(|(name, _)| *name == op).flat_map(|(_, cases)| cases()).collect()
}
