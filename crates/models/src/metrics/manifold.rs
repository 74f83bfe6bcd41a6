//! Precision, recall, density and coverage of generated features, by balls around rows up to the k-th nearest other row
//! of the same set.
//!
//! Kynkäänniemi, Karras, Laine, Lehtinen and Aila, *Improved precision and recall metric for assessing generative
//! models*, 2019; Naeem, Oh, Uh, Choi and Yoo, *Reliable fidelity and diversity metrics for generative models*, 2020.
//! A ball excludes its surface, as in the latter's package `prdc`.

use super::{Features, assert_same_width, squared_distance};
use rayon::prelude::*;
use std::ops::Range;

/// k of Naeem and others.
pub const NEAREST: usize = 5;

/// Rows of either set in a block of distances; both blocks fit into a core's cache.
const BLOCK: usize = 32;

/// Coverage of generated images by real ones and of real images by generated ones.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Prdc {
    /// Share of generated rows in the ball of some real row.
    pub precision: f64,
    /// Share of real rows in the ball of some generated row.
    pub recall: f64,
    /// Mean number of real rows' balls around a generated row, over k; may exceed 1.
    pub density: f64,
    /// Share of real rows with a generated row in their ball.
    pub coverage: f64,
}

/// All four measures of sets [n, d] and [m, d] with balls up to the `k`-th neighbour, in time (n + m)² d and without a
/// matrix of distances. `None` if a set has at most `k` rows (`prdc` needs one more); all NaN if a feature is not
/// finite. Between a set and itself precision, recall and coverage are 1, unless more than `k` rows are equal: balls of
/// radius 0 are empty.
///
/// # Panics
/// When the widths differ, or `k` is zero.
pub fn prdc(real: &Features, generated: &Features, k: usize) -> Option<Prdc> {
    assert_same_width(real, generated);
    assert!(k > 0, "a ball reaches to a neighbour");
    if real.rows().min(generated.rows()) <= k {
        return None;
    }
    if !(real.is_finite() && generated.is_finite()) {
        return Some(Prdc { precision: f64::NAN, recall: f64::NAN, density: f64::NAN, coverage: f64::NAN });
    }
    let (real, generated) = (Balls::new(real, k), Balls::new(generated, k));
    let blocks = real.set.blocks(BLOCK).into_par_iter();
    let empty = || Tally::empty(generated.set.rows());
    let tally = blocks.fold(empty, |tally, rows| tally.count(rows, &real, &generated)).reduce(empty, Tally::join);
    let (n, m) = (real.set.rows() as f64, generated.set.rows() as f64);
    Some(Prdc {
        precision: tally.precise.iter().filter(|&&precise| precise).count() as f64 / m,
        recall: tally.recalled as f64 / n,
        density: tally.pairs as f64 / (k as f64 * m),
        coverage: tally.covered as f64 / n,
    })
}

/// A set with the squared radii of its rows' balls.
struct Balls<'a> {
    set: &'a Features,
    radii: Vec<f64>,
}

impl<'a> Balls<'a> {
    fn new(set: &'a Features, k: usize) -> Self {
        let radii = set.blocks(BLOCK).into_par_iter().flat_map_iter(|rows| radii(set, rows, k)).collect();
        Self { set, radii }
    }
}

/// The squared distances of some rows from their `k`-th nearest others.
fn radii(set: &Features, rows: Range<usize>, k: usize) -> Vec<f64> {
    let mut nearest = vec![vec![f64::INFINITY; k]; rows.len()];
    for others in set.blocks(BLOCK) {
        for (row, nearest) in rows.clone().zip(&mut nearest) {
            for other in others.clone().filter(|&other| other != row) {
                insert(nearest, squared_distance(set.row(row), set.row(other)));
            }
        }
    }
    nearest.iter().map(|nearest| nearest[k - 1]).collect()
}

/// Inserts a number into a sorted list of the smallest ones, and drops the largest.
fn insert(smallest: &mut [f64], value: f64) {
    let position = smallest.partition_point(|&other| other <= value);
    if position < smallest.len() {
        smallest[position..].rotate_right(1);
        smallest[position] = value;
    }
}

/// Counts over pairs of a real and a generated row.
struct Tally {
    /// For each generated row, true if a real ball contains it.
    precise: Vec<bool>,
    /// Real rows in a generated ball.
    recalled: usize,
    /// Real rows whose ball contains a generated row.
    covered: usize,
    /// Pairs in which the real row's ball contains the generated row.
    pairs: usize,
}

impl Tally {
    fn empty(generated: usize) -> Self {
        Self { precise: vec![false; generated], recalled: 0, covered: 0, pairs: 0 }
    }

    /// Adds the pairs of some real rows with all generated ones.
    fn count(mut self, rows: Range<usize>, real: &Balls<'_>, generated: &Balls<'_>) -> Self {
        let mut recalled = vec![false; rows.len()];
        let mut held = vec![0; rows.len()];
        for others in generated.set.blocks(BLOCK) {
            for (i, row) in rows.clone().enumerate() {
                for other in others.clone() {
                    let distance = squared_distance(real.set.row(row), generated.set.row(other));
                    let holds = distance < real.radii[row];
                    self.precise[other] |= holds;
                    held[i] += usize::from(holds);
                    recalled[i] |= distance < generated.radii[other];
                }
            }
        }
        self.recalled += recalled.iter().filter(|&&recalled| recalled).count();
        self.covered += held.iter().filter(|&&held| held > 0).count();
        self.pairs += held.iter().sum::<usize>();
        self
    }

    fn join(mut self, other: Self) -> Self {
        self.precise.iter_mut().zip(other.precise).for_each(|(mine, other)| *mine |= other);
        self.recalled += other.recalled;
        self.covered += other.covered;
        self.pairs += other.pairs;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[f64]) -> Features {
        Features::new(points.to_vec(), 1)
    }

    fn found(real: &[f64], generated: &[f64], k: usize) -> [f64; 4] {
        let Prdc { precision, recall, density, coverage } = prdc(&line(real), &line(generated), k).expect("rows");
        [precision, recall, density, coverage]
    }

    /// k = 1. Real balls are (−1, 1), (0, 2), (2, 4), (3, 5), (8, 12) and (10, 14): the first two contain ¼, and 5 is
    /// on a surface. The generated balls (−4.5, 5) and (0.25, 9.75) contain the first four real points.
    #[test]
    fn points_on_a_line_by_hand() {
        let expected = [1.0 / 2.0, 4.0 / 6.0, 2.0 / 2.0, 2.0 / 6.0];
        assert_eq!(found(&[0.0, 1.0, 3.0, 4.0, 10.0, 12.0], &[0.25, 5.0], 1), expected);
    }

    /// k = 2. The radii are 2, 1, 1 and 2, and without their surfaces the balls contain 2, 1, 1 and 2 points.
    #[test]
    fn a_set_covers_itself() {
        let points = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(found(&points, &points, 2), [1.0, 1.0, 6.0 / 8.0, 1.0]);
    }

    #[test]
    fn far_sets_share_nothing() {
        assert_eq!(found(&[0.0, 1.0, 2.0], &[10.0, 11.0, 12.0], 1), [0.0; 4]);
    }

    /// All generated rows at one real point: precise, with empty balls.
    #[test]
    fn a_collapsed_set_is_precise_and_recalls_nothing() {
        assert_eq!(found(&[0.0, 1.0, 2.0, 3.0], &[1.0; 3], 1), [1.0, 0.0, 1.0, 1.0 / 4.0]);
    }

    /// More rows than a block, each with its two neighbours at 1: without surfaces every ball contains its own row
    /// only.
    #[test]
    fn blocks_join() {
        let points: Vec<f64> = (0..2 * BLOCK as i32 + 5).map(f64::from).collect();
        assert_eq!(found(&points, &points, 1), [1.0; 4]);
        let between: Vec<f64> = points.iter().map(|x| x + 0.5).collect();
        let rows = points.len() as f64;
        // Each generated row lies in the balls of both real rows beside it; the last has only one.
        assert_eq!(found(&points, &between, 1), [1.0, 1.0, (2.0 * rows - 1.0) / rows, 1.0]);
    }

    #[test]
    fn the_smallest_are_kept_in_order() {
        let mut smallest = [f64::INFINITY; 3];
        [5.0, 1.0, 4.0, 1.0, 9.0].iter().for_each(|&value| insert(&mut smallest, value));
        assert_eq!(smallest, [1.0, 1.0, 4.0]);
    }

    #[test]
    fn sizes_that_give_nothing() {
        let (three, four) = (line(&[0.0, 1.0, 2.0]), line(&[0.0, 1.0, 2.0, 3.0]));
        assert_eq!(prdc(&three, &four, 3), None);
        assert_eq!(prdc(&four, &three, 3), None);
        assert!(prdc(&four, &four, 3).is_some());
        assert_eq!(prdc(&line(&[]), &line(&[]), 1), None);
    }

    #[test]
    fn what_is_not_finite_gives_nan() {
        assert!(found(&[0.0, 1.0, 2.0], &[0.0, f64::NAN, 2.0], 1).iter().all(|value| value.is_nan()));
        assert!(found(&[0.0, f64::INFINITY, 2.0], &[0.0, 1.0, 2.0], 1).iter().all(|value| value.is_nan()));
    }
}
