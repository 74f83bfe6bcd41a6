// Waves of a time: y[r, 2k] = cos(π 2ᵏ t[r]) and y[r, 2k + 1] = sin(π 2ᵏ t[r]), with t [m] in [0, 1], y [m, 2 waves].
// t in units of 2⁻³¹ is a half turn in 32 bits, and doubling it shifts the bits: no angle is rounded after that. One
// invocation per pair.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    waves: u32,
}

@group(0) @binding(0) var<storage, read> t: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn time_features(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let half_turn = u32(t[i / p.waves] * 2147483648.0);
    let at = circle(half_turn << (i % p.waves));
    y[2u * i] = at.x;
    y[2u * i + 1u] = at.y;
}
