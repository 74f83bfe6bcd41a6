// A logarithm, a cosine and a sine to about 2⁻²² relative, independent of the driver's own: Vulkan allows those
// absolute errors of 2⁻²¹ (log near 1) and 2⁻¹¹ (sin, cos), so noise would differ between devices.

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
    return e * 0.6931471806 + 2.0 * s * series;
}

// (cos 2πu, sin 2πu) for u = (2 ⌊word / 2⁹⌋ + 1) · 2⁻²⁴, which is unit(word) of philox.wgsl. The nearest quarter turn
// is subtracted in integers, so the rest, at most an eighth of a turn, is exact; the Taylor polynomials of the rest
// have errors below 2⁻²⁸.
fn turn(word: u32) -> vec2<f32> {
    let n = 2u * (word >> 9u) + 1u;
    let quarter = (n + 0x200000u) >> 22u;
    let rest = i32(n) - i32(quarter << 22u);
    let x = f32(rest) * 2.384185791015625e-7 * 1.5707963268;
    let t = x * x;
    let c = 1.0 - t * (1.0 / 2.0 - t * (1.0 / 24.0 - t * (1.0 / 720.0 - t * (1.0 / 40320.0 - t * (1.0 / 3628800.0)))));
    let s = x * (1.0 - t * (1.0 / 6.0 - t * (1.0 / 120.0 - t * (1.0 / 5040.0 - t * (1.0 / 362880.0)))));
    switch quarter & 3u {
        case 1u: { return vec2<f32>(-s, c); }
        case 2u: { return vec2<f32>(-c, -s); }
        case 3u: { return vec2<f32>(s, -c); }
        default: { return vec2<f32>(c, s); }
    }
}
