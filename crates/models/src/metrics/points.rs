//! Metrics of points in the plane, [n, 2], and of counts of modes.

/// Points beside the modes of a mixture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Modes {
    /// Modes with a point within three standard deviations.
    pub found: usize,
    /// Share of the points within three standard deviations of a mode.
    pub within: f64,
    /// KL divergence, in nats, of the shares of the points to which each mode is the nearest from equal shares.
    pub kl: f64,
}

/// The modes of a mixture of equally likely normals of standard deviation `sigma` that points lie at (Srivastava et
/// al., 2017, *VEEGAN*, §4.1).
///
/// # Panics
/// If there are no points, or no centres.
pub fn modes(points: &[f32], centres: &[[f64; 2]], sigma: f64) -> Modes {
    assert!(points.len() >= 2 && !centres.is_empty(), "{} coordinates, {} centres", points.len(), centres.len());
    let (mut nearest, mut near) = (vec![0; centres.len()], vec![0usize; centres.len()]);
    for point in points.chunks_exact(2) {
        let distance = |centre: &[f64; 2]| (f64::from(point[0]) - centre[0]).hypot(f64::from(point[1]) - centre[1]);
        let distances = centres.iter().map(distance).enumerate();
        let (mode, distance) = distances.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are centres");
        nearest[mode] += 1;
        near[mode] += usize::from(distance <= 3.0 * sigma);
    }
    let shares = vec![1.0 / centres.len() as f64; centres.len()];
    Modes {
        found: near.iter().filter(|&&count| count > 0).count(),
        within: near.iter().sum::<usize>() as f64 / (points.len() / 2) as f64,
        kl: divergence(&nearest, &shares),
    }
}

/// KL divergence, in nats, of the distribution of `counts` from that of `shares`: Σ p log (p / q).
///
/// # Panics
/// If they have different lengths, or nothing was counted.
pub fn divergence(counts: &[usize], shares: &[f64]) -> f64 {
    assert_eq!(counts.len(), shares.len(), "a share for each count");
    let all: usize = counts.iter().sum();
    assert!(all > 0, "nothing was counted");
    let term = |(&count, &share): (&usize, &f64)| match count {
        0 => 0.0,
        count => {
            let found = count as f64 / all as f64;
            found * (found / share).ln()
        }
    };
    counts.iter().zip(shares).map(term).sum()
}

/// The sliced Wasserstein distance of order 1 between as many points (Rabin et al., 2011, *Wasserstein barycenter and
/// its application to texture mixing*): the mean distance between their projections in order, over evenly spaced
/// directions.
///
/// # Panics
/// If there are no points or directions, or not as many of each set.
pub fn sliced_wasserstein(a: &[f32], b: &[f32], directions: usize) -> f64 {
    assert!(a.len() == b.len() && a.len() >= 2 && directions > 0, "{} and {} coordinates", a.len(), b.len());
    let along = |points: &[f32], [cos, sin]: [f64; 2]| {
        let project = |point: &[f32]| f64::from(point[0]) * cos + f64::from(point[1]) * sin;
        let mut projected: Vec<f64> = points.chunks_exact(2).map(project).collect();
        projected.sort_unstable_by(f64::total_cmp);
        projected
    };
    let distance = |direction: usize| {
        let (sin, cos) = (std::f64::consts::PI * (direction as f64 + 0.5) / directions as f64).sin_cos();
        let [a, b] = [a, b].map(|points| along(points, [cos, sin]));
        a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64
    };
    (0..directions).map(distance).sum::<f64>() / directions as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_found_by_points_near_them() {
        let centres = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]];
        // Two at the first mode, one just within and one just outside of 3σ of the second, one far from the third.
        let points = [0.0, 0.1, 0.1, 0.0, 4.29, 0.0, 4.31, 0.0, 0.0, 5.0, f32::NAN, f32::NAN];
        let found = modes(&points, &centres, 0.1);
        assert_eq!((found.found, found.within), (2, 0.5));
        let shares = [0.5f64, 2.0 / 6.0, 1.0 / 6.0];
        let expected: f64 = shares.iter().map(|share| share * (4.0 * share).ln()).sum();
        assert!((found.kl - expected).abs() < 1e-12, "{}", found.kl);
        assert_eq!(divergence(&[5, 5], &[0.5, 0.5]), 0.0);
    }

    /// A shift by d along x moves the projection on a direction by d |cos|, whose mean is 2 d / π.
    #[test]
    fn a_shift_has_the_distance_of_its_projections() {
        let points: Vec<f32> = (0..500).map(|i| ((i * 37) % 101) as f32 / 50.0).collect();
        let moved: Vec<f32> = points.iter().enumerate().map(|(i, x)| if i % 2 == 0 { x + 0.5 } else { *x }).collect();
        let distance = sliced_wasserstein(&points, &moved, 64);
        assert!((distance - 1.0 / std::f64::consts::PI).abs() < 1e-3, "{distance}");
        assert_eq!(sliced_wasserstein(&points, &points, 64), 0.0);
    }
}
