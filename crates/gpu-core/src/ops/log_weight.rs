//! Logarithms of importance weights: log p(x|z) + log p(z) − log q(z|x), in nats.
//!
//! With z = mean + exp(½ logvar) eps, −2 log q(z|x) = Σ (eps² + logvar + log 2π) and −2 log p(z) = Σ (z² + log 2π), so
//! the terms in 2π cancel. The log of the mean of their exponentials over samples is a lower bound of log p(x).
//! Source: Burda, Grosse, Salakhutdinov, *Importance weighted autoencoders*, ICLR 2016, equation 8.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`LOG_WEIGHT`].
    pub struct LogWeightParams {
        /// Elements of y.
        len: u32,
        /// Columns of z.
        latent: u32,
        /// Samples of z that share a row of heads.
        repeat: u32,
    }
}

const INVOCATIONS: usize = 256;

/// y [m · repeat] = −recon − ½ Σ z² + ½ Σ (eps² + logvar).
pub static LOG_WEIGHT: Kernel = Kernel {
    name: "log_weight",
    op: "log_weight",
    source: shader!("log_weight", "grid"),
    bindings: &[read("recon"), read("z"), read("eps"), read("heads"), write("y")],
    params: LogWeightParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::log_weight::log_weight),
    gradient: Gradient::None("only used in evaluation"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&LOG_WEIGHT];

/// The log weight of each sample: [m · repeat], from recon [m · repeat] (−log p(x|z)), z and eps
/// [m · repeat, latent], and heads [m, 2 latent], means before log variances.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn forward(s: &mut Schedule, label: &str, recon: Buf, z: Buf, eps: Buf, heads: Buf) -> Buf {
    let (len, latent) = (z.shape.rows(), z.shape.cols());
    let m = heads.shape.rows();
    assert_eq!(recon.len(), len, "{label}: recon of {} for z of {}", recon.shape, z.shape);
    assert_eq!(eps.len(), z.len(), "{label}: eps of {} for z of {}", eps.shape, z.shape);
    let fits = heads.shape.cols() == 2 * latent && len.is_multiple_of(m);
    assert!(fits, "{label}: heads of {} for z of {}", heads.shape, z.shape);
    let params = LogWeightParams { len: len as u32, latent: latent as u32, repeat: (len / m) as u32 };
    let y = s.scratch([len]);
    let grid = Grid::Linear(len.div_ceil(INVOCATIONS));
    s.push(&LOG_WEIGHT, label, &[recon, z, eps, heads, y], &params, grid, 5 * z.len() as u64);
    y
}
