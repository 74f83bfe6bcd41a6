//! The mean distance of images, which is zero for a generator that has collapsed to one image.

use super::{Features, squared_distance};

/// The mean Euclidean distance over all pairs of images of `width` numbers, divided by √`width`: the root mean squared
/// difference of two images, in the unit of the pixels. `None` for fewer than two images; NaN if a number is NaN. The
/// time is n² · width.
///
/// # Panics
/// When `width` is zero or does not divide the count of numbers.
pub fn pairwise_distance(images: &[f32], width: usize) -> Option<f64> {
    let images = Features::from_f32(images, width);
    let n = images.rows();
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let distances = pairs.map(|(i, j)| (squared_distance(images.row(i), images.row(j)) / width as f64).sqrt());
    let count = n * n.saturating_sub(1) / 2;
    (count > 0).then(|| distances.sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_again_and_again_has_none() {
        assert_eq!(pairwise_distance(&[0.25, 0.75].repeat(9), 2), Some(0.0));
    }

    /// Images (0, 0), (3, 4), (0, 0): distances 5, 0 and 5, over √2.
    #[test]
    fn three_images_by_hand() {
        let found = pairwise_distance(&[0.0, 0.0, 3.0, 4.0, 0.0, 0.0], 2).expect("three images");
        assert!((found - 10.0 / 3.0 / 2.0_f64.sqrt()).abs() < 1e-15, "{found}");
    }

    /// Black and white images have distance 1 at any size.
    #[test]
    fn size_does_not_count() {
        for width in [1, 9, 100] {
            assert_eq!(pairwise_distance(&[vec![0.0; width], vec![1.0; width]].concat(), width), Some(1.0));
        }
    }

    #[test]
    fn it_takes_two_images() {
        assert_eq!(pairwise_distance(&[0.5; 3], 3), None);
        assert_eq!(pairwise_distance(&[], 3), None);
    }

    #[test]
    fn nan_is_not_hidden() {
        assert!(pairwise_distance(&[0.0, f32::NAN, 1.0], 1).is_some_and(f64::is_nan));
    }
}
