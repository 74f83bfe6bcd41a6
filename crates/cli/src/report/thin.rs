//! Thinning of curves and images.

use crate::run::metrics::Point;

/// Thins points to at most `most` (at least two): the first, the last, and means over equal windows between them. A
/// window with a missing value has no mean, so that a gap stays visible.
pub(crate) fn by_means(points: &[Point], most: usize) -> Vec<Point> {
    let [first, between @ .., last] = points else { return points.to_vec() };
    if points.len() <= most {
        return points.to_vec();
    }
    let windows = between.chunks(between.len().div_ceil(most.max(3) - 2));
    [*first].into_iter().chain(windows.map(mean)).chain([*last]).collect()
}

fn mean(points: &[Point]) -> Point {
    let count = points.len() as f64;
    let sum: Option<f64> = points.iter().map(|point| point.value).sum();
    let middle = points[points.len() / 2];
    Point { value: sum.map(|sum| sum / count), ..middle }
}

/// At most `most` (at least two) of the numbers below `count`, evenly spaced, with the first and the last.
pub(crate) fn evenly(count: usize, most: usize) -> Vec<usize> {
    let most = most.max(2);
    match count <= most {
        true => (0..count).collect(),
        false => (0..most).map(|i| i * (count - 1) / (most - 1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: u64) -> Vec<Point> {
        (0..count).map(|step| Point { step, epoch: None, elapsed: None, value: Some(step as f64) }).collect()
    }

    #[test]
    fn the_first_and_the_last_point_stay() {
        for (count, most) in [(0, 5), (1, 5), (2, 2), (5, 5), (1000, 2), (1001, 600), (5000, 600)] {
            let (all, thinned) = (points(count), by_means(&points(count), most));
            assert!(thinned.len() <= most.max(3), "{count} to {most}: {}", thinned.len());
            assert_eq!((thinned.first(), thinned.last()), (all.first(), all.last()));
            assert!(thinned.is_sorted_by(|a, b| a.step < b.step && a.value < b.value));
        }
        assert_eq!(by_means(&points(8), 5)[1], Point { step: 2, epoch: None, elapsed: None, value: Some(1.5) });
    }

    #[test]
    fn a_gap_stays() {
        let mut points = points(1000);
        points[500].value = None;
        assert_eq!(by_means(&points, 100).iter().filter(|point| point.value.is_none()).count(), 1);
    }

    #[test]
    fn even_choices_have_both_ends() {
        assert!(evenly(0, 5).is_empty());
        assert_eq!(evenly(3, 5), [0, 1, 2]);
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
        assert_eq!(evenly(10, 0), [0, 9]);
        let some = evenly(1000, 60);
        assert!(some.len() == 60 && some.is_sorted_by(|a, b| a < b) && some[59] == 999);
    }
}
