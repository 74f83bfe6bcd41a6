//! The Fréchet distance between the normal distributions that fit two sets of features:
//! |μ₁ − μ₂|² + tr(S₁ + S₂ − 2 (S₁ S₂)^½).
//!
//! Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, *GANs trained by a two time-scale update rule converge to a
//! local Nash equilibrium*, 2017, equation 6. With Inception's features it is the FID. The covariances are unbiased,
//! over n − 1, as in the authors' program and in torch-fidelity.

use super::{Features, assert_same_width};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Iterations that one eigenvalue may take; two or three are usual.
const ITERATIONS: usize = 1000;

/// The normal distribution that fits a set of features: its mean, d numbers, and its covariance, d × d.
#[derive(Clone, PartialEq, Debug)]
pub struct Gaussian {
    mean: DVector<f64>,
    covariance: DMatrix<f64>,
}

impl Gaussian {
    /// The mean and the unbiased covariance of a set; `None` for fewer than two rows. With n ≤ d rows the covariance is
    /// singular, which the distance allows.
    pub fn fit(features: &Features) -> Option<Self> {
        let n = features.rows();
        if n < 2 {
            return None;
        }
        let columns = features.columns(0..n);
        let mean = columns.column_mean();
        let mut centred = columns.into_owned();
        centred.column_iter_mut().for_each(|mut column| column -= &mean);
        let covariance = &centred * centred.transpose() / (n as f64 - 1.0);
        Some(Self { mean, covariance })
    }

    /// The Fréchet distance, in the features' unit squared: at least zero, and zero between equal distributions. NaN if
    /// a feature, or the fourth power of one, is not finite, or if the search for eigenvalues does not converge.
    ///
    /// Rounding errors are up to about 10⁻⁸ d of the largest eigenvalue, since the root of a zero that was rounded to
    /// 10⁻¹⁶ is 10⁻⁸.
    ///
    /// # Panics
    /// When the widths differ.
    pub fn distance(&self, other: &Self) -> f64 {
        assert_eq!(self.mean.len(), other.mean.len(), "features of two widths");
        let root = trace_of_root(&self.covariance, &other.covariance).unwrap_or(f64::NAN);
        let means = (&self.mean - &other.mean).norm_squared();
        let distance = means + self.covariance.trace() + other.covariance.trace() - 2.0 * root;
        // `max` would make a zero of NaN.
        if distance < 0.0 { 0.0 } else { distance }
    }
}

/// The Fréchet distance between two sets, [n, d] and [m, d]; `None` if one has fewer than two rows. To compare one set
/// with several, fit a [`Gaussian`] once and use [`Gaussian::distance`].
///
/// # Panics
/// When the widths differ.
pub fn frechet_distance(a: &Features, b: &Features) -> Option<f64> {
    assert_same_width(a, b);
    Some(Gaussian::fit(a)?.distance(&Gaussian::fit(b)?))
}

/// tr (S₁ S₂)^½. The product is not symmetric, but has the eigenvalues of S₁^½ S₂ S₁^½, which is. With S₁ = V Λ Vᵀ and
/// W = V Λ^½ so has Wᵀ S₂ W, which is that matrix turned by V. `None` if no eigenvalues are found.
fn trace_of_root(s1: &DMatrix<f64>, s2: &DMatrix<f64>) -> Option<f64> {
    let SymmetricEigen { eigenvectors, eigenvalues } = eigen(s1.clone())?;
    // Eigenvalues that are rounded zeros span nothing, and their squares are too small for the search below.
    let least = f64::EPSILON * s1.nrows() as f64 * eigenvalues.max();
    let kept: Vec<usize> = (0..eigenvalues.len()).filter(|&i| eigenvalues[i] > least).collect();
    if kept.is_empty() {
        return Some(0.0);
    }
    let mut w = eigenvectors.select_columns(&kept);
    w.column_iter_mut().zip(&kept).for_each(|(mut column, &i)| column *= eigenvalues[i].sqrt());
    let product = w.transpose() * s2 * w;
    Some(eigen(product)?.eigenvalues.iter().map(|value| value.max(0.0).sqrt()).sum())
}

/// nalgebra's search does not end for a matrix with a NaN, and may find eigenvalues that are not finite for one with
/// numbers of both 1 and 10⁻³⁰: the eigenvalues must add up to the trace.
fn eigen(matrix: DMatrix<f64>) -> Option<SymmetricEigen<f64, nalgebra::Dyn>> {
    let (trace, iterations) = (matrix.trace(), ITERATIONS * matrix.nrows());
    let scale = matrix.norm();
    let finite = matrix.iter().all(|value| value.is_finite());
    let found = finite.then(|| SymmetricEigen::try_new(matrix, f64::EPSILON, iterations)).flatten()?;
    ((found.eigenvalues.sum() - trace).abs() <= 1e-9 * scale).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four points on the axes: mean `shift`, covariance diag(2a²/3, 2b²/3).
    fn cross(a: f64, b: f64, shift: [f64; 2]) -> Features {
        let [x, y] = shift;
        Features::new(vec![x + a, y, x - a, y, x, y + b, x, y - b], 2)
    }

    fn near(value: Option<f64>, expected: f64) {
        assert!(value.is_some_and(|value| (value - expected).abs() < 1e-7), "{value:?}, not {expected}");
    }

    /// The distance for diagonal covariances is |μ₁ − μ₂|² + Σ (σ₁ − σ₂)².
    #[test]
    fn diagonal_covariances_part_by_their_deviations() {
        let share = (2.0_f64 / 3.0).sqrt();
        let expected = 25.0 + (share * (1.0 - 3.0)).powi(2) + (share * (2.0 - 1.0)).powi(2);
        near(frechet_distance(&cross(1.0, 2.0, [0.0, 0.0]), &cross(3.0, 1.0, [3.0, -4.0])), expected);
    }

    /// Features of which many are never active, as those of a classifier, and others depend on few: most eigenvalues of
    /// the covariance are rounded zeros.
    #[test]
    fn features_that_are_never_active_do_no_harm() {
        let (width, rows) = (96, 300);
        let of = |shift: f64| {
            let feature = |row: usize, column: usize| {
                let hidden = |k: usize| ((row * (k + 3)) as f64 * 0.37 + k as f64 + shift).sin();
                let sum: f64 = (0..5).map(|k| hidden(k) * ((column * (k + 1)) as f64 * 0.61).cos()).sum();
                if column.is_multiple_of(3) { 0.0 } else { f64::from((4.0 * sum.max(0.0)) as f32) }
            };
            Features::new((0..rows * width).map(|i| feature(i / width, i % width)).collect(), width)
        };
        let (a, b) = (of(0.0), of(0.4));
        let there = frechet_distance(&a, &b).expect("rows enough");
        let back = frechet_distance(&b, &a).expect("rows enough");
        assert!(there > 0.0 && (there - back).abs() < 1e-5 * there, "{there} and {back}");
        near(frechet_distance(&a, &a), 0.0);
    }

    #[test]
    fn a_shift_counts_by_its_square() {
        near(frechet_distance(&cross(1.0, 2.0, [7.0, 7.0]), &cross(1.0, 2.0, [9.0, 7.0])), 4.0);
    }

    /// Rank one in three dimensions, on orthogonal lines: the variances add.
    #[test]
    fn covariances_may_lack_rank() {
        let a = Features::new(vec![1.0, 1.0, 0.0, -1.0, -1.0, 0.0], 3);
        let b = Features::new(vec![1.0, -1.0, 0.0, -1.0, 1.0, 0.0], 3);
        near(frechet_distance(&a, &b), 4.0 + 4.0);
        near(frechet_distance(&a, &a), 0.0);
    }

    #[test]
    fn equal_rows_have_no_variance() {
        near(frechet_distance(&Features::new(vec![1.0; 4], 2), &Features::new(vec![4.0; 6], 2)), 18.0);
    }

    #[test]
    fn it_takes_two_rows() {
        let (one, two) = (Features::new(vec![0.0; 2], 2), cross(1.0, 1.0, [0.0, 0.0]));
        assert_eq!(frechet_distance(&one, &two), None);
        assert_eq!(frechet_distance(&two, &one), None);
    }

    #[test]
    fn what_is_not_finite_gives_nan() {
        let good = cross(1.0, 2.0, [0.0, 0.0]);
        for bad in [f64::NAN, f64::INFINITY, 1e200] {
            let bad = cross(bad, 1.0, [0.0, 0.0]);
            assert!(frechet_distance(&bad, &good).is_some_and(f64::is_nan));
            assert!(frechet_distance(&good, &bad).is_some_and(f64::is_nan));
        }
    }

    #[test]
    #[should_panic(expected = "features of two widths")]
    fn widths_are_equal() {
        frechet_distance(&Features::new(vec![0.0; 6], 2), &Features::new(vec![0.0; 6], 3));
    }
}
