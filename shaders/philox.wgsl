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

fn normals(counter: vec4<u32>, key: vec2<u32>) -> vec4<f32> {
    let w = philox(counter, key);
    return vec4<f32>(normal_pair(w.x, w.y), normal_pair(w.z, w.w));
}

fn units(counter: vec4<u32>, key: vec2<u32>) -> vec4<f32> {
    let w = philox(counter, key);
    return vec4<f32>(unit(w.x), unit(w.y), unit(w.z), unit(w.w));
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
    let drawn = normals(vec4<u32>(block, p_normal.stream, clock[0], 0u), key);
    for (var j = 0u; j < 4u; j++) {
        // Indices before the first wrap to large numbers, past the end.
        let i = 4u * block + j - p_normal.first;
        if i < p_normal.len { y[i] = drawn[j]; }
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

struct RowsParams {
    rows: u32,
    cols: u32,
    stream: u32,
    bound: f32,
}

@group(0) @binding(1) var<storage, read> seeds: array<u32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@group(0) @binding(3) var<uniform> p_rows: RowsParams;

// Row r of z is normal under seed r, truncated to ±bound: a number beyond is replaced by the first accepted proposal,
// whose counters have 1, 2, … in their last word. Below a bound of 1, where few normals fall, proposals are uniform and
// accepted with probability e^(−z²/2). Either accepts six in ten at least, so 128 fail with a probability below 10⁻⁵⁰.
// One invocation per block of four of a row.
const PROPOSALS: u32 = 128u;

@compute @workgroup_size(64)
fn philox_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (p_rows.cols + 3u) / 4u;
    let at = group_index(group, groups) * 64u + local;
    let row = at / blocks;
    let block = at % blocks;
    if row >= p_rows.rows { return; }
    let key = vec2<u32>(seeds[2u * row], seeds[2u * row + 1u]);
    let counter = vec4<u32>(block, p_rows.stream, clock[0], 0u);
    var drawn = normals(counter, key);
    var open = abs(drawn) > vec4<f32>(p_rows.bound);
    for (var i = 0u; i < PROPOSALS && any(open); i++) {
        var proposed = vec4<f32>(0.0);
        var accepted = vec4<bool>(false);
        if p_rows.bound >= 1.0 {
            proposed = normals(counter + vec4<u32>(0u, 0u, 0u, i + 1u), key);
            accepted = abs(proposed) <= vec4<f32>(p_rows.bound);
        } else {
            proposed = p_rows.bound * (2.0 * units(counter + vec4<u32>(0u, 0u, 0u, 2u * i + 1u), key) - 1.0);
            let height = units(counter + vec4<u32>(0u, 0u, 0u, 2u * i + 2u), key);
            let e = -0.5 * proposed * proposed;
            accepted = height < vec4<f32>(exponential(e.x), exponential(e.y), exponential(e.z), exponential(e.w));
        }
        drawn = select(drawn, proposed, open & accepted);
        open = open & !accepted;
    }
    for (var j = 0u; j < 4u; j++) {
        let column = 4u * block + j;
        if column < p_rows.cols { z[row * p_rows.cols + column] = select(drawn[j], 0.0, open[j]); }
    }
}
