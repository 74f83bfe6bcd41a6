// Vector quantisation: every row of z [m, dim] becomes its code, the nearest row of a codebook e [k, dim].
//
//   vq_nearest             nearest[r] = argmin_j Σ_l (z[r, l] − e[j, l])², the lower j of equal ones; one workgroup of
//                          64 per row, so that adjacent invocations read adjacent j. norms[j] − 2 scores[r, j], with
//                          norms[j] = Σ e[j]² and scores = z eᵀ, is that distance without Σ z[r]², up to a rounding of
//                          slack · norms[j]. The differences are summed only if several codes may be the nearest by
//                          it, and only for these
//   vq_lookup              q[r] = e[index[r]]; one invocation per element
//   vq_one_hot             one_hot[r, j] = 1 where j = index[r], otherwise 0; one invocation per element
//   vq_loss                rows[r] = scale · Σ_l (z − q)², where q [m, dim] is the output of vq_lookup; one invocation
//                          per row, in order, since rows are short
//   vq_loss_with_gradient  the same, and dz += slope · (z − q)
//   vq_codebook_backward   de += slope · (counts[j] e − sums), with counts [k] = Σ_r one_hot and
//                          sums [k, dim] = one_hotᵀ z; one invocation per element
//
// Every index is below k: vq_nearest returns no other, even if z is not finite.
// Needs common/grid.wgsl.

struct NearestParams {
    m: u32,
    k: u32,
    dim: u32,
    slack: f32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> codebook: array<f32>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;
@group(0) @binding(4) var<storage, read_write> nearest: array<u32>;
@group(0) @binding(5) var<uniform> p_nearest: NearestParams;

const FARTHEST: f32 = 3.402823e38;

var<workgroup> distances: array<f32, 64>;
var<workgroup> seconds: array<f32, 64>;
var<workgroup> codes: array<u32, 64>;
// Codes at most this far, by their lower bounds, may be the nearest; and 1 if there are several.
var<workgroup> limit: f32;
var<workgroup> several: u32;

// The least that |z[r] − e[j]|² − |z[r]|² can be, given the rounding of norms and scores.
fn lower_bound(r: u32, j: u32) -> f32 {
    return norms[j] - 2.0 * scores[r * p_nearest.k + j] - p_nearest.slack * norms[j];
}

fn squared_distance(r: u32, j: u32) -> f32 {
    var sum = 0.0;
    for (var l = 0u; l < p_nearest.dim; l++) {
        let off = z[r * p_nearest.dim + l] - codebook[j * p_nearest.dim + l];
        sum += off * off;
    }
    return sum;
}

// Moves the least of places first, first + step, … to the first with its code, the lowest of equally near ones, and the
// least of all others there, of both arrays, to its second.
fn least_of_eight(first: u32, step: u32) {
    var least = distances[first];
    var second = seconds[first];
    var code = codes[first];
    for (var at = first + step; at < first + 8u * step; at += step) {
        let other = distances[at];
        second = min(max(least, other), min(second, seconds[at]));
        let tied = other == least && codes[at] < code;
        if other < least || tied {
            least = other;
            code = codes[at];
        }
    }
    distances[first] = least;
    seconds[first] = second;
    codes[first] = code;
}

// The same for all 64 places, to the first, in two steps of eight, since barriers are slow.
fn least_of_all(local: u32) {
    workgroupBarrier();
    if local < 8u { least_of_eight(8u * local, 1u); }
    workgroupBarrier();
    if local == 0u { least_of_eight(0u, 8u); }
}

@compute @workgroup_size(64)
fn vq_nearest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p_nearest.k, r < p_nearest.m);
    var least = FARTHEST;
    var second = FARTHEST;
    var code = 0u;
    for (var j = local; j < end; j += 64u) {
        let found = lower_bound(r, j);
        second = min(second, max(least, found));
        if found < least {
            least = found;
            code = j;
        }
    }
    distances[local] = least;
    seconds[local] = second;
    codes[local] = code;
    least_of_all(local);
    if local == 0u {
        limit = distances[0] + 2.0 * p_nearest.slack * norms[codes[0]];
        several = select(0u, 1u, seconds[0] <= limit);
        if r < p_nearest.m { nearest[r] = codes[0]; }
    }
    if workgroupUniformLoad(&several) == 1u {
        least = FARTHEST;
        code = 0u;
        for (var j = local; j < end; j += 64u) {
            if lower_bound(r, j) <= limit {
                let found = squared_distance(r, j);
                if found < least {
                    least = found;
                    code = j;
                }
            }
        }
        distances[local] = least;
        codes[local] = code;
        least_of_all(local);
        if local == 0u && r < p_nearest.m { nearest[r] = codes[0]; }
    }
}

struct ElementParams {
    len: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> q: array<f32>;
@group(0) @binding(3) var<uniform> p_lookup: ElementParams;

@compute @workgroup_size(64)
fn vq_lookup(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_lookup.len { return; }
    q[i] = codebook[index[i / p_lookup.width] * p_lookup.width + i % p_lookup.width];
}

@group(0) @binding(1) var<storage, read_write> one_hot: array<f32>;
@group(0) @binding(2) var<uniform> p_one_hot: ElementParams;

@compute @workgroup_size(64)
fn vq_one_hot(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_one_hot.len { return; }
    one_hot[i] = select(0.0, 1.0, i % p_one_hot.width == index[i / p_one_hot.width]);
}

struct LossParams {
    m: u32,
    dim: u32,
    scale: f32,
    slope: f32,
}

@group(0) @binding(1) var<storage, read> quantised: array<f32>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> p_loss: LossParams;

@compute @workgroup_size(64)
fn vq_loss(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_loss.m { return; }
    var sum = 0.0;
    for (var at = r * p_loss.dim; at < (r + 1u) * p_loss.dim; at++) {
        let off = z[at] - quantised[at];
        sum += off * off;
    }
    rows[r] = p_loss.scale * sum;
}

@group(0) @binding(3) var<storage, read_write> dz: array<f32>;
@group(0) @binding(4) var<uniform> p_gradient: LossParams;

@compute @workgroup_size(64)
fn vq_loss_with_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_gradient.m { return; }
    var sum = 0.0;
    for (var at = r * p_gradient.dim; at < (r + 1u) * p_gradient.dim; at++) {
        let off = z[at] - quantised[at];
        sum += off * off;
        dz[at] += p_gradient.slope * off;
    }
    rows[r] = p_gradient.scale * sum;
}

struct BackwardParams {
    len: u32,
    dim: u32,
    slope: f32,
}

@group(0) @binding(0) var<storage, read> counts: array<f32>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> de: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: BackwardParams;

@compute @workgroup_size(64)
fn vq_codebook_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_backward.len { return; }
    de[i] += p_backward.slope * (counts[i / p_backward.dim] * codebook[i] - sums[i]);
}
