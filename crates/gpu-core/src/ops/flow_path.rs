//! Straight paths from noise to data, the training data of flow matching: y = (1 − t) z + t x, whose velocity is x − z.
//!
//! The time is t = 1 − (1 − u)ᵖ, so that p > 1 has times denser near the data for uniform u: details of size ε are in
//! the velocities of 1 − t < ε alone.
//!
//! Lipman et al., *Flow matching for generative modeling*, 2023; Liu, Gong and Liu, *Flow straight and fast*, 2023.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`FLOW_PATH`].
    pub struct FlowPathParams {
        /// Elements of y.
        len: u32,
        /// Columns.
        n: u32,
        /// The exponent p.
        spacing: f32,
    }
}

const INVOCATIONS: usize = 256;

/// y [m, n] = (1 − t) z + t x and velocity [m, n] = x − z, with t = 1 − (1 − u)ᵖ and u `[m]`.
pub static FLOW_PATH: Kernel = Kernel {
    name: "flow_path",
    op: "flow_path",
    source: shader!("flow_path", "grid", "nan", "elementary"),
    bindings: &[read("z"), read("x"), read("u"), write("y"), write("velocity")],
    params: FlowPathParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::flow_path::flow_path),
    gradient: Gradient::None("noise and data have no gradient"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&FLOW_PATH];

/// The points of the paths from the rows of z to those of x at the times 1 − (1 − u)ᵖ, with p the spacing and u in
/// [0, 1], and their velocities, both of x's shape.
///
/// # Panics
/// If z has another size than x, u does not have one number for each row, or the spacing is not above 0.
pub fn flow_path(s: &mut Schedule, label: &str, z: Buf, x: Buf, u: Buf, spacing: f32) -> (Buf, Buf) {
    let rows = x.shape.dims()[0] as usize;
    assert_eq!(z.len(), x.len(), "{label}: {} and {} differ in size", z.shape, x.shape);
    assert_eq!(u.len(), rows, "{label}: times of shape {} for {}", u.shape, x.shape);
    assert!(spacing > 0.0 && spacing.is_finite(), "{label}: times spaced by {spacing}");
    let (y, velocity) = (s.scratch(x.shape), s.scratch(x.shape));
    let params = FlowPathParams { len: x.len() as u32, n: (x.len() / rows) as u32, spacing };
    let grid = Grid::Linear(x.len().div_ceil(INVOCATIONS));
    s.push(&FLOW_PATH, label, &[z, x, u, y, velocity], &params, grid, 4 * x.len() as u64);
    (y, velocity)
}
