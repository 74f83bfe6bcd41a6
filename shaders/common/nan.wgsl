// A test for NaN by its bits, which a compiler that assumes finite numbers cannot remove.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}
