//! Kernels that measure the roofline of a device for `frit profile`. No model calls them.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`ROOF_COPY`].
    pub struct CopyParams {
        /// Elements.
        len: u32,
    }
}

params! {
    /// The uniform of [`ROOF_FMA`].
    pub struct FmaParams {
        /// Elements.
        len: u32,
        /// Multiply-adds per sum: a multiple of [`UNROLLED`].
        turns: u32,
        /// The factor; less than one, so that the sums stay finite.
        scale: f32,
        /// The term added.
        shift: f32,
    }
}

const INVOCATIONS: usize = 256;
/// Elements that one invocation copies.
const COPIED: usize = 4;
/// Iterations unrolled in the shader.
pub const UNROLLED: usize = 4;
/// Independent sums of one invocation.
pub const SUMS: usize = 16;

/// y = x.
pub static ROOF_COPY: Kernel = Kernel {
    name: "roof_copy",
    op: "roof",
    source: shader!("roof", "grid"),
    bindings: &[read("x"), write("y")],
    params: CopyParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::roof::roof_copy),
    gradient: Gradient::None("measures memory bandwidth; no model calls it"),
};

/// y = Σ_j a_j, where each a_j starts as x + j and becomes scale a + shift `turns` times.
pub static ROOF_FMA: Kernel = Kernel {
    name: "roof_fma",
    params: FmaParams::FIELDS,
    reference: functions!(reference::roof::roof_fma),
    gradient: Gradient::None("measures arithmetic; no model calls it"),
    ..ROOF_COPY
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&ROOF_COPY, &ROOF_FMA];

/// A copy of x.
pub fn copy(s: &mut Schedule, label: &str, x: Buf) -> Buf {
    let y = s.scratch(x.shape);
    let params = CopyParams { len: x.len() as u32 };
    s.push(&ROOF_COPY, label, &[x, y], &params, Grid::Linear(x.len().div_ceil(COPIED * INVOCATIONS)), 0);
    y
}

/// `turns` multiply-adds to each of [`SUMS`] sums for every element of x: much arithmetic and little memory traffic.
///
/// # Panics
/// If `turns` is not a multiple of [`UNROLLED`], or `scale` is not between −1 and 1.
pub fn fma(s: &mut Schedule, label: &str, x: Buf, turns: usize, scale: f32, shift: f32) -> Buf {
    assert!(turns.is_multiple_of(UNROLLED), "{label}: {turns} turns are not a multiple of {UNROLLED}");
    assert!(scale.abs() < 1.0, "{label}: a scale of {scale} diverges");
    let y = s.scratch(x.shape);
    let params = FmaParams { len: x.len() as u32, turns: turns as u32, scale, shift };
    let flops = (x.len() * SUMS * (2 * turns + 2)) as u64;
    s.push(&ROOF_FMA, label, &[x, y], &params, Grid::Linear(x.len().div_ceil(INVOCATIONS)), flops);
    y
}
