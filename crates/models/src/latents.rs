//! Points of a latent space: samples of the prior on the device, and interpolations on the host.

use crate::pass::Pass;
use crate::shared_buffers::SharedBuffers;
use gpu_core::ops::philox;
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};
use nalgebra::DMatrix;

/// A pass that draws standard normal latents.
#[derive(Clone, Debug)]
pub struct Draws {
    /// The seeds, which the host writes: `u32 [rows, 2]`, the low word first.
    pub seeds: Buf,
    /// The pass, whose output is the latents, [rows, numbers].
    pub pass: Pass,
}

/// Draws the first `numbers` numbers of the latents of each seed; the side clock's step selects the batch, as in
/// [`Sampler::sample`](crate::capabilities::Sampler::sample). With a truncation X, numbers beyond ±X are drawn again.
///
/// # Panics
/// When the truncation is not above 0.
pub fn draws(buffers: &SharedBuffers, rows: usize, numbers: usize, truncation: Option<f32>) -> Draws {
    let mut s = Schedule::new();
    let seeds = s.scratch_of([rows, 2], Dtype::U32);
    s.feed(seeds);
    let z = philox::normal_rows(&mut s, "z", seeds, numbers, buffers.side_clock, Stream::Sample, truncation);
    Draws { seeds, pass: Pass::new(s, &[z]) }
}

/// Linear interpolation from `a` to `b`, with `t` from 0 to 1.
pub fn linear(a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + t * (b - a)).collect()
}

/// Spherical interpolation from `a` to `b`, with `t` from 0 to 1, which keeps the length of normal vectors (White,
/// *Sampling generative networks*, 2016). Parallel vectors have no arc and are interpolated linearly.
pub fn spherical(a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let angle = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos();
    if angle.is_nan() || angle.sin() < 1e-6 {
        return linear(a, b, t);
    }
    let weight = |part: f64| ((part * angle).sin() / angle.sin()) as f32;
    let [of_a, of_b] = [weight(1.0 - f64::from(t)), weight(f64::from(t))];
    a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect()
}

/// The unit eigenvectors of a symmetric matrix [n, n], `count` of them, that of the largest eigenvalue first. The
/// largest number of each is positive.
///
/// # Panics
/// When the matrix has another size, or fewer than `count` eigenvectors.
pub fn principal(matrix: &[f64], n: usize, count: usize) -> Vec<Vec<f32>> {
    assert!(matrix.len() == n * n && count <= n, "{count} eigenvectors of {} numbers, {n} to a row", matrix.len());
    let eigen = DMatrix::from_row_slice(n, n, matrix).symmetric_eigen();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let vector = |&column: &usize| {
        let vector = eigen.eigenvectors.column(column);
        let sign = if vector.max() >= -vector.min() { 1.0 } else { -1.0 };
        vector.iter().map(|x| (sign * x) as f32).collect()
    };
    order[..count].iter().map(vector).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SetSpec;
    use crate::model::Base;
    use gpu_core::random::key;
    use gpu_core::{Array, Executor, Reference, Sharing};

    /// `numbers` latents of each seed, of the first batch.
    fn drawn(seeds: &[u64], numbers: usize, truncation: Option<f32>) -> Vec<f64> {
        let spec = SetSpec { train: 1, test: 1, image: [1, 1, 1], classes: 1, variance: 1.0, points: None };
        let base = Base::new(&spec.into(), &["loss"]);
        let Draws { seeds: given, pass } = draws(&base.buffers, seeds.len(), numbers, truncation);
        let mut cpu = Reference::new(base.memory, Sharing::On);
        let program = cpu.prepare(&pass.schedule).unwrap();
        cpu.write(base.buffers.side_clock, &Array::U32(vec![1, 0, 0, 0])).unwrap();
        cpu.write(given, &Array::U32(seeds.iter().flat_map(|&seed| key(seed)).collect())).unwrap();
        let ticket = cpu.submit(&[program], 1, &pass.outputs).unwrap();
        cpu.wait(ticket).unwrap()[0].to_f64()
    }

    fn mean(x: &[f64], of: impl Fn(f64) -> f64) -> f64 {
        x.iter().map(|&x| of(x)).sum::<f64>() / x.len() as f64
    }

    #[test]
    fn latents_are_normal_and_each_row_follows_its_seed() {
        let x = drawn(&[7], 100_001, None);
        let (mean, variance) = (mean(&x, |x| x), mean(&x, |x| x * x));
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        let rows = drawn(&[9, 7, u64::MAX, 1 << 32], 5, None);
        assert_eq!(rows[5..10], x[..5]);
        assert!((0..4).all(|a| (0..a).all(|b| rows[5 * a..][..5] != rows[5 * b..][..5])), "{rows:?}");
    }

    /// Moments of the normal distribution under the condition |x| ≤ X: with c = 2 X φ(X) / (2 Φ(X) − 1), the second is
    /// 1 − c and the fourth 3 (1 − c) − X² c. 2 Φ(X) − 1 is integrated by Simpson's rule.
    fn moments(bound: f64) -> [f64; 2] {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let (parts, step) = (2000, bound / 2000.0);
        let weight = |i| if i == 0 || i == parts { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
        let inside = 2.0 * step / 3.0 * (0..=parts).map(|i| weight(i) * density(f64::from(i) * step)).sum::<f64>();
        let c = 2.0 * bound * density(bound) / inside;
        [1.0 - c, 3.0 * (1.0 - c) - bound * bound * c]
    }

    #[test]
    fn truncated_latents_have_the_moments_of_a_truncated_normal() {
        assert!(moments(1.0).iter().zip([0.291_125, 0.164_501]).all(|(found, known)| (found - known).abs() < 1e-5));
        let all = drawn(&[3], 400_000, None);
        for bound in [0.05f32, 0.5, 0.99, 1.0, 1.5, 2.5] {
            let x = drawn(&[3], 400_000, Some(bound));
            let far = f64::from(bound);
            assert!(x.iter().all(|x| x.abs() <= far), "{bound}");
            let [second, fourth] = moments(far);
            // Standard errors of the means over n numbers, from the same moments.
            let error = |power: i32, of: f64| ((mean(&x, |x| x.powi(2 * power)) - of * of) / x.len() as f64).sqrt();
            for (power, expected) in [(1, 0.0), (2, second), (3, 0.0), (4, fourth)] {
                let found = mean(&x, |x| x.powi(power));
                let most = 4.0 * error(power, expected);
                assert!((found - expected).abs() < most, "moment {power} within {bound}: {found}, not {expected}");
            }
            // Numbers within stay, so an image changes little where few of its latent's do.
            assert!(x.iter().zip(&all).all(|(x, all)| all.abs() > far || x == all), "{bound}");
        }
        assert_eq!(drawn(&[3], 1000, Some(9.0)), all[..1000]);
    }

    #[test]
    fn principal_vectors_are_those_of_the_largest_eigenvalues() {
        // Eigenvalues 3 of (1, 1, 0), 1 of (1, −1, 0) and 2 of (0, 0, 1).
        let found = principal(&[2.0, 1.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 2.0], 3, 2);
        let expected = [[0.5f32.sqrt(), 0.5f32.sqrt(), 0.0], [0.0, 0.0, 1.0]];
        let close = |(a, b): (&Vec<f32>, &[f32; 3])| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(found.iter().zip(&expected).all(close) && found.len() == 2, "{found:?}");
    }

    #[test]
    fn interpolations_begin_and_end_at_their_ends() {
        let (a, b) = ([3.0, 0.0], [0.0, 3.0]);
        for interpolate in [linear, spherical] {
            assert_eq!(interpolate(&a, &b, 0.0), a);
            assert!(interpolate(&a, &b, 1.0).iter().zip(b).all(|(x, b)| (x - b).abs() < 1e-6));
        }
        assert_eq!(linear(&a, &b, 0.5), [1.5, 1.5]);
        let half = spherical(&a, &b, 0.5);
        assert!((half[0].hypot(half[1]) - 3.0).abs() < 1e-6, "{half:?} and its ends differ in length");
        assert_eq!(spherical(&a, &[6.0, 0.0], 0.5), [4.5, 0.0]);
        assert_eq!(spherical(&[0.0, 0.0], &b, 0.5), [0.0, 1.5]);
    }
}
