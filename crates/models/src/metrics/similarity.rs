//! Similarity of pairs of images: the mean squared error, the same in decibels, and the structural similarity.
//!
//! A list of images is n · h · w · c numbers, channels last, from black, 0, to white, 1. Both lists have the same
//! length, and each function returns n numbers, whose mean papers report.

use rayon::prelude::*;

/// The widest window of structural similarity, and the standard deviation of its weights, in pixels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// K₁ and K₂ of Wang and others, squared: their constants for values from 0 to 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The mean squared error between each image [h, w, c] of one list and that of the other. NaN if a number is NaN.
///
/// # Panics
/// When the lists' lengths differ or are not a multiple of an image's, or an image is empty.
pub fn mse(a: &[f32], b: &[f32], image: [usize; 3]) -> Vec<f64> {
    each(a, b, image, |a, b| {
        let squares = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2));
        squares.sum::<f64>() / a.len() as f64
    })
}

/// The peak signal-to-noise ratio of each image in dB, −10 log₁₀ of its mean squared error: the peak is 1. Infinite for
/// equal images, and so is the mean of a list with such a pair. NaN if a number is NaN.
///
/// # Panics
/// As [`mse`].
pub fn psnr(a: &[f32], b: &[f32], image: [usize; 3]) -> Vec<f64> {
    mse(a, b, image).into_iter().map(|error| -10.0 * error.log10()).collect()
}

/// The structural similarity of each image [h, w, c]: at most 1, the value for equal images. NaN if a number is NaN.
///
/// Wang, Bovik, Sheikh and Simoncelli, *Image quality assessment: from error visibility to structural similarity*,
/// 2004, equation 13: means, variances and covariance under a normal window of 11 × 11 pixels and deviation 1.5, over
/// all its positions inside the image, for each channel; then the mean. An image with a side of fewer than 11 pixels
/// has a square window of the largest odd size that fits.
///
/// It is scikit-image's `structural_similarity` with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
/// data_range=1`.
///
/// # Panics
/// As [`mse`].
pub fn ssim(a: &[f32], b: &[f32], image: [usize; 3]) -> Vec<f64> {
    let [height, width, channels] = image;
    let window = window(height.min(width));
    each(a, b, image, |a, b| {
        let plane = |image: &[f32], channel| -> Vec<f64> {
            image[channel..].iter().step_by(channels).map(|&x| x.into()).collect()
        };
        let of = |channel| plane_ssim(&plane(a, channel), &plane(b, channel), width, &window);
        (0..channels).map(of).sum::<f64>() / channels as f64
    })
}

/// A number for each pair of images.
fn each(a: &[f32], b: &[f32], image: [usize; 3], measure: impl Fn(&[f32], &[f32]) -> f64 + Sync) -> Vec<f64> {
    let size: usize = image.iter().product();
    let whole = size > 0 && a.len().is_multiple_of(size) && a.len() == b.len();
    assert!(whole, "{} and {} numbers in images of {image:?}", a.len(), b.len());
    a.par_chunks_exact(size).zip(b.par_chunks_exact(size)).map(|(a, b)| measure(a, b)).collect()
}

/// The weights of a window along one side, of sum 1, for an image whose shorter side is given.
fn window(side: usize) -> Vec<f64> {
    let reach = (side.min(WINDOW).saturating_sub(1) / 2) as i32;
    let weights: Vec<f64> = (-reach..=reach).map(|x| (-0.5 * (f64::from(x) / SIGMA).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The mean structural similarity of two planes [h, w].
fn plane_ssim(x: &[f64], y: &[f64], width: usize, window: &[f64]) -> f64 {
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<f64>>();
    let mean = |plane: &[f64]| weighted(plane, width, window);
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (square_x, square_y, cross) = (mean(&product(x, x)), mean(&product(y, y)), mean(&product(x, y)));
    let at = |i: usize| {
        let (mx, my) = (mean_x[i], mean_y[i]);
        let (variance_x, variance_y) = (square_x[i] - mx * mx, square_y[i] - my * my);
        let covariance = cross[i] - mx * my;
        (2.0 * mx * my + C1) * (2.0 * covariance + C2) / ((mx * mx + my * my + C1) * (variance_x + variance_y + C2))
    };
    (0..mean_x.len()).map(at).sum::<f64>() / mean_x.len() as f64
}

/// Weighted means of a plane [h, w] at all positions of the window inside it: [h − k + 1, w − k + 1] of a window
/// of k × k, whose weights are products of those of its row and its column.
fn weighted(plane: &[f64], width: usize, window: &[f64]) -> Vec<f64> {
    let inner = width + 1 - window.len();
    let mut rows = Vec::with_capacity(plane.len());
    for row in plane.chunks_exact(width) {
        rows.extend(row.windows(window.len()).map(|x| x.iter().zip(window).map(|(x, w)| x * w).sum::<f64>()));
    }
    let places = rows.len() - (window.len() - 1) * inner;
    (0..places).map(|i| window.iter().enumerate().map(|(k, w)| rows[i + k * inner] * w).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value}, not {expected}");
    }

    /// An irregular image [13, 12, 2], in eighths.
    fn image() -> Vec<f32> {
        (0..13 * 12 * 2).map(|i| ((i * i + 3 * i) % 9) as f32 / 8.0).collect()
    }

    #[test]
    fn errors_are_means_over_an_image() {
        let (a, b) = ([0.0, 1.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.0]);
        assert_eq!(mse(&a, &b, [1, 2, 1]), [0.25, 0.125]);
        assert_eq!(mse(&a, &b, [2, 1, 2]), [0.1875]);
        assert_eq!(mse(&[], &[], [2, 2, 1]), []);
    }

    #[test]
    fn a_hundredth_is_twenty_decibels() {
        near(psnr(&[1.0, 0.0], &[0.5, 0.5], [1, 2, 1])[0], 10.0 * 4.0_f64.log10());
        assert!((psnr(&[0.1], &[0.0], [1, 1, 1])[0] - 20.0).abs() < 1e-6, "0.1 is rounded to f32");
        assert_eq!(psnr(&[0.3], &[0.3], [1, 1, 1]), [f64::INFINITY]);
    }

    #[test]
    fn an_image_is_all_like_itself() {
        assert_eq!(ssim(&image(), &image(), [13, 12, 2]), [1.0]);
    }

    /// Flat images have no variance: only the first factor, the similarity of the means, remains.
    #[test]
    fn flat_images_differ_by_their_means() {
        let (a, b) = (vec![0.25; 12 * 12], vec![0.75; 12 * 12]);
        near(ssim(&a, &b, [12, 12, 1])[0], (2.0 * 0.25 * 0.75 + C1) / (0.0625 + 0.5625 + C1));
    }

    /// A window of one pixel, the largest for a side of two.
    #[test]
    fn small_images_have_small_windows() {
        let factor = |x: f64, y: f64| (2.0 * x * y + C1) / (x * x + y * y + C1);
        near(ssim(&[0.5, 1.0], &[1.0, 1.0], [1, 2, 1])[0], (factor(0.5, 1.0) + 1.0) / 2.0);
        let sizes = [1, 2, 3, 4, 10, 11, 12, 40].map(|side| window(side).len());
        assert_eq!(sizes, [1, 1, 3, 3, 9, 11, 11, 11]);
    }

    /// A window of three with the weights a, 1 − 2a, a on an image [3, 3] that is white in one corner.
    #[test]
    fn a_window_weighs_rows_and_columns() {
        let window = window(3);
        near(window.iter().sum(), 1.0);
        near(window[0] / window[1], (-0.5 / 2.25_f64).exp());
        let mut corner = vec![0.0; 9];
        corner[2] = 1.0;
        near(weighted(&corner, 3, &window)[0], window[0] * window[0]);
        let plane: Vec<f64> = (0..20).map(f64::from).collect();
        let means = weighted(&plane, 5, &window);
        assert_eq!(means.len(), 2 * 3);
        // A plane that rises evenly has its middle for a mean.
        means.iter().zip([6.0, 7.0, 8.0, 11.0, 12.0, 13.0]).for_each(|(&mean, middle)| near(mean, middle));
    }

    #[test]
    fn images_and_channels_are_independent() {
        let (a, b) = (image(), image().into_iter().rev().collect::<Vec<f32>>());
        let both = ssim(&[&a[..], &b].concat(), &[&b[..], &b].concat(), [13, 12, 2]);
        assert_eq!(both, [ssim(&a, &b, [13, 12, 2])[0], 1.0]);
        let channel = |image: &[f32], channel: usize| image[channel..].iter().step_by(2).copied().collect::<Vec<f32>>();
        let single = |c| ssim(&channel(&a, c), &channel(&b, c), [13, 12, 1])[0];
        near(both[0], (single(0) + single(1)) / 2.0);
    }

    #[test]
    fn nan_stays_in_its_image() {
        let (a, b) = ([f32::NAN, 0.5], [0.5, 0.5]);
        for measure in [mse, psnr, ssim] {
            let found = measure(&a, &b, [1, 1, 1]);
            assert!(found[0].is_nan() && !found[1].is_nan(), "{found:?}");
        }
    }

    #[test]
    #[should_panic(expected = "4 and 2 numbers")]
    fn lists_are_equally_long() {
        mse(&[0.0; 4], &[0.0; 2], [1, 2, 1]);
    }
}
