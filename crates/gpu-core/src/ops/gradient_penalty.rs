//! Penalties on the gradient of a score with respect to its input, with their gradients.
//!
//! `rows[r]` = P(‖g\[r\]‖) for each row of g. With u = ∂P/∂g, the gradient of P with respect to the parameters of the
//! score follows from a tangent pass along u: `Stack::penalise` of crates/models.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

kinds! {
    /// The penalty of one gradient.
    Kind {
        /// ½ γ ‖g‖²: R1 (Mescheder, Geiger and Nowozin, 2018).
        R1 = 0;
        /// γ (‖g‖ − 1)²: the gradient penalty of WGAN-GP (Gulrajani et al., 2017). Its gradient is 0 where g is 0.
        UnitNorm = 1;
    }
}

params! {
    /// The uniform of the kernel.
    pub struct PenaltyParams {
        /// Rows of g.
        m: u32,
        /// Columns of g.
        n: u32,
        /// [`Kind::code`].
        kind: u32,
        /// γ.
        gamma: f32,
        /// Multiplies the gradient in u.
        slope: f32,
    }
}

/// rows `[m]` = P(‖g‖), and u [m, n] = slope · ∂P/∂g.
pub static GRADIENT_PENALTY: Kernel = Kernel {
    name: "gradient_penalty",
    op: "gradient_penalty",
    source: shader!("gradient_penalty", "grid", "nan", "tree"),
    bindings: &[read("g"), write("rows"), write("u")],
    params: PenaltyParams::FIELDS,
    overrides: &["kind"],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::gradient_penalty::gradient_penalty),
    gradient: Gradient::Backward,
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&GRADIENT_PENALTY];

/// The penalty γ P of each row of g [m, n], and the derivative with respect to g of Σ weight · rows: `[m]`, and of g's
/// shape.
pub fn with_gradient(s: &mut Schedule, label: &str, g: Buf, kind: Kind, gamma: f32, weight: f32) -> (Buf, Buf) {
    let (m, n) = (g.shape.rows(), g.shape.cols());
    let (rows, u) = (s.scratch([m]), s.scratch(g.shape));
    let params = PenaltyParams { m: m as u32, n: n as u32, kind: kind.code(), gamma, slope: weight };
    s.push(&GRADIENT_PENALTY, label, &[g, rows, u], &params, Grid::Linear(m), 4 * g.len() as u64);
    (rows, u)
}
