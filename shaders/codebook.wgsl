// Maintenance of a codebook e [k, dim] for rows z [m, dim]: running averages, initialisation, restarts, and usage.
//
//   codebook_ema             size = left · size + gain · counts, total = left · total + gain · sums, with counts, size
//                            [k] and sums, total [k, dim]; one invocation per element of total, the first of a row
//                            also for its size
//   codebook_smooth          e = total / ((size + ε) / (n + k ε) n), with n [1] = Σ size; one invocation per element
//   codebook_perplexity      perplexity [1] = exp(−Σ p ln p), p = histogram / Σ histogram, and used [1] = the number
//                            of codes with p > 0; one workgroup of 256, by trees
//   codebook_dead            chosen[j] = a random row where usage[j] < threshold, otherwise NONE; one invocation per j
//   codebook_draw            row [1] = r with probability proportional to distance[r] (see there); one workgroup
//   codebook_nearer          distance[r] = min(distance[r], Σ (z[r] − z[row])²), without the minimum for the first
//                            code; one invocation per row
//   codebook_place           e[first + j] = z[source[j]] unless source[j] is NONE; one invocation per element
//   codebook_place_averages  size = weight and total = weight · z[source[j]], likewise
//
// Needs common/grid.wgsl, common/nan.wgsl, common/philox.wgsl, common/elementary.wgsl and common/tree.wgsl.

// Stream::Codebook of schedule/random.rs.
const CODEBOOK = 6u;
// Marks "no row".
const NONE = 0xffffffffu;

struct EmaParams {
    len: u32,
    dim: u32,
    left: f32,
    gain: f32,
}

@group(0) @binding(0) var<storage, read> counts: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> size: array<f32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;
@group(0) @binding(4) var<uniform> p_ema: EmaParams;

@compute @workgroup_size(64)
fn codebook_ema(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_ema.len { return; }
    total[i] = p_ema.left * total[i] + p_ema.gain * sums[i];
    if i % p_ema.dim == 0u {
        let j = i / p_ema.dim;
        size[j] = p_ema.left * size[j] + p_ema.gain * counts[j];
    }
}

struct SmoothParams {
    len: u32,
    dim: u32,
    k: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<storage, read> sizes: array<f32>;
@group(0) @binding(1) var<storage, read> totals: array<f32>;
@group(0) @binding(2) var<storage, read> n: array<f32>;
@group(0) @binding(3) var<storage, read_write> codebook: array<f32>;
@group(0) @binding(4) var<uniform> p_smooth: SmoothParams;

@compute @workgroup_size(64)
fn codebook_smooth(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_smooth.len { return; }
    let share = (sizes[i / p_smooth.dim] + p_smooth.epsilon) / (n[0] + f32(p_smooth.k) * p_smooth.epsilon);
    codebook[i] = totals[i] / (share * n[0]);
}

struct PerplexityParams {
    k: u32,
}

@group(0) @binding(0) var<storage, read> histogram: array<f32>;
@group(0) @binding(1) var<storage, read_write> perplexity: array<f32>;
@group(0) @binding(2) var<storage, read_write> used: array<f32>;
@group(0) @binding(3) var<uniform> p_perplexity: PerplexityParams;

@compute @workgroup_size(256)
fn codebook_perplexity(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var j = local; j < p_perplexity.k; j += 256u) { sum += histogram[j]; }
    sum = tree_sum(local, sum);
    var entropy = 0.0;
    var count = 0.0;
    for (var j = local; j < p_perplexity.k; j += 256u) {
        if histogram[j] > 0.0 {
            let share = histogram[j] / sum;
            entropy -= share * ln(share);
            count += 1.0;
        }
    }
    entropy = tree_sum(local, entropy);
    count = tree_sum(local, count);
    if local == 0u {
        perplexity[0] = exponential(entropy);
        used[0] = count;
    }
}

struct DeadParams {
    k: u32,
    m: u32,
    threshold: f32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<storage, read> usage: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<uniform> p_dead: DeadParams;

@compute @workgroup_size(64)
fn codebook_dead(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let j = group_index(group, groups) * 64u + local;
    if j >= p_dead.k { return; }
    let word = philox(vec4<u32>(j, CODEBOOK, clock[0], 0u), vec2<u32>(p_dead.key0, p_dead.key1)).x;
    chosen[j] = select(NONE, multiply_high(word, p_dead.m), usage[j] < p_dead.threshold);
}

struct DrawParams {
    m: u32,
    bits: u32,
    code: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<storage, read> distance: array<f32>;
@group(0) @binding(2) var<storage, read_write> row: array<u32>;
@group(0) @binding(3) var<uniform> p_draw: DrawParams;

var<workgroup> ranges: array<u32, 256>;

// Row r is drawn with probability w[r] / Σ w, where w[r] is distance[r] in units of 2^−bits of the least power of two
// above the largest distance, rounded down. Scaling by a power of two is exact, so every device gets the same integers,
// whose sums do not depend on the order of addition; m 2^bits ≤ 2³² keeps them from overflowing (asserted in
// ops/codebook.rs). If all rows coincide with codes, and for the first code, every w is zero and all rows are equally
// likely. Each invocation has a range of consecutive rows; the one whose range contains the draw searches it there.
@compute @workgroup_size(256)
fn codebook_draw(@builtin(local_invocation_index) local: u32) {
    let length = (p_draw.m + 255u) / 256u;
    let begin = min(local * length, p_draw.m);
    let end = min(begin + length, p_draw.m);
    var largest = 0.0;
    for (var r = begin; r < end; r++) { largest = max(largest, distance[r]); }
    largest = tree_max(local, largest);
    let exponent = bitcast<u32>(largest) >> 23u;
    let scale = select(0.0, bitcast<f32>((p_draw.bits + 253u - exponent) << 23u), largest > 1e-30);
    var own = 0u;
    for (var r = begin; r < end; r++) { own += u32(distance[r] * scale); }
    ranges[local] = own;
    workgroupBarrier();
    var before = 0u;
    var sum = 0u;
    for (var i = 0u; i < 256u; i++) {
        if i == local { before = sum; }
        sum += ranges[i];
    }
    let word = philox(vec4<u32>(p_draw.code, CODEBOOK, clock[0], 1u), vec2<u32>(p_draw.key0, p_draw.key1)).x;
    if sum == 0u {
        if local == 0u { row[0] = multiply_high(word, p_draw.m); }
        return;
    }
    let place = multiply_high(word, sum);
    if place < before || place - before >= own { return; }
    var reached = before;
    for (var r = begin; r < end; r++) {
        reached += u32(distance[r] * scale);
        if reached > place {
            row[0] = r;
            return;
        }
    }
}

struct NearerParams {
    m: u32,
    dim: u32,
    first: u32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> source: array<u32>;
@group(0) @binding(2) var<storage, read_write> nearer: array<f32>;
@group(0) @binding(3) var<uniform> p_nearer: NearerParams;

@compute @workgroup_size(64)
fn codebook_nearer(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_nearer.m { return; }
    var sum = 0.0;
    for (var l = 0u; l < p_nearer.dim; l++) {
        let off = z[r * p_nearer.dim + l] - z[source[0] * p_nearer.dim + l];
        sum += off * off;
    }
    if p_nearer.first != 0u {
        nearer[r] = sum;
    } else {
        nearer[r] = min(nearer[r], sum);
    }
}

struct PlaceParams {
    len: u32,
    dim: u32,
    m: u32,
    first: u32,
    weight: f32,
}

@group(0) @binding(2) var<storage, read_write> codes: array<f32>;
@group(0) @binding(3) var<uniform> p_place: PlaceParams;

@compute @workgroup_size(64)
fn codebook_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_place.len { return; }
    let r = source[i / p_place.dim];
    if r >= p_place.m { return; }
    codes[p_place.first * p_place.dim + i] = z[r * p_place.dim + i % p_place.dim];
}

@group(0) @binding(4) var<uniform> p_averages: PlaceParams;

@compute @workgroup_size(64)
fn codebook_place_averages(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_averages.len { return; }
    let j = i / p_averages.dim;
    let r = source[j];
    if r >= p_averages.m { return; }
    total[p_averages.first * p_averages.dim + i] = p_averages.weight * z[r * p_averages.dim + i % p_averages.dim];
    if i % p_averages.dim == 0u { size[p_averages.first + j] = p_averages.weight; }
}
