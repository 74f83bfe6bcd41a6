//! The divergence that a flow from z0 to z adds to that of q(z0) from the standard normal, in nats.
//!
//! E log q(z) − log p(z) is KL(q(z0) ‖ N(0, 1)) + E (½ |z|² − ½ |z0|² − log |det dz/dz0|): the first term is
//! [`kl`](super::kl), the expectation is estimated by one draw of each row. Source: Rezende and Mohamed, *Variational
//! inference with normalizing flows*, 2015, equation 15.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`FLOW_DIVERGENCE`].
    pub struct FlowDivergenceParams {
        /// Rows of z.
        m: u32,
        /// Columns of z.
        d: u32,
    }
}

params! {
    /// The uniform of [`FLOW_DIVERGENCE_BACKWARD`].
    pub struct FlowDivergenceBackwardParams {
        /// Elements of z.
        len: u32,
        /// Elements of dslope.
        slopes: u32,
        /// Multiplies the gradients, in addition to `rates[3]`.
        weight: f32,
    }
}

const INVOCATIONS: usize = 256;

/// rows `[m]` = ½ Σ (z² − z0²) − log_slope.
pub static FLOW_DIVERGENCE: Kernel = Kernel {
    name: "flow_divergence",
    op: "flow_divergence",
    source: shader!("flow_divergence", "grid"),
    bindings: &[read("z"), read("z0"), read("log_slope"), write("rows")],
    params: FlowDivergenceParams::FIELDS,
    overrides: &[],
    workgroup: [64, 1, 1],
    variants: &[],
    reference: functions!(reference::flow_divergence::flow_divergence),
    gradient: Gradient::Forward,
};

/// dz = g z, dz0 = −g z0 and dslope = −g, with g = `rates[3]` · weight.
pub static FLOW_DIVERGENCE_BACKWARD: Kernel = Kernel {
    name: "flow_divergence_backward",
    bindings: &[read("z"), read("z0"), read("rates"), write("dz"), write("dz0"), write("dslope")],
    params: FlowDivergenceBackwardParams::FIELDS,
    workgroup: [INVOCATIONS as u32, 1, 1],
    reference: functions!(reference::flow_divergence::flow_divergence_backward),
    gradient: Gradient::Backward,
    ..FLOW_DIVERGENCE
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&FLOW_DIVERGENCE, &FLOW_DIVERGENCE_BACKWARD];

/// ½ |z|² − ½ |z0|² − log_slope of each row: `[m]`, of z and z0 [m, d] and log |det dz/dz0| `[m]`.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn forward(s: &mut Schedule, label: &str, [z, z0]: [Buf; 2], log_slope: Buf) -> Buf {
    let [m, d] = [z.shape.rows(), z.shape.cols()];
    let fits = z0.len() == z.len() && log_slope.len() == m;
    assert!(fits, "{label}: z0 of {} and log_slope of {} for z of {}", z0.shape, log_slope.shape, z.shape);
    let rows = s.scratch([m]);
    let params = FlowDivergenceParams { m: m as u32, d: d as u32 };
    s.push(&FLOW_DIVERGENCE, label, &[z, z0, log_slope, rows], &params, Grid::Linear(m), 4 * z.len() as u64);
    rows
}

/// `rates[3]` · weight · the derivatives of Σ rows: dz and dz0, of z's shape, where z and z0 are taken as independent,
/// and that of log_slope, all elements of `slopes` alike: [m, 1], or [m, d] where log_slope is a sum of d terms.
///
/// # Panics
/// If z0 has another size than z, `rates` does not have four elements, or `slopes` is larger than z.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    [z, z0]: [Buf; 2],
    rates: Buf,
    weight: f32,
    slopes: [usize; 2],
) -> [Buf; 3] {
    let dslope = s.scratch(slopes);
    let fits = z0.len() == z.len() && rates.len() == 4 && dslope.len() <= z.len();
    assert!(fits, "{label}: z0 of {}, rates of {} and {} for z of {}", z0.shape, rates.shape, dslope.shape, z.shape);
    let [dz, dz0] = [(); 2].map(|()| s.scratch(z.shape));
    let params = FlowDivergenceBackwardParams { len: z.len() as u32, slopes: dslope.len() as u32, weight };
    let grid = Grid::Linear(z.len().div_ceil(INVOCATIONS));
    s.push(&FLOW_DIVERGENCE_BACKWARD, label, &[z, z0, rates, dz, dz0, dslope], &params, grid, 4 * z.len() as u64);
    [dz, dz0, dslope]
}
