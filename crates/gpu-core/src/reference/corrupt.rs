//! Corruptions of images.

use crate::ops::corrupt::{BlurParams, DownParams, JpegParams, MaskedParams, NoiseParams, SquareParams};
use crate::{Args, Element};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::sync::LazyLock;

/// y = clamp(x + sigma · draws, low, high)
pub fn corrupt_noise<E: Element>(args: &mut Args<'_, E>) {
    let p: NoiseParams = args.params();
    let (x, draws, y) = (args.read("x"), args.read("draws"), args.write("y"));
    let [sigma, low, high] = [p.sigma, p.low, p.high].map(|number| E::of(number));
    y.par_iter_mut().zip(x).zip(draws).for_each(|((y, &x), &draw)| *y = (x + sigma * draw).max(low).min(high));
}

/// 1 in a square of side × side pixels, 0 elsewhere; its first row is that of (h − side + 1) by the first draw, its
/// first column that of (w − side + 1) by the second
pub fn corrupt_square<E: Element>(args: &mut Args<'_, E>) {
    let p: SquareParams = args.params();
    let (places, square) = (args.read("places"), args.write("square"));
    let integer = |draw: E, count: u32| (((draw.wide() * 8_388_608.0) as u32 >> 7) * count) >> 16;
    let (h, w, side) = (p.h as usize, p.w as usize, p.side as usize);
    square.par_chunks_mut(h * w).zip(places.par_chunks(2)).for_each(|(square, place)| {
        square.fill(E::zero());
        let [top, left] = [integer(place[0], p.h - p.side + 1), integer(place[1], p.w - p.side + 1)];
        for row in square.chunks_mut(w).skip(top as usize).take(side) {
            row[left as usize..][..side].fill(E::one());
        }
    });
}

/// y = x and low where mask ≤ ½; (low + high) / 2 in every channel and high where it is more
pub fn corrupt_masked<E: Element>(args: &mut Args<'_, E>) {
    let p: MaskedParams = args.params();
    let (x, mask, y) = (args.read("x"), args.read("mask"), args.write("y"));
    let (c, low, high) = (p.c as usize, E::of(p.low), E::of(p.high));
    let middle = E::of(0.5) * (low + high);
    y.par_chunks_mut(c + 1).zip(x.par_chunks(c)).zip(mask).for_each(|((y, x), &mask)| {
        if mask > E::of(0.5) {
            y.fill(middle);
            y[c] = high;
        } else {
            y[..c].copy_from_slice(x);
            y[c] = low;
        }
    });
}

/// 0.299 r + 0.587 g + 0.114 b in every channel
pub fn corrupt_gray<E: Element>(args: &mut Args<'_, E>) {
    let (x, shown) = (args.read("x"), args.write("shown"));
    shown.par_chunks_mut(3).zip(x.par_chunks(3)).for_each(|(shown, x)| {
        shown.fill(E::of(luminance([x[0], x[1], x[2]].map(E::wide))));
    });
}

fn luminance([r, g, b]: [f64; 3]) -> f64 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Every pixel ← the mean of its block of k × k pixels, or of those that a block at the edge has
pub fn corrupt_down<E: Element>(args: &mut Args<'_, E>) {
    let p: DownParams = args.params();
    let (x, shown) = (args.read("x"), args.write("shown"));
    let (h, w, c, k) = (p.h as usize, p.w as usize, p.c as usize, p.k as usize);
    shown.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c)).for_each(|(shown, x)| {
        for (top, left) in (0..h).step_by(k).flat_map(|top| (0..w).step_by(k).map(move |left| (top, left))) {
            let (rows, columns) = (top..h.min(top + k), left..w.min(left + k));
            let pixels = || rows.clone().flat_map(|row| columns.clone().map(move |column| (row * w + column) * c));
            for channel in 0..c {
                let sum: f64 = pixels().map(|pixel| x[pixel + channel].wide()).sum();
                let mean = E::of(sum / pixels().count() as f64);
                pixels().for_each(|pixel| shown[pixel + channel] = mean);
            }
        }
    });
}

/// Along one axis, Σ e^(−½ d² / σ²) x[at + d] / Σ e^(−½ d² / σ²) over |d| ≤ radius, with the edges repeated
pub fn corrupt_blur<E: Element>(args: &mut Args<'_, E>) {
    let p: BlurParams = args.params();
    let (x, shown) = (args.read("x"), args.write("shown"));
    let (size, stride, radius) = (p.size as usize, p.stride as usize, p.radius as usize);
    let weight = |d: usize| (-0.5 * (d as f64 / f64::from(p.sigma)).powi(2)).exp();
    let weights: Vec<f64> = (0..=2 * radius).map(|at| weight(at.abs_diff(radius))).collect();
    let total: f64 = weights.iter().sum();
    shown.par_iter_mut().enumerate().for_each(|(i, shown)| {
        let at = i / stride % size;
        let neighbour = |d: usize| x[i - at * stride + (at + d).saturating_sub(radius).min(size - 1) * stride].wide();
        let sum: f64 = weights.iter().enumerate().map(|(d, weight)| weight * neighbour(d)).sum();
        *shown = E::of(sum / total);
    });
}

/// Numbers of 8 × 8 pixels or coefficients, row by row.
pub type Plane = [f64; 64];

/// The divisors of luminance at quality 50 (ITU-T T.81, table K.1).
const LUMINANCE: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, // row 0
    12, 12, 14, 19, 26, 58, 60, 55, //
    14, 13, 16, 24, 40, 57, 69, 56, //
    14, 17, 22, 29, 51, 87, 80, 62, //
    18, 22, 37, 56, 68, 109, 103, 77, //
    24, 35, 55, 64, 81, 104, 113, 92, //
    49, 64, 78, 87, 103, 121, 120, 101, //
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// Those of colour (table K.2).
const COLOUR: [u32; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, // row 0
    18, 21, 26, 66, 99, 99, 99, 99, //
    24, 26, 56, 99, 99, 99, 99, 99, //
    47, 66, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// The divisors of a plane at a quality, scaled as by the Independent JPEG Group's library.
pub fn divisors(colour: bool, quality: u32) -> Plane {
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let table = if colour { COLOUR } else { LUMINANCE };
    table.map(|entry| f64::from(((entry * percent + 50) / 100).clamp(1, 255)))
}

/// a(u) cos((2x + 1) u π / 16) at 8 u + x, with a(0) = √⅛ and else ½.
static BASIS: LazyLock<Plane> = LazyLock::new(|| {
    let scale = |u: usize| if u == 0 { 0.125f64.sqrt() } else { 0.5 };
    std::array::from_fn(|at| scale(at / 8) * (((2 * (at % 8) + 1) * (at / 8)) as f64 * PI / 16.0).cos())
});

/// The orthonormal cosine transform in two dimensions, Σ a(v) cos((2i + 1) v π / 16) a(u) cos((2j + 1) u π / 16)
/// x[i, j] at 8 v + u, or its inverse.
fn cosine_transform(plane: &Plane, inverse: bool) -> Plane {
    let basis = &*BASIS;
    let along = |plane: &Plane| -> Plane {
        let entry = |i: usize, k: usize| if inverse { basis[8 * k + i] } else { basis[8 * i + k] };
        // Transposed, so that twice is the whole transform.
        std::array::from_fn(|at| (0..8).map(|k| entry(at % 8, k) * plane[k * 8 + at / 8]).sum())
    };
    along(&along(plane))
}

/// The planes of the block at a row and a column of an image, edges repeated: grey levels less 128, or Y less 128, Cb
/// and Cr.
pub fn planes<E: Element>(p: &JpegParams, x: &[E], top: usize, left: usize) -> Vec<Plane> {
    let (h, w, c) = (p.h as usize, p.w as usize, p.c as usize);
    let numbers = |at: usize| {
        let pixel = (top + at / 8).min(h - 1) * w + (left + at % 8).min(w - 1);
        let level = |channel: usize| (x[pixel * c + channel].wide() - f64::from(p.low)) * f64::from(p.scale);
        if c == 1 {
            return [level(0) - 128.0, 0.0, 0.0];
        }
        let [r, g, b] = [0, 1, 2].map(level);
        let bright = luminance([r, g, b]);
        [bright - 128.0, (b - bright) / 1.772, (r - bright) / 1.402]
    };
    (0..c).map(|plane| std::array::from_fn(|at| numbers(at)[plane])).collect()
}

/// The coefficients of a plane over their divisors, which JPEG rounds.
pub fn ratios(plane: &Plane, divisors: &Plane) -> Plane {
    let coefficients = cosine_transform(plane, false);
    std::array::from_fn(|at| coefficients[at] / divisors[at])
}

/// JPEG's loss: in blocks of 8 × 8 pixels, the coefficients of each plane rounded to multiples of their divisors, ties
/// to even; then clamped to the range
pub fn corrupt_jpeg<E: Element>(args: &mut Args<'_, E>) {
    let p: JpegParams = args.params();
    let (x, shown) = (args.read("x"), args.write("shown"));
    let (h, w, c) = (p.h as usize, p.w as usize, p.c as usize);
    let (low, high, scale) = (f64::from(p.low), f64::from(p.high), f64::from(p.scale));
    let tables = [false, true].map(|colour| divisors(colour, p.quality));
    shown.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c)).for_each(|(shown, x)| {
        for (top, left) in (0..h).step_by(8).flat_map(|top| (0..w).step_by(8).map(move |left| (top, left))) {
            let mut restored = planes(&p, x, top, left);
            for (index, plane) in restored.iter_mut().enumerate() {
                let table = &tables[usize::from(index > 0)];
                let ratios = ratios(plane, table);
                *plane = cosine_transform(&std::array::from_fn(|at| ratios[at].round_ties_even() * table[at]), true);
            }
            for (row, column) in (top..h.min(top + 8)).flat_map(|row| (left..w.min(left + 8)).map(move |at| (row, at)))
            {
                let at = (row - top) * 8 + column - left;
                let level = restored[0][at] + 128.0;
                let mut levels = [level; 3];
                if c == 3 {
                    levels[0] = level + 1.402 * restored[2][at];
                    levels[2] = level + 1.772 * restored[1][at];
                    levels[1] = (level - 0.299 * levels[0] - 0.114 * levels[2]) / 0.587;
                }
                let numbers = &mut shown[(row * w + column) * c..][..c];
                numbers.iter_mut().zip(levels).for_each(|(y, v)| *y = E::of((low + v / scale).max(low).min(high)));
            }
        }
    });
}
