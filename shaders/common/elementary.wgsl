// ln, exp, tanh, sine and cosine to a few 2⁻²³ relative, each in one way on every device. Vulkan allows a driver
// absolute errors of 2⁻²¹ (log near 1) and 2⁻¹¹ (sin, cos), and 3 + 2 |x| units in the last place of exp.
// NaN stays NaN.
// Needs common/nan.wgsl.

const LN_2: f32 = 0.6931471806;
// Arguments of exp are clamped to ±80: its values and their reciprocals are then normal numbers.
const MAX_EXPONENT: f32 = 80.0;

// ln x for positive, normal x. With x = 2ᵉ m and √½ < m ≤ √2: ln x = e ln 2 + 2 artanh s, s = (m − 1) / (m + 1);
// |s| ≤ 0.172, where the omitted terms of the series are less than 2⁻²⁸ of the sum. Near x = 1, where ln x is
// small, e is 0 and m − 1 is exact, so nothing cancels; for x < 1 neither term lets the sum reach zero.
fn ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let exponent = i32(bits >> 23u) - 127;
    let mantissa = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    let high = mantissa > 1.41421356;
    let e = f32(select(exponent, exponent + 1, high));
    let m = select(mantissa, 0.5 * mantissa, high);
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let series = 1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0))));
    // Infinity and NaN have larger bits than any finite number.
    return select(e * LN_2 + 2.0 * s * series, x, bits >= 0x7f800000u);
}

// eˣ for x clamped to ±MAX_EXPONENT. With x = n ln 2 + r and |r| ≤ ½ ln 2: 2ⁿ times the Taylor series of eʳ, whose
// omitted terms are less than 2⁻²⁷ of it. ln 2 is subtracted in two parts; n times the first, of 15 bits, is exact.
fn exponential(x: f32) -> f32 {
    let v = clamp(x, -MAX_EXPONENT, MAX_EXPONENT);
    let n = floor(v * 1.4426950409 + 0.5);
    let r = (v - n * 0.693145751953125) - n * 1.4286067653e-6;
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    let series = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * tail)));
    return select(series * bitcast<f32>(u32(i32(n) + 127) << 23u), x, is_nan(x));
}

// eᵗ − 1 for t ≤ 0. Near 0 the difference would consist of the rounding error of eᵗ, so the Taylor series is used
// there; its first omitted term is below 2⁻²⁴ of the sum.
fn exp_minus_one(t: f32) -> f32 {
    let s = max(t, -0.25);
    let series = s * (1.0 + s / 2.0 * (1.0 + s / 3.0 * (1.0 + s / 4.0 * (1.0 + s / 5.0 * (1.0 + s / 6.0)))));
    return select(exponential(t) - 1.0, series, t > -0.25);
}

// ln(1 + e), for e in [0, 1], to a few units in the last place: ln alone loses small e to rounding in 1 + e.
// With u = fl(1 + e), ln(u) · e / (u − 1) restores the lost digits (Kahan's form, Higham, Accuracy and
// Stability of Numerical Algorithms, §1.14.1).
fn log_one_plus(e: f32) -> f32 {
    let u = 1.0 + e;
    let d = u - 1.0;
    return select(ln(u) * (e / d), e, d == 0.0);
}

// tanh x = ±t / (2 − t), with t = 1 − e^−2|x|.
fn hyperbolic_tangent(x: f32) -> f32 {
    let t = -exp_minus_one(-2.0 * abs(x));
    let size = t / (2.0 - t);
    return select(-size, size, x >= 0.0);
}

// (cos x, sin x) for |x| ≤ π/4, by Taylor polynomials with errors below 2⁻²⁸.
fn cos_sin(x: f32) -> vec2<f32> {
    let t = x * x;
    let c = 1.0 - t * (1.0 / 2.0 - t * (1.0 / 24.0 - t * (1.0 / 720.0 - t * (1.0 / 40320.0 - t * (1.0 / 3628800.0)))));
    let s = x * (1.0 - t * (1.0 / 6.0 - t * (1.0 / 120.0 - t * (1.0 / 5040.0 - t * (1.0 / 362880.0)))));
    return vec2<f32>(c, s);
}

// (cos, sin) of 2π · n · 2⁻³². The nearest quarter turn is subtracted in integers, so the rest, at most an eighth of a
// turn, is exact up to its rounding to f32.
fn circle(n: u32) -> vec2<f32> {
    let quarter = (n + 0x20000000u) >> 30u;
    let rest = i32(n - (quarter << 30u));
    let at = cos_sin(f32(rest) * 9.313225746154785e-10 * 1.5707963268);
    switch quarter {
        case 1u: { return vec2<f32>(-at.y, at.x); }
        case 2u: { return vec2<f32>(-at.x, -at.y); }
        case 3u: { return vec2<f32>(at.y, -at.x); }
        default: { return at; }
    }
}

// (cos 2πu, sin 2πu) for u = (2 ⌊word / 2⁹⌋ + 1) · 2⁻²⁴, which is unit(word) of philox.wgsl, exactly.
fn turn(word: u32) -> vec2<f32> {
    return circle((2u * (word >> 9u) + 1u) << 8u);
}

// ½ (1 + cos πx) for x in [0, 1]: cos² πx/2, or sin² π(1 − x)/2 in the second half, where 1 − x is exact.
fn half_cosine(x: f32) -> f32 {
    let second = x > 0.5;
    let at = cos_sin(1.5707963268 * select(x, 1.0 - x, second));
    let root = select(at.x, at.y, second);
    return root * root;
}
