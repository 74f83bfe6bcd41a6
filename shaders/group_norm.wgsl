// Group normalisation of x [n, hw, c], NHWC with the pixels as one axis: over the pixels and the c / groups adjacent
// channels of one group of one image. groups = c is instance normalisation.
//
//   y = act(weight · x̂ + bias),  x̂ = (x − mean) inv_std,  inv_std = 1 / √(var + ε),  var = Σ (x − mean)² / count,
//   count = hw · c / groups
//
//   group_norm_partial           partial [n, parts, 2, c]: mean and Σ (x − mean)² of `chunk` pixels of one channel;
//                                one invocation per image, chunk and channel, adjacent ones read adjacent channels
//   group_norm_finish            stats [n, groups, 2] = mean, inv_std; 32 invocations per image and group, as in
//                                rows.wgsl
//   group_norm_apply             y [n, hw, c]; one invocation per eight pixels of one channel, adjacent ones read
//                                adjacent channels
//   group_norm_backward_partial  Σ dy x̂ and Σ dy over the same chunks, [n, parts, c] each; dy is the gradient before
//                                act
//   group_norm_backward_finish   totals [n, groups, 2] = Σ g x̂, Σ g with g = weight · dy; 32 invocations per image and
//                                group
//   group_norm_backward_apply    dx = inv_std (g − (Σ g + x̂ Σ g x̂) / count) · slope, where slope is that of the
//                                activation `gate` with output gate_y [n, hw, c]; the invocations of apply
//
// weight and bias [c] are used only if `affine`. Chunks are summed and joined as in batch_norm.wgsl.
// c is a multiple of groups, as ops/group_norm.rs asserts.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/rows.wgsl and common/activation.wgsl.

struct Params {
    n: u32,
    hw: u32,
    c: u32,
    groups: u32,
    chunk: u32,
    parts: u32,
    affine: u32,
    activation: u32,
    gate: u32,
    alpha: f32,
    gate_alpha: f32,
    epsilon: f32,
}

// Pixels that one invocation normalises, in one channel: PIXELS of ops/group_norm.rs.
const PIXELS: u32 = 8u;

override affine: u32 = 0u;
override activation: u32 = 0u;
override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform> p_stats: Params;

@compute @workgroup_size(256)
fn group_norm_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_stats.c;
    let i = group_index(group, groups) * 256u + local;
    if i >= p_stats.n * p_stats.parts * c { return; }
    let channel = i % c;
    let part = i / c; // counted through all images
    let image = part / p_stats.parts;
    let begin = (part % p_stats.parts) * p_stats.chunk;
    let end = min(begin + p_stats.chunk, p_stats.hw);
    let start = image * p_stats.hw * c + channel;
    let first = x[start + begin * c];
    var moved = 0.0;
    for (var r = begin; r < end; r++) { moved += x[start + r * c] - first; }
    let centre = first + moved / f32(end - begin);
    var squares = 0.0;
    for (var r = begin; r < end; r++) {
        let d = x[start + r * c] - centre;
        squares += d * d;
    }
    partial[2u * part * c + channel] = centre;
    partial[(2u * part + 1u) * c + channel] = squares;
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> stats: array<f32>;

// The number of pixels of a chunk; the last may have fewer than the others.
fn chunk_pixels(part: u32) -> f32 {
    return f32(min(p_stats.chunk, p_stats.hw - part * p_stats.chunk));
}

// Sums over a group treat its chunks and channels as one row: entry e is channel e % width of chunk e / width.
@compute @workgroup_size(256)
fn group_norm_finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_stats.c;
    let i = row_of(group, groups, local);
    let inside = i < p_stats.n * p_stats.groups;
    let at = select(0u, i, inside);
    let width = c / p_stats.groups;
    let entries = p_stats.parts * width;
    let start = (at / p_stats.groups) * p_stats.parts * 2u * c + (at % p_stats.groups) * width;
    let count = f32(p_stats.hw * width);
    let first = partials[start];
    var moved = 0.0;
    for (var e = local % ACROSS; e < entries; e += ACROSS) {
        let part = e / width;
        moved += chunk_pixels(part) * (partials[start + 2u * part * c + e % width] - first);
    }
    let mean = first + row_sum(local, moved) / count;
    var squares = 0.0;
    for (var e = local % ACROSS; e < entries; e += ACROSS) {
        let part = e / width;
        let d = partials[start + 2u * part * c + e % width] - mean;
        squares += partials[start + (2u * part + 1u) * c + e % width] + chunk_pixels(part) * d * d;
    }
    squares = row_sum(local, squares);
    if local % ACROSS == 0u && inside {
        stats[2u * at] = mean;
        stats[2u * at + 1u] = inverseSqrt(squares / count + p_stats.epsilon);
    }
}

// The statistics: mean and inv_std, [n, groups, 2].
@group(0) @binding(1) var<storage, read> saved: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

// The index of the group of an image's channel, counted through all images.
fn group_of(image: u32, channel: u32, c: u32, groups: u32) -> u32 {
    return image * groups + channel / (c / groups);
}

@compute @workgroup_size(256)
fn group_norm_apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    let spans = (p.hw + PIXELS - 1u) / PIXELS;
    if i >= p.n * spans * p.c { return; }
    let channel = i % p.c;
    let span = i / p.c; // counted through all images
    let image = span / spans;
    let begin = (span % spans) * PIXELS;
    let at = 2u * group_of(image, channel, p.c, p.groups);
    let centre = saved[at];
    let inv_std = saved[at + 1u];
    var factor = 1.0;
    var offset = 0.0;
    if affine != 0u {
        factor = weight[channel];
        offset = bias[channel];
    }
    for (var r = begin; r < min(begin + PIXELS, p.hw); r++) {
        let e = (image * p.hw + r) * p.c + channel;
        y[e] = activate(activation, p.alpha, factor * ((x[e] - centre) * inv_std) + offset);
    }
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial_dot: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial_sum: array<f32>;

@compute @workgroup_size(256)
fn group_norm_backward_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.n * p.parts * p.c { return; }
    let channel = i % p.c;
    let part = i / p.c; // counted through all images
    let image = part / p.parts;
    let begin = (part % p.parts) * p.chunk;
    let end = min(begin + p.chunk, p.hw);
    let start = image * p.hw * p.c + channel;
    let at = 2u * group_of(image, channel, p.c, p.groups);
    let centre = saved[at];
    var dot = 0.0;
    var sum = 0.0;
    for (var r = begin; r < end; r++) {
        let d = dy[start + r * p.c];
        dot += d * (x[start + r * p.c] - centre);
        sum += d;
    }
    partial_dot[i] = dot * saved[at + 1u];
    partial_sum[i] = sum;
}

@group(0) @binding(0) var<storage, read> dots: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> totals: array<f32>;
@group(0) @binding(4) var<uniform> p_finish: Params;

@compute @workgroup_size(256)
fn group_norm_backward_finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_finish.c;
    let i = row_of(group, groups, local);
    let inside = i < p_finish.n * p_finish.groups;
    let at = select(0u, i, inside);
    let width = c / p_finish.groups;
    let channels = (at % p_finish.groups) * width;
    let start = (at / p_finish.groups) * p_finish.parts * c + channels;
    var of_dots = 0.0;
    var of_sums = 0.0;
    for (var e = local % ACROSS; e < p_finish.parts * width; e += ACROSS) {
        let entry = start + (e / width) * c + e % width;
        var scale = 1.0;
        if affine != 0u { scale = weight[channels + e % width]; }
        of_dots += scale * dots[entry];
        of_sums += scale * sums[entry];
    }
    of_dots = row_sum(local, of_dots);
    of_sums = row_sum(local, of_sums);
    if local % ACROSS == 0u && inside {
        totals[2u * at] = of_dots;
        totals[2u * at + 1u] = of_sums;
    }
}

@group(0) @binding(4) var<storage, read> group_sums: array<f32>;
@group(0) @binding(5) var<storage, read> gate_y: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn group_norm_backward_apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_backward.c;
    let i = group_index(group, groups) * 256u + local;
    let spans = (p_backward.hw + PIXELS - 1u) / PIXELS;
    if i >= p_backward.n * spans * c { return; }
    let channel = i % c;
    let span = i / c; // counted through all images
    let image = span / spans;
    let begin = (span % spans) * PIXELS;
    let at = 2u * group_of(image, channel, c, p_backward.groups);
    let centre = saved[at];
    let inv_std = saved[at + 1u];
    let count = f32(p_backward.hw * (c / p_backward.groups));
    let of_dots = group_sums[at] / count;
    let of_sums = group_sums[at + 1u] / count;
    var factor = 1.0;
    if affine != 0u { factor = weight[channel]; }
    for (var r = begin; r < min(begin + PIXELS, p_backward.hw); r++) {
        let e = (image * p_backward.hw + r) * c + channel;
        let normed = (x[e] - centre) * inv_std;
        var d = inv_std * (factor * dy[e] - (of_sums + normed * of_dots));
        if gate != 0u { d *= slope_from_output(gate, p_backward.gate_alpha, gate_y[e]); }
        dx[e] = d;
    }
}
