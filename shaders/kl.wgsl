// The Kullback-Leibler divergence of q(z|x) = N(mean, exp(logvar)) from N(0, 1), in nats, by row:
//
//   rows[r] = −½ Σ_l (1 + logvar − mean² − exp(logvar))       one workgroup of 64 per row, by a tree
//   units[l] = −1/2m Σ_r (1 + logvar − mean² − exp(logvar))   one workgroup of 64 per column, by a tree
//   dheads += rates[3] · weight · ∂rows/∂heads, that is       one invocation per element
//             mean for the mean, ½ (exp(logvar) − 1) for logvar
//   … in kl_backward_free only where of_units[l] ≥ free: the gradient of m Σ_l max(free, units[l])
//   … in kl_backward_held with weight · sign(of_rows[r] − rates[3]) instead: that of Σ_r |rows[r] − rates[3]|
//
// heads and dheads are [m, 2 latent]: the means of a row, then its log variances. rates[3] is the weight of the
// divergence at this step, or its capacity; of_units and of_rows are the outputs of kl_units and kl. The argument of
// exp is clamped to ±80.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    m: u32,
    latent: u32,
}

@group(0) @binding(0) var<storage, read> heads: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> tree: array<f32, 64>;

fn variance(logvar: f32) -> f32 {
    return exponential(logvar);
}

fn term(mean: f32, logvar: f32) -> f32 {
    return 1.0 + logvar - mean * mean - variance(logvar);
}

// Sums the tree over all 64 invocations, into tree[0].
fn sum_tree(local: u32) {
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] += tree[local + reach]; }
    }
}

@compute @workgroup_size(64)
fn kl(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p.latent, r < p.m);
    let row = r * 2u * p.latent;
    var sum = 0.0;
    for (var l = local; l < end; l += 64u) { sum += term(heads[row + l], heads[row + p.latent + l]); }
    tree[local] = sum;
    sum_tree(local);
    if local == 0u && r < p.m { rows[r] = -0.5 * tree[0]; }
}

@group(0) @binding(1) var<storage, read_write> units: array<f32>;

@compute @workgroup_size(64)
fn kl_units(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let l = group_index(group, groups);
    let end = select(0u, p.m, l < p.latent);
    var sum = 0.0;
    for (var r = local; r < end; r += 64u) {
        let i = r * 2u * p.latent + l;
        sum += term(heads[i], heads[i + p.latent]);
    }
    tree[local] = sum;
    sum_tree(local);
    if local == 0u && l < p.latent { units[l] = -0.5 * tree[0] / f32(p.m); }
}

struct BackwardParams {
    len: u32,
    latent: u32,
    weight: f32,
}

@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> dheads: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: BackwardParams;

// ∂rows/∂heads of element i.
fn slope(i: u32, latent: u32) -> f32 {
    let head = heads[i];
    return select(0.5 * (variance(head) - 1.0), head, i % (2u * latent) < latent);
}

@compute @workgroup_size(256)
fn kl_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.len { return; }
    dheads[i] += rates[3] * p_backward.weight * slope(i, p_backward.latent);
}

struct BoundedParams {
    len: u32,
    latent: u32,
    weight: f32,
    free: f32,
}

@group(0) @binding(3) var<storage, read> of_units: array<f32>;
@group(0) @binding(3) var<storage, read> of_rows: array<f32>;
@group(0) @binding(4) var<uniform> p_bounded: BoundedParams;

@compute @workgroup_size(256)
fn kl_backward_free(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_bounded.len || of_units[i % p_bounded.latent] < p_bounded.free { return; }
    dheads[i] += rates[3] * p_bounded.weight * slope(i, p_bounded.latent);
}

@compute @workgroup_size(256)
fn kl_backward_held(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_bounded.len { return; }
    let side = sign(of_rows[i / (2u * p_bounded.latent)] - rates[3]);
    dheads[i] += side * p_bounded.weight * slope(i, p_bounded.latent);
}
