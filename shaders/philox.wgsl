// Random numbers: the words w of philox((b, stream, clock[0], 0), key) give elements 4b .. 4b + 3 of the output: as
// they are, as low + (high − low) u(w), or in pairs as normal √(−2 ln u(w₀)) (cos, sin)(2π u(w₁)) (Box and Muller),
// where normal and uniform numbers skip the elements before `first`. One invocation per block of four; len need not be
// a multiple of four.
// Needs common/grid.wgsl, common/nan.wgsl, common/philox.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    stream: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<storage, read> clock: array<u32>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn philox_words(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = group_index(group, groups) * 64u + local;
    let w = philox(vec4<u32>(block, p.stream, clock[0], 0u), vec2<u32>(p.key0, p.key1));
    for (var j = 0u; j < 4u; j++) {
        if 4u * block + j < p.len { words[4u * block + j] = w[j]; }
    }
}

struct NormalParams {
    len: u32,
    first: u32,
    stream: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p_normal: NormalParams;

fn normal_pair(w0: u32, w1: u32) -> vec2<f32> {
    return sqrt(max(-2.0 * ln(unit(w0)), 0.0)) * turn(w1);
}

@compute @workgroup_size(64)
fn philox_normal(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = p_normal.first / 4u + group_index(group, groups) * 64u + local;
    if 4u * block >= p_normal.first + p_normal.len { return; }
    let key = vec2<u32>(p_normal.key0, p_normal.key1);
    let w = philox(vec4<u32>(block, p_normal.stream, clock[0], 0u), key);
    let z = vec4<f32>(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
    for (var j = 0u; j < 4u; j++) {
        // Indices before the first wrap to large numbers, past the end.
        let i = 4u * block + j - p_normal.first;
        if i < p_normal.len { y[i] = z[j]; }
    }
}

struct UniformParams {
    len: u32,
    first: u32,
    stream: u32,
    key0: u32,
    key1: u32,
    low: f32,
    high: f32,
}

@group(0) @binding(2) var<uniform> p_uniform: UniformParams;

@compute @workgroup_size(64)
fn philox_uniform(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = p_uniform.first / 4u + group_index(group, groups) * 64u + local;
    if 4u * block >= p_uniform.first + p_uniform.len { return; }
    let key = vec2<u32>(p_uniform.key0, p_uniform.key1);
    let w = philox(vec4<u32>(block, p_uniform.stream, clock[0], 0u), key);
    for (var j = 0u; j < 4u; j++) {
        let i = 4u * block + j - p_uniform.first;
        if i < p_uniform.len { y[i] = p_uniform.low + (p_uniform.high - p_uniform.low) * unit(w[j]); }
    }
}
