//! Cosines and sines of a time, by which a network tells times apart: waves of half a turn, one turn, two, four, ….
//!
//! Frequencies are powers of two, so that angles are exact in integers and the same on every device.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`TIME_FEATURES`].
    pub struct TimeFeaturesParams {
        /// Pairs of a cosine and a sine.
        len: u32,
        /// Pairs of a row.
        waves: u32,
    }
}

const INVOCATIONS: usize = 64;
/// The most waves of a row: the last ones of more would be those of rounded times.
pub const MAX_WAVES: usize = 10;

/// y [m, 2 waves] = cos and sin of π 2ᵏ t, with t `[m]`.
pub static TIME_FEATURES: Kernel = Kernel {
    name: "time_features",
    op: "time_features",
    source: shader!("time_features", "grid", "nan", "elementary"),
    bindings: &[read("t"), write("y")],
    params: TimeFeaturesParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::time_features::time_features),
    gradient: Gradient::None("times have no gradient"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&TIME_FEATURES];

/// The features of times `[m]` in [0, 1]: [m, 2 waves].
///
/// # Panics
/// If there are no waves, or more than [`MAX_WAVES`].
pub fn time_features(s: &mut Schedule, label: &str, t: Buf, waves: usize) -> Buf {
    assert!((1..=MAX_WAVES).contains(&waves), "{label}: {waves} waves, not 1 to {MAX_WAVES}");
    let y = s.scratch([t.len(), 2 * waves]);
    let params = TimeFeaturesParams { len: (t.len() * waves) as u32, waves: waves as u32 };
    let grid = Grid::Linear((t.len() * waves).div_ceil(INVOCATIONS));
    s.push(&TIME_FEATURES, label, &[t, y], &params, grid, 20 * y.len() as u64);
    y
}
