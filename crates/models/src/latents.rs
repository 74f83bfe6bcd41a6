//! Points of a latent space on the host: samples of the prior, and interpolations.

use gpu_core::random::{Stream, StreamRng, unit};
use rand::Rng;

/// `count` standard normals under `seed`, by Box and Muller: pairs √(−2 ln u) (cos 2πv, sin 2πv).
pub fn normals(count: usize, seed: u64) -> Vec<f32> {
    let mut words = StreamRng::new(seed, Stream::Sample, 0);
    let pair = |_| {
        let [u, v] = [(); 2].map(|()| unit(words.next_u32()));
        let (radius, angle) = ((-2.0 * u.ln()).sqrt(), std::f64::consts::TAU * v);
        [radius * angle.cos(), radius * angle.sin()]
    };
    (0..count.div_ceil(2)).flat_map(pair).take(count).map(|x| x as f32).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_are_normal_and_follow_their_seed() {
        let x = normals(100_001, 7);
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / x.len() as f64;
        assert!(x.len() == 100_001 && mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert_eq!(normals(5, 7), x[..5]);
        assert_ne!(normals(5, 8), x[..5]);
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
