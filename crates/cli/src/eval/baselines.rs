//! Results without a model, which a translation or a restoration must surpass: the nearest training image, the mean
//! image, and the usual filter of a corruption.

use crate::eval::plane::Plane;
use models::Corruption;
use rayon::prelude::*;

/// For each image of `values`, the training image that is nearest to it by its pixels.
///
/// # Panics
/// If there are no training images.
pub(super) fn nearest(values: &[f32], training: &Plane) -> Vec<f32> {
    let pixels: usize = training.size.iter().product();
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let found = values.par_chunks_exact(pixels).flat_map_iter(|image| {
        let images = training.values.chunks_exact(pixels);
        let nearest = images.min_by(|a, b| distance(a, image).total_cmp(&distance(b, image)));
        nearest.expect("there are training images").iter().copied()
    });
    found.collect()
}

/// The mean of all training images, `count` times.
pub(super) fn mean_image(training: &Plane, count: usize) -> Vec<f32> {
    let pixels: usize = training.size.iter().product();
    let mut sums = vec![0.0f64; pixels];
    let images = training.values.chunks_exact(pixels);
    let of = images.len() as f64;
    images.for_each(|image| sums.iter_mut().zip(image).for_each(|(sum, &x)| *sum += f64::from(x)));
    let mean: Vec<f32> = sums.into_iter().map(|sum| (sum / of) as f32).collect();
    mean.repeat(count)
}

/// Corrupted images [n, h, w, c or c + 1] after the usual filter, with its name: a median of 3×3 pixels against noise,
/// linear interpolation of fewer pixels, the mean of known neighbours for unknown ones. `None` for a corruption without
/// a filter.
pub(super) fn filtered(input: &Plane, size: [usize; 3], corruption: Corruption) -> Option<(&'static str, Vec<f32>)> {
    let pixels: usize = input.size.iter().product();
    let each = |filter: &(dyn Fn(&[f32]) -> Vec<f32> + Sync)| -> Vec<f32> {
        input.values.par_chunks_exact(pixels).flat_map_iter(filter).collect()
    };
    match corruption {
        Corruption::Noise(_) => Some(("median", each(&|image| median(image, size)))),
        Corruption::Down(factor) => Some(("bilinear", each(&|image| bilinear(image, size, factor)))),
        Corruption::Mask(_) => Some(("neighbours", each(&|image| filled(image, size)))),
        Corruption::Gray | Corruption::Blur(_) | Corruption::Jpeg(_) => None,
    }
}

/// The median of the 3×3 pixels around each, in each channel; the edge is repeated.
fn median(image: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    let at =
        |y: usize, x: usize, channel: usize| image[(y.clamp(1, h) - 1) * w * c + (x.clamp(1, w) - 1) * c + channel];
    let mut out = Vec::with_capacity(image.len());
    for (y, x, channel) in places([h, w, c]) {
        let mut window = [0.0; 9];
        for (i, value) in window.iter_mut().enumerate() {
            *value = at(y + i / 3, x + i % 3, channel);
        }
        window.sort_by(f32::total_cmp);
        out.push(window[4]);
    }
    out
}

/// Blocks of factor × factor pixels of one value each, as centres that are interpolated linearly.
fn bilinear(image: &[f32], [h, w, c]: [usize; 3], factor: usize) -> Vec<f32> {
    let blocks = [h.div_ceil(factor), w.div_ceil(factor)];
    let value = |y: usize, x: usize, channel: usize| {
        let (y, x) = (y.min(blocks[0] - 1) * factor, x.min(blocks[1] - 1) * factor);
        image[(y * w + x) * c + channel]
    };
    // Of a pixel, the block before its centre and the share of the next one.
    let place = |pixel: usize| {
        let at = ((pixel as f32 + 0.5) / factor as f32 - 0.5).max(0.0);
        (at as usize, at.fract())
    };
    let of = |(y, x, channel)| {
        let ((top, down), (left, right)) = (place(y), place(x));
        let row = |y| value(y, left, channel) * (1.0 - right) + value(y, left + 1, channel) * right;
        row(top) * (1.0 - down) + row(top + 1) * down
    };
    places([h, w, c]).map(of).collect()
}

/// The bytes of an image [h, w, c] with unknown pixels filled likewise.
pub(super) fn filled_bytes(image: &[u8], [h, w, c]: [usize; 3], unknown: &[bool]) -> Vec<u8> {
    let marked = image.chunks_exact(c).zip(unknown).flat_map(|(pixel, &unknown)| {
        let shares = pixel.iter().map(|&byte| f32::from(byte) / 255.0);
        shares.chain([f32::from(u8::from(unknown))])
    });
    let values = filled(&marked.collect::<Vec<f32>>(), [h, w, c]);
    values.into_iter().map(|x| (x * 255.0).round() as u8).collect()
}

/// Unknown pixels, which the last of c + 1 channels marks, filled from the outside in by the mean of their known
/// neighbours.
fn filled(image: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    let mut known: Vec<bool> = image.chunks_exact(c + 1).map(|pixel| pixel[c] < 0.5).collect();
    let mut out: Vec<f32> = image.chunks_exact(c + 1).flat_map(|pixel| &pixel[..c]).copied().collect();
    while known.contains(&false) && known.contains(&true) {
        let before = known.clone();
        let values = out.clone();
        for at in (0..h * w).filter(|&at| !before[at]) {
            let (y, x) = (at / w, at % w);
            let rows = y.saturating_sub(1)..=(y + 1).min(h - 1);
            let around = rows.flat_map(|y| (x.saturating_sub(1)..=(x + 1).min(w - 1)).map(move |x| y * w + x));
            let around: Vec<usize> = around.filter(|&other| before[other]).collect();
            if around.is_empty() {
                continue;
            }
            for channel in 0..c {
                let sum: f32 = around.iter().map(|other| values[other * c + channel]).sum();
                out[at * c + channel] = sum / around.len() as f32;
            }
            known[at] = true;
        }
    }
    out
}

/// Row, column and channel of each number of an image.
fn places([h, w, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..h * w * c).map(move |i| (i / (w * c), i / c % w, i % c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(values: &[f32], size: [usize; 3]) -> Plane {
        Plane { values: values.to_vec(), size }
    }

    #[test]
    fn the_nearest_and_the_mean_image() {
        let training = plane(&[0.0, 0.0, 1.0, 1.0, 0.5, 0.0], [1, 2, 1]);
        assert_eq!(nearest(&[0.9, 0.8, 0.1, 0.1], &training), [1.0, 1.0, 0.0, 0.0]);
        let mean = mean_image(&training, 2);
        assert_eq!(mean.len(), 4);
        assert!((mean[0] - 0.5).abs() < 1e-6 && (mean[3] - 1.0 / 3.0).abs() < 1e-6, "{mean:?}");
    }

    #[test]
    fn a_median_removes_a_speck() {
        let mut image = vec![0.25; 25];
        image[12] = 1.0;
        let input = plane(&image, [5, 5, 1]);
        let (name, values) = filtered(&input, [5, 5, 1], Corruption::Noise(0.1)).unwrap();
        assert_eq!((name, values), ("median", vec![0.25; 25]));
    }

    #[test]
    fn blocks_are_interpolated_between_their_centres() {
        let image = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        let (name, values) = filtered(&plane(&image, [2, 4, 1]), [2, 4, 1], Corruption::Down(2)).unwrap();
        assert_eq!((name, values), ("bilinear", [0.0, 0.25, 0.75, 1.0].repeat(2)));
    }

    #[test]
    fn unknown_pixels_have_the_mean_of_their_neighbours() {
        // A line of five pixels, three of them unknown: the middle one is filled last.
        let image = [0.0, 0.0, 0.5, 1.0, 0.5, 1.0, 0.5, 1.0, 1.0, 0.0];
        let (_, values) = filtered(&plane(&image, [1, 5, 2]), [1, 5, 1], Corruption::Mask(3)).unwrap();
        assert_eq!(values, [0.0, 0.0, 0.5, 1.0, 1.0]);
        assert!(filtered(&plane(&image, [1, 5, 2]), [1, 5, 1], Corruption::Gray).is_none());
    }
}
