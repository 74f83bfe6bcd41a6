// The Kullback-Leibler divergence of q(z|x) = N(mean, exp(logvar)) from N(0, 1), in nats, by row:
//
//   rows[r] = −½ Σ_l (1 + logvar − mean² − exp(logvar))       one workgroup of 64 per row, by a tree
//   dheads += rates[3] · weight · ∂rows/∂heads, that is       one invocation per element
//             mean for the mean, ½ (exp(logvar) − 1) for logvar
//
// heads and dheads are [m, 2 latent]: the means of a row, then its log variances. rates[3] is the weight of the
// divergence at this step. exp sees no more than ±80.
// Needs common/grid.wgsl.

struct Params {
    m: u32,
    latent: u32,
}

@group(0) @binding(0) var<storage, read> heads: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> tree: array<f32, 64>;

fn variance(logvar: f32) -> f32 {
    return exp(clamp(logvar, -80.0, 80.0));
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
    for (var l = local; l < end; l += 64u) {
        let mean = heads[row + l];
        let logvar = heads[row + p.latent + l];
        sum += 1.0 + logvar - mean * mean - variance(logvar);
    }
    tree[local] = sum;
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] += tree[local + reach]; }
    }
    if local == 0u && r < p.m { rows[r] = -0.5 * tree[0]; }
}

struct BackwardParams {
    len: u32,
    latent: u32,
    weight: f32,
}

@group(0) @binding(1) var<storage, read> rates: array<f32>;
@group(0) @binding(2) var<storage, read_write> dheads: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: BackwardParams;

@compute @workgroup_size(256)
fn kl_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.len { return; }
    let head = heads[i];
    let is_mean = i % (2u * p_backward.latent) < p_backward.latent;
    let slope = select(0.5 * (variance(head) - 1.0), head, is_mean);
    dheads[i] += rates[3] * p_backward.weight * slope;
}
