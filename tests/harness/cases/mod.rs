//! The case lists, one file per operator.

use crate::Case;
use gpu_core::{Call, Grid, Needs};
use std::collections::BTreeSet;

mod activation;
mod adam;
mod affine_coupling;
mod attention;
mod augment;
mod autoregressive;
mod batch_norm;
mod blurred_waves;
mod categorical;
mod channels;
mod codebook;
mod codes;
mod conv2d;
mod corrupt;
mod cross_entropy;
mod density;
mod drop_rows;
mod elementwise;
mod fill;
mod flow_divergence;
mod flow_path;
mod fsq;
mod gan_loss;
mod gated;
mod gather;
mod gradient_penalty;
mod group_norm;
mod kl;
mod layer_norm;
mod lion;
mod log_weight;
mod loss;
mod matmul;
mod minibatch_std;
mod mix;
mod pad;
mod permute;
mod philox;
mod planar;
mod pool;
mod record;
mod reduce;
mod reparameterise;
mod replay_pool;
mod resize;
mod roof;
mod running_average;
mod sequence;
mod sgd;
mod shift;
mod softmax;
mod spectral_norm;
mod spline;
mod tick;
mod time_features;
mod upsample;
mod vq;

/// Builds the cases of an operator.
type Maker = fn() -> Vec<Case>;

/// The operators with the functions that build their cases; some cases are large, so they are built on demand.
pub const OPERATORS: &[(&str, Maker)] = &[
    ("activation", activation::cases),
    ("adam", adam::cases),
    ("affine_coupling", affine_coupling::cases),
    ("attention", attention::cases),
    ("augment", augment::cases),
    ("autoregressive", autoregressive::cases),
    ("batch_norm", batch_norm::cases),
    ("blurred_waves", blurred_waves::cases),
    ("categorical", categorical::cases),
    ("channels", channels::cases),
    ("codebook", codebook::cases),
    ("codes", codes::cases),
    ("conv2d", conv2d::cases),
    ("corrupt", corrupt::cases),
    ("cross_entropy", cross_entropy::cases),
    ("density", density::cases),
    ("drop_rows", drop_rows::cases),
    ("elementwise", elementwise::cases),
    ("fill", fill::cases),
    ("flow_divergence", flow_divergence::cases),
    ("flow_path", flow_path::cases),
    ("fsq", fsq::cases),
    ("gan_loss", gan_loss::cases),
    ("gated", gated::cases),
    ("gather", gather::cases),
    ("gradient_penalty", gradient_penalty::cases),
    ("group_norm", group_norm::cases),
    ("kl", kl::cases),
    ("layer_norm", layer_norm::cases),
    ("lion", lion::cases),
    ("log_weight", log_weight::cases),
    ("loss", loss::cases),
    ("matmul", matmul::cases),
    ("minibatch_std", minibatch_std::cases),
    ("mix", mix::cases),
    ("pad", pad::cases),
    ("permute", permute::cases),
    ("philox", philox::cases),
    ("planar", planar::cases),
    ("pool", pool::cases),
    ("record", record::cases),
    ("reduce", reduce::cases),
    ("reparameterise", reparameterise::cases),
    ("replay_pool", replay_pool::cases),
    ("resize", resize::cases),
    ("roof", roof::cases),
    ("running_average", running_average::cases),
    ("sequence", sequence::cases),
    ("sgd", sgd::cases),
    ("shift", shift::cases),
    ("softmax", softmax::cases),
    ("spectral_norm", spectral_norm::cases),
    ("spline", spline::cases),
    ("tick", tick::cases),
    ("time_features", time_features::cases),
    ("upsample", upsample::cases),
    ("vq", vq::cases),
];

/// The cases of an operator; empty if it is unknown.
pub fn of(op: &str) -> Vec<Case> {
    OPERATORS.iter().filter(|(name, _)| *name == op).flat_map(|(_, cases)| cases()).collect()
}

/// The work of a case ([`Case::work`]) up to which it is small.
const SMALL: u64 = 1 << 16;

/// Few cases of an operator, small where it has small ones, that run each of its kernels, variants and kinds.
pub fn quick(op: &str) -> Vec<Case> {
    let mut cases = of(op);
    // The largest of the small ones first, because they have whole tiles as well as edges.
    cases.sort_by_key(|case| match case.work() {
        work @ ..=SMALL => (0, SMALL - work),
        work => (1, work),
    });
    let mut seen = BTreeSet::new();
    cases.retain(|case| {
        let calls = case.schedule.calls().iter().filter(|call| call.kernel.op == op);
        // All are inserted, so this does not stop at the first.
        calls.flat_map(features).filter(|feature| seen.insert(*feature)).count() > 0
    });
    cases
}

/// The kernel of a call and its variants for few columns, each with the kind. Other variants run in every case.
fn features(call: &Call) -> Vec<(&'static str, Option<u32>)> {
    let kind = call.kernel.params.iter().position(|&param| KIND_FIELDS.contains(&param)).map(|at| call.params[at]);
    let few = |tile: [usize; 2]| matches!(call.grid, Grid::Tiles { cols, .. } if cols <= tile[1]);
    let variants =
        call.kernel.variants.iter().filter(|variant| variant.needs == Needs::FewColumns && few(variant.tile));
    variants.map(|variant| variant.name).chain([call.kernel.name]).map(|name| (name, kind)).collect()
}

/// The parameters that select a kind.
pub const KIND_FIELDS: [(&str, &str); 2] = [("kind", "u32"), ("decay", "u32")];
