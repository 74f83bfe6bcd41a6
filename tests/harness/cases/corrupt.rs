//! Each corruption of grey and of coloured images, smaller and larger than its window, block or square, with blocks
//! at the edge; every kernel also on a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::corrupt::{Corruption, Draws, JpegParams, forward, masked};
use gpu_core::reference::corrupt::{divisors, planes, ratios};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const CENTRED: [f32; 2] = [-1.0, 1.0];
const UNIT: [f32; 2] = [0.0, 1.0];

pub(crate) fn cases() -> Vec<Case> {
    use Corruption::{Blur, Down, Gray, Mask, Noise};
    let sizes = [[1, 1, 1, 1], [3, 8, 8, 3], [5, 7, 13, 1], [2, 17, 9, 2]];
    let mut cases = Vec::new();
    for size in sizes {
        for corruption in [Noise(0.2), Mask(1), Down(2), Down(5), Blur(0.5), Blur(1.5), Blur(4.0)] {
            cases.push(drawn(size, corruption, CENTRED));
        }
        cases.push(given(size, UNIT));
    }
    cases.extend([drawn([3, 8, 8, 3], Mask(8), UNIT), drawn([4, 7, 13, 3], Mask(5), UNIT)]);
    cases.extend([[1, 1, 1, 3], [5, 7, 13, 3]].map(|size| drawn(size, Gray, CENTRED)));
    for quality in [1, 20, 50, 75, 95, 100] {
        cases.extend(
            [[1, 1, 1, 1], [2, 8, 8, 3], [1, 13, 9, 3], [2, 7, 17, 1]].map(|size| jpeg(size, quality, CENTRED)),
        );
    }
    cases.push(jpeg([1, 16, 16, 3], 10, UNIT));
    cases.push(clamped());
    let long = [2, MAX_GROUPS as usize / 2 + 3, 65, 1];
    cases.extend([Noise(0.5), Mask(20), Down(3), Blur(0.6)].map(|corruption| drawn(long, corruption, CENTRED)));
    cases.push(drawn([2, MAX_GROUPS as usize / 2 + 3, 22, 3], Gray, UNIT));
    cases.push(given(long, UNIT));
    cases.push(many_blocks());
    cases
}

/// One of the corruptions with uniform images and the random numbers that it needs.
fn drawn([n, h, w, c]: [usize; 4], corruption: Corruption, range: [f32; 2]) -> Case {
    let mut case = Case::new(format!("{corruption} of {:?} in {range:?}", [n, h, w, c]));
    case.sums_of(match corruption {
        Corruption::Down(k) => k * k,
        Corruption::Blur(sigma) => 6 * sigma as usize + 3,
        _ => 3,
    });
    let x = case.input([n, h, w, c], Fill::Uniform(range[0].into(), range[1].into()));
    let draws = match corruption.draws([h, w, c]) {
        Draws::None => None,
        // Uniform with a variance of one, for as simple an input.
        Draws::Normal(count) => Some(case.input([n, count], Fill::Uniform(-1.7, 1.7))),
        Draws::Uniform(count) => Some(case.input([n, count], Fill::Uniform(0.0, 1.0))),
    };
    forward(&mut case.schedule, "corrupt", x, draws, corruption, range);
    case
}

/// A mask that is given.
fn given([n, h, w, c]: [usize; 4], range: [f32; 2]) -> Case {
    let mut case = Case::new(format!("a given mask of {:?} in {range:?}", [n, h, w, c]));
    let x = case.input([n, h, w, c], Fill::Uniform(range[0].into(), range[1].into()));
    let mask = case.input([n, h, w, 1], Fill::Numbers((0..n * h * w).map(|i| f64::from(i % 5 % 2 == 0)).collect()));
    masked(&mut case.schedule, "masked", x, mask, range);
    case
}

/// JPEG of images of which no coefficient is near a rounding tie.
fn jpeg([n, h, w, c]: [usize; 4], quality: u32, range: [f32; 2]) -> Case {
    let mut case = Case::new(format!("jpeg:{quality} of {:?} in {range:?}", [n, h, w, c]));
    // Two sums of eight numbers, each the transform of one.
    case.sums_of(64);
    let x = case.input([n, h, w, c], Fill::Numbers(far_from_ties([n, h, w, c], quality, range)));
    forward(&mut case.schedule, "jpeg", x, None, Corruption::Jpeg(quality), range);
    case
}

/// The largest error of a coefficient over its divisor, in f32: products of numbers up to 1024 with divisors from 1 on.
const MARGIN: f64 = 1e-3;

/// Uniform images that f32 and f64 round alike: each block is drawn again until no coefficient is within [`MARGIN`] of
/// a tie. Coefficients near 0 are not near one.
fn far_from_ties([n, h, w, c]: [usize; 4], quality: u32, [low, high]: [f32; 2]) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(quality.into());
    let scale = 255.0 / (high - low);
    let p = JpegParams { blocks: 1, h: h as u32, w: w as u32, c: c as u32, quality, scale, low, high };
    let tables = [false, true].map(|colour| divisors(colour, quality));
    let mut images = vec![0.0; n * h * w * c];
    for image in images.chunks_mut(h * w * c) {
        for (top, left) in (0..h).step_by(8).flat_map(|top| (0..w).step_by(8).map(move |left| (top, left))) {
            loop {
                for row in top..h.min(top + 8) {
                    let numbers = &mut image[(row * w + left) * c..(row * w + w.min(left + 8)) * c];
                    numbers.fill_with(|| f64::from(rng.random_range(low..high)));
                }
                let tie = |ratio: &f64| (ratio.abs().fract() - 0.5).abs() < MARGIN;
                let tied = |(index, plane)| ratios(plane, &tables[usize::from(index > 0)]).iter().any(tie);
                if !planes(&p, image, top, left).iter().enumerate().any(tied) {
                    break;
                }
            }
        }
    }
    images
}

/// Restored numbers beyond the range: a checkerboard of black and white at a low quality.
fn clamped() -> Case {
    let mut case = Case::new("jpeg:5 of black and white");
    case.sums_of(64);
    let numbers = (0..16 * 16).map(|i| if (i / 16 / 3 + i % 16 / 3) % 2 == 0 { -1.0 } else { 1.0 }).collect();
    let x = case.input([1, 16, 16, 1], Fill::Numbers(numbers));
    forward(&mut case.schedule, "jpeg", x, None, Corruption::Jpeg(5), CENTRED);
    case
}

/// More blocks than groups along one axis: images of one pixel, whose only coefficient is 8 (level − 128) / 16, a
/// quarter off the whole numbers.
fn many_blocks() -> Case {
    let n = MAX_GROUPS as usize + 4;
    let mut case = Case::new(format!("folded grid, jpeg:50 of {n} pixels"));
    case.sums_of(64);
    let level = |i: usize| (2 * (i % 127)) as f64 + 0.5;
    let x = case.input([n, 1, 1, 1], Fill::Numbers((0..n).map(|i| level(i) / 255.0).collect()));
    forward(&mut case.schedule, "jpeg", x, None, Corruption::Jpeg(50), UNIT);
    case
}
