//! Points in the plane, drawn from a named density.

use crate::ops::density::{Density, DensityParams};
use crate::random::{philox, unit};
use crate::reference::round_all;
use crate::{Args, Element};
use rayon::prelude::*;
use std::f64::consts::{PI, TAU};

/// y = (shape + σ z − centre) · scale, of the words of philox((order, stream, step, 0), key)
pub fn density<E: Element>(args: &mut Args<'_, E>) {
    let p: DensityParams = args.params();
    let (order, step, y) = (args.read_u32("order"), args.read_u32("clock")[0], args.write("y"));
    y.par_chunks_mut(2).zip(order).for_each(|(y, &number)| round_all(y, &point(&p, [number, p.stream, step, 0])));
}

/// The point of one counter.
pub(crate) fn point(p: &DensityParams, counter: [u32; 4]) -> [f64; 2] {
    let words @ [radius, angle, ..] = philox(counter, [p.key0, p.key1]);
    let radius = (-2.0 * unit(radius).ln()).sqrt();
    let (sin, cos) = (TAU * unit(angle)).sin_cos();
    let [x, y] = shape(p.kind, words);
    let (sigma, [cx, cy, sx, sy]) = (f64::from(p.sigma), [p.centre_x, p.centre_y, p.scale_x, p.scale_y].map(f64::from));
    [(x + sigma * radius * cos - cx) * sx, (y + sigma * radius * sin - cy) * sy]
}

/// A mode, a point of a curve, or a point of a square.
fn shape(kind: u32, [.., a, b]: [u32; 4]) -> [f64; 2] {
    let turned = |turns: f64| {
        let (sin, cos) = (TAU * turns).sin_cos();
        [cos, sin]
    };
    match Density::decode(kind) {
        Some(Density::EightGaussians) => turned(f64::from(a >> 29) / 8.0).map(|x| 2.0 * x),
        Some(Density::TwentyFiveGaussians) => {
            let mode = ((u64::from(a) * 25) >> 32) as u32;
            [mode / 5, mode % 5].map(|k| 2.0 * f64::from(k) - 4.0)
        }
        // A circle whose lower half is moved.
        Some(Density::Moons) => {
            let [x, y] = turned(unit(a));
            if a >> 31 == 0 { [x, y] } else { [x + 1.0, y + 0.5] }
        }
        Some(Density::SwissRoll) => {
            let turns = 0.75 + 1.5 * unit(a);
            turned(turns).map(|x| 2.0 * PI * turns * x)
        }
        // The place in the square is in the high bits of the words, the square in the low ones of the first.
        Some(Density::Checkerboard) => {
            let column = (a & 7) >> 1;
            let row = 2 * (a & 1) + (column & 1);
            [f64::from(column) - 2.0 + unit(a), f64::from(row) - 2.0 + unit(b)]
        }
        None => [f64::NAN; 2],
    }
}
