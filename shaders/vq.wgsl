// Vector quantisation: every row of z [m, dim] becomes its code, the nearest row of a codebook e [k, dim].
//
//   vq_nearest             nearest[r] = argmin_j norms[j] − 2 scores[r, j], with norms[j] = Σ e[j]² and scores = z eᵀ:
//                          the squared distance without Σ z[r]², which is the same for every j; the lower j of equal
//                          ones; one workgroup of 64 per row, by a tree, so that adjacent invocations read adjacent j
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
}

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read_write> nearest: array<u32>;
@group(0) @binding(3) var<uniform> p_nearest: NearestParams;

var<workgroup> distances: array<f32, 64>;
var<workgroup> codes: array<u32, 64>;

@compute @workgroup_size(64)
fn vq_nearest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p_nearest.k, r < p_nearest.m);
    var distance = 3.402823e38;
    var code = 0u;
    for (var j = local; j < end; j += 64u) {
        let found = norms[j] - 2.0 * scores[r * p_nearest.k + j];
        if found < distance {
            distance = found;
            code = j;
        }
    }
    distances[local] = distance;
    codes[local] = code;
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach {
            let other = distances[local + reach];
            let tied = other == distances[local] && codes[local + reach] < codes[local];
            if other < distances[local] || tied {
                distances[local] = other;
                codes[local] = codes[local + reach];
            }
        }
    }
    if local == 0u && r < p_nearest.m { nearest[r] = codes[0]; }
}

struct ElementParams {
    len: u32,
    width: u32,
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> codebook: array<f32>;
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

@group(0) @binding(0) var<storage, read> z: array<f32>;
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
