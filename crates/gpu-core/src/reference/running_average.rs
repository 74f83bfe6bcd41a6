//! Running averages.

use crate::ops::running_average::RunningAverageParams;
use crate::reference::{BLOCK, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// average ← average + share (x − average), where share = max(1 − decay, 9 / (10 + t)) in step t
pub fn running_average<E: Element>(args: &mut Args<'_, E>) {
    let p: RunningAverageParams = args.params();
    let step = f64::from(args.read_u32("clock")[0]);
    let share = E::of(f64::from(p.one_minus_decay).max(9.0 / (10.0 + step)));
    let (average, x) = (args.write("average"), args.read("x"));
    average.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(average, x)| {
        vectorised(|| average.iter_mut().zip(x).for_each(|(average, &x)| *average += share * (x - *average)));
    });
}
