//! Straight paths from noise to data, the training data of flow matching: y = (1 − t) z + t x, whose velocity is x − z.
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
    }
}

const INVOCATIONS: usize = 256;

/// y [m, n] = (1 − t) z + t x and velocity [m, n] = x − z, with t `[m]`.
pub static FLOW_PATH: Kernel = Kernel {
    name: "flow_path",
    op: "flow_path",
    source: shader!("flow_path", "grid"),
    bindings: &[read("z"), read("x"), read("t"), write("y"), write("velocity")],
    params: FlowPathParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::flow_path::flow_path),
    gradient: Gradient::None("noise and data have no gradient"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&FLOW_PATH];

/// The points of the paths from the rows of z to those of x at the times t, and their velocities, both of x's shape.
///
/// # Panics
/// If z has another size than x, or t does not have one number for each row.
pub fn flow_path(s: &mut Schedule, label: &str, z: Buf, x: Buf, t: Buf) -> (Buf, Buf) {
    let rows = x.shape.dims()[0] as usize;
    assert_eq!(z.len(), x.len(), "{label}: {} and {} differ in size", z.shape, x.shape);
    assert_eq!(t.len(), rows, "{label}: times of shape {} for {}", t.shape, x.shape);
    let (y, velocity) = (s.scratch(x.shape), s.scratch(x.shape));
    let params = FlowPathParams { len: x.len() as u32, n: (x.len() / rows) as u32 };
    let grid = Grid::Linear(x.len().div_ceil(INVOCATIONS));
    s.push(&FLOW_PATH, label, &[z, x, t, y, velocity], &params, grid, 4 * x.len() as u64);
    (y, velocity)
}
