//! Elementary functions in single precision, to a few 2⁻²⁴ relative, after shaders/common/elementary.wgsl. They are
//! plain arithmetic without calls and branches, so loops over them use vectors; those of the standard library do not.
//! NaN stays NaN.

use std::f32::consts::LOG2_E;

/// Below and above, the exponential is 0 and infinity: e⁻⁸⁷ is about the least normal number, e⁸⁸ about the largest.
const LOWEST: f32 = -87.0;
const HIGHEST: f32 = 88.0;
/// 1.5 · 2²³: a small number plus this is rounded to an integer, which is in the low bits.
const ROUND: f32 = 12_582_912.0;

/// eˣ. With x = n ln 2 + r and |r| ≤ ½ ln 2: 2ⁿ times the Taylor series of eʳ, whose omitted terms
/// are less than 2⁻²⁷ of it. ln 2 is subtracted in two parts; n times the first, of 15 bits, is exact.
#[inline]
pub(super) fn exponential(x: f32) -> f32 {
    let v = x.clamp(LOWEST, HIGHEST);
    let shifted = v * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (v - n * 0.693_145_75) - n * 1.428_606_8e-6;
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let series = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * tail)));
    // The exponent's bits of 2ⁿ; what is above n in `shifted` falls off.
    let power = (shifted.to_bits() << 23).wrapping_add(1f32.to_bits());
    let finite = series * f32::from_bits(power);
    let positive = if x < LOWEST { 0.0 } else { finite };
    if x > HIGHEST { f32::INFINITY } else { positive }
}

/// eˣ − 1 for x ≤ 0. Near 0 the difference would consist of the rounding error of eˣ, so the Taylor series is used
/// there; its first omitted term is below 2⁻²⁴ of the sum.
#[inline]
pub(super) fn exp_minus_one(x: f32) -> f32 {
    let s = if x > -0.25 { x } else { -0.25 };
    let tail = 1.0 / 24.0 + s * (1.0 / 120.0 + s * (1.0 / 720.0));
    let series = s * (1.0 + s * (1.0 / 2.0 + s * (1.0 / 6.0 + s * tail)));
    if x > -0.25 { series } else { exponential(x) - 1.0 }
}

/// ln(1 + x) for x in [0, 1]: 2 artanh s with s = x / (2 + x) ≤ ⅓, whose series' omitted terms are less than 2⁻²⁸ of
/// it. Nothing cancels.
#[inline]
pub(super) fn log_one_plus(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let t = s * s;
    let tail = 1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0 + t * (1.0 / 15.0)));
    2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * tail))))
}

/// tanh x = ±t / (2 − t), with t = 1 − e^−2|x|.
#[inline]
pub(super) fn hyperbolic_tangent(x: f32) -> f32 {
    let t = -exp_minus_one(-2.0 * x.abs());
    (t / (2.0 - t)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error of f over evenly spaced x.
    fn error(f: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let places = (0..=100_000).map(|i| from + (to - from) * i as f32 / 1e5);
        let relative = |x: f32| match exact(x.into()) {
            0.0 => f64::from(f(x)).abs(),
            exact => (f64::from(f(x)) / exact - 1.0).abs(),
        };
        places.map(relative).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_accurate_to_a_few_bits() {
        let bound = 8.0 * 2f64.powi(-24);
        assert!(error(exponential, f64::exp, LOWEST, HIGHEST) < bound);
        assert!(error(exponential, f64::exp, -1.0, 1.0) < bound);
        assert!(error(exp_minus_one, f64::exp_m1, -100.0, 0.0) < bound);
        assert!(error(exp_minus_one, f64::exp_m1, -1.0, 0.0) < bound);
        assert!(error(exp_minus_one, f64::exp_m1, -1e-6, 0.0) < bound);
        assert!(error(log_one_plus, f64::ln_1p, 0.0, 1.0) < bound);
        assert!(error(log_one_plus, f64::ln_1p, 0.0, 1e-6) < bound);
        assert!(error(hyperbolic_tangent, f64::tanh, -20.0, 20.0) < bound);
        assert!(error(hyperbolic_tangent, f64::tanh, -0.3, 0.3) < bound);
    }

    #[test]
    fn functions_have_limits_and_nan_stays() {
        assert_eq!([f32::INFINITY, 1e30, 88.1].map(exponential), [f32::INFINITY; 3]);
        assert_eq!([f32::NEG_INFINITY, -1e30, -87.1].map(exponential), [0.0; 3]);
        assert_eq!([f32::NEG_INFINITY, f32::INFINITY].map(hyperbolic_tangent), [-1.0, 1.0]);
        assert!([exponential, exp_minus_one, log_one_plus, hyperbolic_tangent].iter().all(|f| f(f32::NAN).is_nan()));
    }
}
