//! Cosines and sines of times.

use crate::ops::time_features::TimeFeaturesParams;
use crate::reference::round_all;
use crate::{Args, Element};
use rayon::prelude::*;
use std::f64::consts::PI;

/// y[r, 2k] = cos(π 2ᵏ `t[r]`), y[r, 2k + 1] = sin(π 2ᵏ `t[r]`)
pub fn time_features<E: Element>(args: &mut Args<'_, E>) {
    let p: TimeFeaturesParams = args.params();
    let (t, y) = (args.read("t"), args.write("y"));
    y.par_chunks_mut(2 * p.waves as usize).zip(t).for_each(|(y, t)| {
        for (k, y) in y.chunks_mut(2).enumerate() {
            let (sin, cos) = (PI * f64::from(1u32 << k) * t.wide()).sin_cos();
            round_all(y, &[cos, sin]);
        }
    });
}
