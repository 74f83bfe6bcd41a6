// Philox4x32-10: four random words from a counter and a key (Salmon, Moraes, Dror, Shaw, Parallel random numbers: as
// easy as 1, 2, 3, SC 2011, §3.3). Bit for bit the same as `philox` and `unit` of schedule/random.rs.

// The high word of the 64-bit product, by halves of 16 bits. No partial sum overflows:
// (2¹⁶ − 1)² + (2¹⁶ − 1) < 2³².
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let first = a_high * b_low + ((a_low * b_low) >> 16u);
    let second = a_low * b_high + (first & 0xffffu);
    return a_high * b_high + (first >> 16u) + (second >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var x = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        x = vec4<u32>(
            multiply_high(0xCD9E8D57u, x.z) ^ x.y ^ k.x,
            0xCD9E8D57u * x.z,
            multiply_high(0xD2511F53u, x.x) ^ x.w ^ k.y,
            0xD2511F53u * x.x,
        );
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return x;
}

// Maps a random word to the open interval (0, 1): (⌊word / 2⁹⌋ + ½) · 2⁻²³, an odd multiple of 2⁻²⁴, exact.
fn unit(word: u32) -> f32 {
    return (f32(word >> 9u) + 0.5) * 1.1920928955078125e-7;
}
