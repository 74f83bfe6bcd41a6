//! Similarity of sets of images, and variety of one set, computed on the host in f64.
//!
//! | measure | of | value |
//! | --- | --- | --- |
//! | [`frechet_distance`], [`Gaussian`] | features | distance of normal distributions fitted to the two sets (FID) |
//! | [`kernel_distance()`], [`kernel_distance_of_subsets`] | features | distance that assumes no normality (KID) |
//! | [`prdc`] | features | precision and density: realism of generated images; recall and coverage: their variety |
//! | [`mse`], [`psnr`], [`ssim`] | pairs of images | similarity of a reconstruction |
//! | [`modes()`], [`sliced_wasserstein`] | points | modes of a mixture that are found; distance of two sets |
//! | [`pairwise_distance`] | images | mean distance of images, which falls to 0 when a generator collapses |
//!
//! Features are activations of some network on an image; the first three measures depend on that network. A set with
//! too few rows for a measure gives `None`. A feature that is NaN or infinite makes every measure of its set NaN.

mod diversity;
mod frechet;
mod kernel_distance;
mod manifold;
mod points;
mod similarity;

pub use diversity::pairwise_distance;
pub use frechet::{Gaussian, frechet_distance};
pub use kernel_distance::{KernelDistance, Subsets, kernel_distance, kernel_distance_of_subsets};
pub use manifold::{NEAREST, Prdc, prdc};
pub use points::{Modes, divergence, modes, sliced_wasserstein};
pub use similarity::{mse, psnr, ssim};

use nalgebra::DMatrixView;
use std::ops::Range;

/// Features of a set of images: n rows of d numbers, one row for each image.
#[derive(Clone, PartialEq, Debug)]
pub struct Features {
    values: Vec<f64>,
    width: usize,
}

impl Features {
    /// Rows of `width` numbers each, one after the other. There may be none.
    ///
    /// # Panics
    /// When `width` is zero or does not divide the count of numbers.
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "{} numbers in rows of {width}", values.len());
        Self { values, width }
    }

    /// The same of f32, as a device gives them.
    ///
    /// # Panics
    /// As [`Features::new`].
    pub fn from_f32(values: &[f32], width: usize) -> Self {
        Self::new(values.iter().map(|&value| value.into()).collect(), width)
    }

    /// n, the images.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// d, the numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The numbers of one image.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..][..self.width]
    }

    fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// All rows in order, at most `size` at a time.
    fn blocks(&self, size: usize) -> Vec<Range<usize>> {
        let rows = self.rows();
        (0..rows).step_by(size).map(|start| start..(start + size).min(rows)).collect()
    }

    /// Some rows as the columns of a matrix [d, rows], in nalgebra's column-major order.
    fn columns(&self, rows: Range<usize>) -> DMatrixView<'_, f64> {
        let values = &self.values[rows.start * self.width..rows.end * self.width];
        DMatrixView::from_slice(values, self.width, rows.len())
    }
}

#[track_caller]
fn assert_same_width(a: &Features, b: &Features) {
    assert_eq!(a.width, b.width, "features of two widths");
}

/// |x − y|², from the differences: |x|² + |y|² − 2 x·y would lose digits for near rows.
fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    // Separate sums let the compiler use vectors; one sum would fix the order of all additions.
    const LANES: usize = 8;
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (y, y_rest) = y.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for lane in 0..LANES {
            lanes[lane] += (x[lane] - y[lane]).powi(2);
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| (x - y).powi(2)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_one_after_the_other() {
        let set = Features::from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        assert_eq!((set.rows(), set.width(), set.row(1)), (3, 2, &[3.0, 4.0][..]));
        assert_eq!(set.blocks(2), [0..2, 2..3]);
        assert_eq!(set.columns(1..3).column(0).as_slice(), set.row(1));
        assert_eq!(Features::new(Vec::new(), 2).blocks(2), []);
    }

    #[test]
    #[should_panic(expected = "3 numbers in rows of 2")]
    fn rows_are_whole() {
        Features::new(vec![0.0; 3], 2);
    }

    /// Lanes and the rest: 19 = 2 · 8 + 3.
    #[test]
    fn distances_count_every_number() {
        let x: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(squared_distance(&x, &[0.0; 19]), f64::from(18 * 19 * 37 / 6));
        assert_eq!(squared_distance(&x, &x), 0.0);
    }
}
