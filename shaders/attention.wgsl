// Attention of the positions of an image to each other, by heads of d channels: y [n, m, c], c = heads d, of
// qkv [n, m, 3 c], whose channels are q | k | v with the heads side by side in each. Of one image and head, with rows
// q_i, k_j, v_j and y_i of d numbers:
//
//   s_ij = q_i · k_j / √d,   p_ij = exp(s_ij − max_j s_ij) / Σ_j exp(s_ij − max_j s_ij),   y_i = Σ_j p_ij v_j
//
//   attention                  prob [n, heads, m, m] = p, and y
//   attention_backward_scores  dscore [n, heads, m, m]: the gradient by q_i · k_j, (dp_ij − Σ_j p_ij dp_ij) p_ij / √d
//                              with dp_ij = dy_i · v_j
//   attention_backward         dqkv: dq_i = Σ_j dscore_ij k_j, dk_j = Σ_i dscore_ij q_i, dv_j = Σ_i p_ij dy_i
//
// The first two have one workgroup per ROWS values of i, of one image and head. LANES invocations share an i; each has
// every LANES-th j, and then every LANES-th channel of y_i. The last has one invocation per element of dqkv.
// m is at most POSITIONS, as ops/attention.rs asserts.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

const POSITIONS: u32 = 256u;
const ROWS: u32 = 8u;
const LANES: u32 = 32u;
// The lowest number, which is no maximum of others.
const LOWEST: f32 = -3.402823e38;

struct Params {
    n: u32,
    m: u32,
    heads: u32,
    d: u32,
}

// A number for each j of every row of a workgroup.
var<workgroup> across: array<f32, 2048>;
// A number of each invocation.
var<workgroup> of_lanes: array<f32, 256>;

// The row of an invocation.
struct Row {
    // False beyond the last i. The row is then that of another invocation, and nothing may be written.
    inside: bool,
    image: u32,
    head: u32,
    i: u32,
}

fn row_of(p: Params, group: u32, local: u32) -> Row {
    let tiles = (p.m + ROWS - 1u) / ROWS;
    let plane = group / tiles;
    let i = group % tiles * ROWS + local / LANES;
    let inside = plane < p.n * p.heads && i < p.m;
    let at = select(0u, plane, inside);
    return Row(inside, at / p.heads, at % p.heads, select(0u, i, inside));
}

// The sum of one number of each lane of a row, in the order of the lanes. All 256 must call.
fn sum_of_lanes(local: u32, value: f32) -> f32 {
    of_lanes[local] = value;
    workgroupBarrier();
    let first = local / LANES * LANES;
    var sum = 0.0;
    for (var lane = 0u; lane < LANES; lane++) { sum += of_lanes[first + lane]; }
    workgroupBarrier();
    return sum;
}

// The maximum likewise.
fn max_of_lanes(local: u32, value: f32) -> f32 {
    of_lanes[local] = value;
    workgroupBarrier();
    let first = local / LANES * LANES;
    var top = of_lanes[first];
    for (var lane = 1u; lane < LANES; lane++) { top = max(top, of_lanes[first + lane]); }
    workgroupBarrier();
    return top;
}

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> prob: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn attention(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = row_of(p, group_index(group, groups), local);
    let lane = local % LANES;
    let start = local / LANES * POSITIONS; // of the row in `across`
    let c = p.heads * p.d;
    let keys = row.image * p.m * 3u * c + c + row.head * p.d;
    let values = keys + c;
    let query = keys - c + row.i * 3u * c;
    let scale = 1.0 / sqrt(f32(p.d));
    var top = LOWEST;
    for (var j = lane; j < p.m; j += LANES) {
        let key = keys + j * 3u * c;
        var dot = 0.0;
        for (var l = 0u; l < p.d; l++) { dot += qkv[query + l] * qkv[key + l]; }
        across[start + j] = scale * dot;
        top = max(top, scale * dot);
    }
    top = max_of_lanes(local, top);
    var sum = 0.0;
    for (var j = lane; j < p.m; j += LANES) {
        let e = exponential(across[start + j] - top);
        across[start + j] = e;
        sum += e;
    }
    sum = sum_of_lanes(local, sum);
    let first = ((row.image * p.heads + row.head) * p.m + row.i) * p.m;
    for (var j = lane; j < p.m; j += LANES) {
        let share = across[start + j] / sum;
        across[start + j] = share;
        if row.inside { prob[first + j] = share; }
    }
    workgroupBarrier();
    let end = select(0u, p.d, row.inside);
    for (var l = lane; l < end; l += LANES) {
        var total = 0.0;
        for (var j = 0u; j < p.m; j++) { total += across[start + j] * qkv[values + j * 3u * c + l]; }
        y[(row.image * p.m + row.i) * c + row.head * p.d + l] = total;
    }
}

@group(0) @binding(1) var<storage, read> saved: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dscore: array<f32>;
@group(0) @binding(4) var<uniform> p_scores: Params;

@compute @workgroup_size(256)
fn attention_backward_scores(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m = p_scores.m;
    let d = p_scores.d;
    let row = row_of(p_scores, group_index(group, groups), local);
    let lane = local % LANES;
    let start = local / LANES * POSITIONS;
    let c = p_scores.heads * d;
    let values = row.image * m * 3u * c + 2u * c + row.head * d;
    let upstream = (row.image * m + row.i) * c + row.head * d;
    let first = ((row.image * p_scores.heads + row.head) * m + row.i) * m;
    var mean = 0.0;
    for (var j = lane; j < m; j += LANES) {
        let value = values + j * 3u * c;
        var dot = 0.0;
        for (var l = 0u; l < d; l++) { dot += dy[upstream + l] * qkv[value + l]; }
        across[start + j] = dot;
        mean += saved[first + j] * dot;
    }
    mean = sum_of_lanes(local, mean);
    let scale = 1.0 / sqrt(f32(d));
    let end = select(0u, m, row.inside);
    for (var j = lane; j < end; j += LANES) {
        dscore[first + j] = scale * saved[first + j] * (across[start + j] - mean);
    }
}

@group(0) @binding(3) var<storage, read> dscores: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;
@group(0) @binding(5) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn attention_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let m = p_backward.m;
    let c = p_backward.heads * p_backward.d;
    let e = group_index(group, groups) * 256u + local;
    if e >= p_backward.n * m * 3u * c { return; }
    let image = e / (m * 3u * c);
    let position = e / (3u * c) % m;
    let channel = e % c; // of q, k or v
    let plane = (image * p_backward.heads + channel / p_backward.d) * m * m;
    let first = image * m * 3u * c + channel; // of the image's channel in q
    var sum = 0.0;
    switch e % (3u * c) / c {
        case 0u: {
            let scores = plane + position * m;
            for (var j = 0u; j < m; j++) { sum += dscores[scores + j] * qkv[first + c + j * 3u * c]; }
        }
        case 1u: {
            for (var i = 0u; i < m; i++) { sum += dscores[plane + i * m + position] * qkv[first + i * 3u * c]; }
        }
        default: {
            let upstream = image * m * c + channel;
            for (var i = 0u; i < m; i++) { sum += saved[plane + i * m + position] * dy[upstream + i * c]; }
        }
    }
    dqkv[e] = sum;
}
