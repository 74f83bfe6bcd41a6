// Finite scalar quantisation: every number of a code is rounded to one of a few levels, and the codes are all
// combinations. Mentzer et al., 2023, §3.1. The last axis has one channel for each number of levels L:
//
//   h = (L − 1) (1 − ε) / 2, ε = 10⁻³;  o = ½ for even L, 0 for odd L;  s = tan(o / h);  c = ⌊L / 2⌋
//
//   fsq_bound           y = (h tanh(z + s) − o) / c, which is in [−1, 1]; one invocation per element
//   fsq_bound_backward  dz = h / c · (1 − tanh²(z + s)) · dy; one invocation per element
//   fsq_quantise        level = ⌊c y + c + ½⌋ in [0, L − 1], q = (level − c) / c, and index [m], the levels of a row as
//                       digits, of which the first counts least; one invocation per row, since rows are short
//   fsq_lookup          q of an index; one invocation per element
//
// Levels are packed, a byte a channel: the first four in `low`, the next four in `high`.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    channels: u32,
    low: u32,
    high: u32,
}

// The number of levels of a channel.
fn levels_of(low: u32, high: u32, channel: u32) -> u32 {
    return (select(high, low, channel < 4u) >> (8u * (channel % 4u))) & 255u;
}

// h, o and tanh(z + s).
struct Bound {
    half_range: f32,
    offset: f32,
    tangent: f32,
}

fn bound_at(levels: u32, z: f32) -> Bound {
    let half_range = f32(levels - 1u) * 0.4995;
    let offset = select(0.5, 0.0, levels % 2u == 1u);
    // |o / h| is at most 1.002, where the polynomials still have errors below 2⁻²⁵.
    let at = cos_sin(offset / half_range);
    return Bound(half_range, offset, hyperbolic_tangent(z + at.y / at.x));
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p_bound: Params;

@compute @workgroup_size(64)
fn fsq_bound(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_bound.len { return; }
    let levels = levels_of(p_bound.low, p_bound.high, i % p_bound.channels);
    let at = bound_at(levels, z[i]);
    y[i] = (at.half_range * at.tangent - at.offset) / f32(levels / 2u);
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dz: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn fsq_bound_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_backward.len { return; }
    let levels = levels_of(p_backward.low, p_backward.high, i % p_backward.channels);
    let at = bound_at(levels, z[i]);
    dz[i] = at.half_range / f32(levels / 2u) * (1.0 - at.tangent) * (1.0 + at.tangent) * dy[i];
}

@group(0) @binding(0) var<storage, read> latents: array<f32>;
@group(0) @binding(1) var<storage, read_write> q: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;
@group(0) @binding(3) var<uniform> p_quantise: Params;

@compute @workgroup_size(64)
fn fsq_quantise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_quantise.len { return; }
    var code = 0u;
    var place = 1u;
    for (var channel = 0u; channel < p_quantise.channels; channel++) {
        let i = r * p_quantise.channels + channel;
        let levels = levels_of(p_quantise.low, p_quantise.high, channel);
        let half = f32(levels / 2u);
        let found = latents[i];
        // An index is below the number of codes, even if a latent is not finite. Its NaN stays in q, so that the loss
        // shows it.
        let rounded = clamp(floor(half * found + half + 0.5), 0.0, f32(levels - 1u));
        let level = select(rounded, 0.0, is_nan(found));
        q[i] = select((level - half) / half, found, is_nan(found));
        code += place * u32(level);
        place *= levels;
    }
    index[r] = code;
}

@group(0) @binding(0) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<uniform> p_lookup: Params;

@compute @workgroup_size(64)
fn fsq_lookup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_lookup.len { return; }
    let last = i % p_lookup.channels;
    var rest = codes[i / p_lookup.channels];
    for (var channel = 0u; channel < last; channel++) {
        rest /= levels_of(p_lookup.low, p_lookup.high, channel);
    }
    let levels = levels_of(p_lookup.low, p_lookup.high, last);
    let half = f32(levels / 2u);
    q[i] = (f32(rest % levels) - half) / half;
}
