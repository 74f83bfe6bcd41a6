// Waves of the coordinates of points on a path from noise to data, blurred by the noise that is left: for ω = π 2ᵏ and
// σ = (1 − u[r])ᵖ, cos(ω x[r, j]) and sin(ω x[r, j]) times e^(−½ ω² σ²), side by side, with x [m, n] within ±2²³, u [m]
// in [0, 1] and y [m, 2 n waves]; and their derivatives along a direction v [m, n] of x. |x| in units of 2⁻³¹ is a half
// turn in 32 bits, and doubling it shifts the bits: no angle is rounded after that. One invocation per pair.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    n: u32,
    waves: u32,
    spacing: f32,
}

const PI: f32 = 3.1415926536;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> dy: array<f32>;
@group(0) @binding(4) var<uniform> p_tangent: Params;

// cos(π 2ᵏ x) and sin(π 2ᵏ x). Whole turns of |x| overflow and do not count; a negative x turns the other way.
fn wave(x: f32, k: u32) -> vec2<f32> {
    let whole = floor(abs(x));
    let half_turn = u32((abs(x) - whole) * 2147483648.0) + (u32(whole) << 31u);
    return circle(select(half_turn, 0u - half_turn, x < 0.0) << k);
}

// e^(−½ ω² σ²)
fn blur(frequency: f32, u: f32, spacing: f32) -> f32 {
    let angle = frequency * exponential(spacing * ln(1.0 - u));
    return exponential(-0.5 * angle * angle);
}

@compute @workgroup_size(64)
fn blurred_waves(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = i / p.waves;
    let k = i % p.waves;
    let waves = blur(PI * f32(1u << k), u[at / p.n], p.spacing) * wave(x[at], k);
    y[2u * i] = waves.x;
    y[2u * i + 1u] = waves.y;
}

@compute @workgroup_size(64)
fn blurred_waves_tangent(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_tangent.len { return; }
    let at = i / p_tangent.waves;
    let k = i % p_tangent.waves;
    let frequency = PI * f32(1u << k);
    let slopes = frequency * v[at] * blur(frequency, u[at / p_tangent.n], p_tangent.spacing) * wave(x[at], k);
    dy[2u * i] = -slopes.y;
    dy[2u * i + 1u] = slopes.x;
}
