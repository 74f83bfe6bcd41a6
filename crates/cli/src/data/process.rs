//! A process of codes with a known entropy rate: an autoregression of order two, quantised to eight bits.
//!
//! Given the two codes before it, a code is a draw of a normal number around 128 + a₁ (c₁ − 128) + a₂ (c₂ − 128) with
//! deviation σ, rounded to the nearest code. Its probability is the normal mass of its cell, c ± ½, and the cells at
//! the ends have the tails: the process is a Markov chain of codes, whose entropy rate is the mean entropy of those
//! distributions over its own codes.

use gpu_core::random::{Stream, StreamRng, unit};
use rand::TryRng;
use std::f64::consts::{SQRT_2, TAU};

/// The name of the source.
pub(super) const AR2: &str = "ar2";
/// Training and test codes.
pub(super) const CODES: [usize; 2] = [1 << 20, 1 << 17];
/// The coefficients, and the deviation of a step in codes.
const A: [f64; 2] = [1.6, -0.8];
const SIGMA: f64 = 3.0;
/// The code of zero.
const MIDDLE: f64 = 128.0;
/// Codes that are drawn before the first, which begin at the middle.
const BURN_IN: usize = 4096;
/// The seed: the codes are the same in every run.
const SEED: u64 = 0;

/// The middle of the distribution of a code after two others, the later one first.
fn centre(before: [u8; 2]) -> f64 {
    let from_middle = before.map(|code| f64::from(code) - MIDDLE);
    MIDDLE + A[0] * from_middle[0] + A[1] * from_middle[1]
}

/// Codes of the training part (0) or of the test part (1).
pub(super) fn draw(part: u32) -> Vec<u8> {
    let mut words = StreamRng::new(SEED, Stream::Points, 0x0a52_0000 | part);
    let mut next = || unit(words.try_next_u32().unwrap_or_else(|never| match never {}));
    let mut before = [MIDDLE as u8; 2];
    let mut code = |_| {
        let normal = (-2.0 * next().ln()).sqrt() * (TAU * next()).cos();
        let code = (centre(before) + SIGMA * normal).round().clamp(0.0, 255.0) as u8;
        before = [code, before[0]];
        code
    };
    let mut codes: Vec<u8> = (0..BURN_IN + CODES[part as usize]).map(&mut code).collect();
    codes.split_off(BURN_IN)
}

/// The distribution function of a standard normal number.
fn normal_below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// The probabilities of all codes after two others, the later one first.
pub(super) fn distribution(before: [u8; 2]) -> [f64; 256] {
    let centre = centre(before);
    let below = |edge: usize| match edge {
        0 => 0.0,
        256 => 1.0,
        _ => normal_below((edge as f64 - 0.5 - centre) / SIGMA),
    };
    std::array::from_fn(|code| below(code + 1) - below(code))
}

/// The mean entropy of a code given the two before it, in nats, over such codes of the process: its entropy rate. Of
/// 131,072 codes, the standard error is below 10⁻⁶, because the entropies are nearly the same.
pub fn entropy_rate(codes: &[u8]) -> f64 {
    let entropy = |pair: &[u8]| {
        let terms = distribution([pair[1], pair[0]]).into_iter().filter(|&p| p > 0.0).map(|p| -p * p.ln());
        terms.sum::<f64>()
    };
    let pairs = codes.windows(2);
    pairs.clone().map(entropy).sum::<f64>() / pairs.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −log p of the codes by the process itself, whose mean is the entropy rate.
    #[test]
    fn the_entropy_rate_is_the_mean_of_negative_logarithms() {
        let codes = draw(1);
        let rate = entropy_rate(&codes);
        // Nearly that of a normal number with the variance of the rounded one; no code is near an end.
        let expected = 0.5 * ((SIGMA * SIGMA + 1.0 / 12.0) * TAU * std::f64::consts::E).ln();
        assert!((rate - expected).abs() < 1e-3, "{rate} for {expected}");
        let nats = |three: &[u8]| -distribution([three[1], three[0]])[usize::from(three[2])].ln();
        let mean = codes.windows(3).map(nats).sum::<f64>() / (codes.len() - 2) as f64;
        // The deviation of −log p is √½: three standard errors.
        assert!((mean - rate).abs() < 3.0 * (0.5 / codes.len() as f64).sqrt(), "{mean} for {rate}");
    }

    #[test]
    fn a_distribution_has_the_frequencies_of_draws() {
        let p = distribution([140, 120]);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12 && p.iter().all(|&p| p >= 0.0));
        assert!((distribution([255, 0])[255] - 1.0).abs() < 1e-12, "the tail is in the last code");
        // The variance of the process is σ² (1 − a₂) / ((1 + a₂) ((1 − a₂)² − a₁²)).
        let codes = draw(0);
        let mean = |f: &dyn Fn(f64) -> f64| codes.iter().map(|&c| f(f64::from(c))).sum::<f64>() / codes.len() as f64;
        let centre = mean(&|c| c);
        let variance = mean(&|c| (c - centre).powi(2));
        let noise = SIGMA * SIGMA + 1.0 / 12.0;
        let expected = noise * (1.0 - A[1]) / ((1.0 + A[1]) * ((1.0 - A[1]).powi(2) - A[0] * A[0]));
        assert!((centre - MIDDLE).abs() < 0.3 && (variance / expected - 1.0).abs() < 0.02, "{centre}, {variance}");
        assert!(draw(1) != codes[..CODES[1]], "the parts differ");
    }
}
