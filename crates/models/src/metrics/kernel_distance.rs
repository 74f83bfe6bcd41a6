//! The kernel distance between two sets of features: the squared maximum mean discrepancy with the kernel
//! k(x, y) = (x·y / d + 1)³, by its unbiased estimator.
//!
//! Bińkowski, Sutherland, Arbel and Gretton, *Demystifying MMD GANs*, 2018, section 4.4. With Inception's features it
//! is the KID. It makes no assumption about the distributions, and unlike the Fréchet distance its expectation does not
//! depend on the number of images. Subsets are those of torch-fidelity.

use super::{Features, assert_same_width};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::{self, IndexVec};
use rayon::prelude::*;

/// Rows of either set in a block: a product of 2 MiB.
const BLOCK: usize = 512;

/// The drawing of subsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subsets {
    /// Number of subsets.
    pub count: usize,
    /// Rows of either set in a subset, without repetition.
    pub size: usize,
    /// Random seed. Another version of `rand` may draw other subsets.
    pub seed: u64,
}

/// The number and size of torch-fidelity.
impl Default for Subsets {
    fn default() -> Self {
        Self { count: 100, size: 1000, seed: 0 }
    }
}

/// The distance over subsets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KernelDistance {
    /// Mean over the subsets.
    pub mean: f64,
    /// Standard deviation over the subsets, with divisor n; not that of the mean.
    pub deviation: f64,
}

/// The squared discrepancy of two whole sets, [n, d] and [m, d], in time (n + m)² d: the mean of k within each set,
/// without pairs of a row and itself, minus twice the mean between them. Zero in expectation for two samples of one
/// distribution, and therefore often negative; never positive between a set and itself, where only the last mean pairs
/// rows with themselves. `None` if a set has fewer than two rows; NaN if a feature is not finite.
///
/// # Panics
/// When the widths differ.
pub fn kernel_distance(a: &Features, b: &Features) -> Option<f64> {
    assert_same_width(a, b);
    if a.rows() < 2 || b.rows() < 2 {
        return None;
    }
    if !(a.is_finite() && b.is_finite()) {
        return Some(f64::NAN);
    }
    let between = kernel_sum(a, b) / (a.rows() as f64 * b.rows() as f64);
    Some(within(a) + within(b) - 2.0 * between)
}

/// Mean and standard deviation of the distance over random subsets. `None` for no subsets, or for a size below two or
/// above that of a set; NaN if a feature is not finite, drawn or not.
///
/// # Panics
/// When the widths differ.
pub fn kernel_distance_of_subsets(a: &Features, b: &Features, subsets: Subsets) -> Option<KernelDistance> {
    assert_same_width(a, b);
    let Subsets { count, size, seed } = subsets;
    if count == 0 || size < 2 || size > a.rows().min(b.rows()) {
        return None;
    }
    if !(a.is_finite() && b.is_finite()) {
        return Some(KernelDistance { mean: f64::NAN, deviation: f64::NAN });
    }
    // All are drawn before any is measured, so that threads do not change the draws.
    let mut rng = StdRng::seed_from_u64(seed);
    let draws: Vec<_> = (0..count).map(|_| [a, b].map(|set| index::sample(&mut rng, set.rows(), size))).collect();
    let distance = |[of_a, of_b]: [IndexVec; 2]| kernel_distance(&take(a, &of_a), &take(b, &of_b));
    let distances = draws.into_par_iter().map(distance).collect::<Option<Vec<f64>>>()?;
    let mean = distances.iter().sum::<f64>() / count as f64;
    let variance = distances.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>() / count as f64;
    Some(KernelDistance { mean, deviation: variance.sqrt() })
}

/// Some rows of a set.
fn take(set: &Features, rows: &IndexVec) -> Features {
    Features::new(rows.iter().flat_map(|row| set.row(row)).copied().collect(), set.width())
}

/// k(x, y) of x·y.
fn kernel(product: f64, width: usize) -> f64 {
    (product / width as f64 + 1.0).powi(3)
}

/// The mean of k over all pairs of different rows.
fn within(set: &Features) -> f64 {
    let n = set.rows() as f64;
    let norm = |row: usize| set.row(row).iter().map(|x| x * x).sum::<f64>();
    let diagonal: f64 = (0..set.rows()).map(|row| kernel(norm(row), set.width())).sum();
    (kernel_sum(set, set) - diagonal) / (n * (n - 1.0))
}

/// The sum of k over all pairs. Blocks are added in order, so that the result does not depend on the threads.
fn kernel_sum(a: &Features, b: &Features) -> f64 {
    let sum = |rows| {
        let x = a.columns(rows).transpose();
        let block = |others| (&x * b.columns(others)).iter().map(|&product| kernel(product, a.width())).sum::<f64>();
        b.blocks(BLOCK).into_iter().map(block).sum::<f64>()
    };
    let sums: Vec<f64> = a.blocks(BLOCK).into_par_iter().map(sum).collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12 * expected.abs().max(1.0), "{value}, not {expected}");
    }

    fn random(rows: usize, width: usize, seed: u64) -> Features {
        let mut rng = StdRng::seed_from_u64(seed);
        Features::new((0..rows * width).map(|_| rng.random_range(-1.0..1.0)).collect(), width)
    }

    /// d = 1. Within {0, 1} k = 1, within {1, 2} k = 27; between 1, 1, 8 and 27.
    #[test]
    fn two_rows_by_hand() {
        let (a, b) = (Features::new(vec![0.0, 1.0], 1), Features::new(vec![1.0, 2.0], 1));
        near(kernel_distance(&a, &b).expect("two rows"), 1.0 + 27.0 - 2.0 * (1.0 + 1.0 + 8.0 + 27.0) / 4.0);
    }

    /// Sets of different sizes, larger than a block, against the definition.
    #[test]
    fn blocks_are_the_double_sum() {
        let (a, b) = (random(BLOCK + 3, 3, 1), random(7, 3, 2));
        let mean = |a: &Features, b: &Features, same: bool| {
            let pairs = (0..a.rows()).flat_map(|i| (0..b.rows()).map(move |j| (i, j)));
            let pairs: Vec<_> = pairs.filter(|(i, j)| !same || i != j).collect();
            let k = |&(i, j): &(usize, usize)| {
                let product: f64 = a.row(i).iter().zip(b.row(j)).map(|(x, y)| x * y).sum();
                (product / 3.0 + 1.0).powi(3)
            };
            pairs.iter().map(k).sum::<f64>() / pairs.len() as f64
        };
        let expected = mean(&a, &a, true) + mean(&b, &b, true) - 2.0 * mean(&a, &b, false);
        near(kernel_distance(&a, &b).expect("rows enough"), expected);
    }

    /// For one distribution the mean is zero within its error; the biased estimator's, about 0.07, is not.
    #[test]
    fn one_distribution_is_at_no_distance_from_itself() {
        let (a, b) = (random(400, 4, 3), random(400, 4, 4));
        let subsets = Subsets { count: 200, size: 40, seed: 5 };
        let KernelDistance { mean, deviation } = kernel_distance_of_subsets(&a, &b, subsets).expect("rows enough");
        assert!(mean.abs() < 0.01 && deviation > 0.0 && deviation < 0.05, "{mean} ± {deviation}");
    }

    #[test]
    fn a_shift_is_seen() {
        let a = random(100, 4, 6);
        let b = Features::new(a.values.iter().map(|x| x + 1.0).collect(), 4);
        assert!(kernel_distance(&a, &b).expect("rows enough") > 1.0);
    }

    /// Subsets of all rows are the sets themselves.
    #[test]
    fn whole_subsets_are_the_sets() {
        let (a, b) = (random(20, 3, 7), random(20, 3, 8));
        let found = kernel_distance_of_subsets(&a, &b, Subsets { count: 3, size: 20, seed: 9 }).expect("rows enough");
        near(found.mean, kernel_distance(&a, &b).expect("rows enough"));
        near(found.deviation, 0.0);
    }

    #[test]
    fn a_seed_draws_the_same_again() {
        let (a, b) = (random(30, 3, 10), random(30, 3, 11));
        let of = |seed| kernel_distance_of_subsets(&a, &b, Subsets { count: 4, size: 9, seed });
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn sizes_that_give_nothing() {
        let (one, five) = (random(1, 2, 12), random(5, 2, 13));
        assert_eq!(kernel_distance(&one, &five), None);
        for (count, size) in [(0, 3), (1, 1), (1, 6)] {
            assert_eq!(kernel_distance_of_subsets(&five, &five, Subsets { count, size, seed: 0 }), None);
        }
    }

    #[test]
    fn what_is_not_finite_gives_nan() {
        let good = random(5, 2, 14);
        let mut bad = good.clone();
        bad.values[3] = f64::INFINITY;
        assert!(kernel_distance(&good, &bad).is_some_and(f64::is_nan));
        let found = kernel_distance_of_subsets(&bad, &good, Subsets { count: 1, size: 2, seed: 0 });
        assert!(found.is_some_and(|found| found.mean.is_nan() && found.deviation.is_nan()));
    }
}
