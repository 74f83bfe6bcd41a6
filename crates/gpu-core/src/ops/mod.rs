//! The operators: each has kernels, shape checks, and builders that add its calls to a schedule.

use crate::Kernel;

/// Declares the kinds of an operator: an enum, the list of all, and the code of each in the shader. A shader and a
/// reference give NaN for a code that no kind has (tests/coverage.rs).
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $kind:ident = $code:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$of])* $kind,)+
        }

        impl $name {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The number that identifies it in the shader.
            pub fn code(self) -> u32 {
                match self { $(Self::$kind => $code),+ }
            }

            /// The kind of that code; none for an unknown one.
            pub fn decode(code: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.code() == code)
            }
        }
    };
}

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

/// All kernels; `frit check` and the tests iterate over this list.
pub fn kernels() -> Vec<&'static Kernel> {
    [
        activation::KERNELS,
        adam::KERNELS,
        affine_coupling::KERNELS,
        attention::KERNELS,
        augment::KERNELS,
        autoregressive::KERNELS,
        batch_norm::KERNELS,
        blurred_waves::KERNELS,
        categorical::KERNELS,
        channels::KERNELS,
        codebook::KERNELS,
        codes::KERNELS,
        conv2d::KERNELS,
        corrupt::KERNELS,
        cross_entropy::KERNELS,
        density::KERNELS,
        drop_rows::KERNELS,
        elementwise::KERNELS,
        fill::KERNELS,
        flow_divergence::KERNELS,
        flow_path::KERNELS,
        fsq::KERNELS,
        gan_loss::KERNELS,
        gated::KERNELS,
        gather::KERNELS,
        gradient_penalty::KERNELS,
        group_norm::KERNELS,
        kl::KERNELS,
        layer_norm::KERNELS,
        lion::KERNELS,
        log_weight::KERNELS,
        loss::KERNELS,
        matmul::KERNELS,
        minibatch_std::KERNELS,
        mix::KERNELS,
        pad::KERNELS,
        permute::KERNELS,
        philox::KERNELS,
        planar::KERNELS,
        pool::KERNELS,
        record::KERNELS,
        reduce::KERNELS,
        reparameterise::KERNELS,
        replay_pool::KERNELS,
        resize::KERNELS,
        roof::KERNELS,
        running_average::KERNELS,
        sequence::KERNELS,
        sgd::KERNELS,
        shift::KERNELS,
        softmax::KERNELS,
        spectral_norm::KERNELS,
        spline::KERNELS,
        tick::KERNELS,
        time_features::KERNELS,
        upsample::KERNELS,
        vq::KERNELS,
    ]
    .concat()
}
