// The divergence, in nats, that a flow from z0 to z adds to that of q(z0) from N(0, 1), by one draw of each row:
//
//   flow_divergence            rows[r] = ½ Σ_l (z² − z0²) − log_slope[r]     one workgroup of 64 per row, by a tree
//   flow_divergence_backward   dz = g z, dz0 = −g z0, and dslope = −g,       one invocation per element of z
//                              with g = rates[3] · weight
//
// z, z0, dz and dz0 are [m, d], log_slope is [m]; dslope has `slopes` elements, at most m · d.
// Needs common/grid.wgsl.

struct Params {
    m: u32,
    d: u32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> z0: array<f32>;
@group(0) @binding(2) var<storage, read> log_slope: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

var<workgroup> tree: array<f32, 64>;

@compute @workgroup_size(64)
fn flow_divergence(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p.d, r < p.m);
    var sum = 0.0;
    for (var l = local; l < end; l += 64u) {
        let at = r * p.d + l;
        sum += (z[at] - z0[at]) * (z[at] + z0[at]);
    }
    tree[local] = sum;
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] += tree[local + reach]; }
    }
    if local == 0u && r < p.m { rows[r] = 0.5 * tree[0] - log_slope[r]; }
}

struct BackwardParams {
    len: u32,
    slopes: u32,
    weight: f32,
}

@group(0) @binding(2) var<storage, read> rates: array<f32>;
@group(0) @binding(3) var<storage, read_write> dz: array<f32>;
@group(0) @binding(4) var<storage, read_write> dz0: array<f32>;
@group(0) @binding(5) var<storage, read_write> dslope: array<f32>;
@group(0) @binding(6) var<uniform> p_backward: BackwardParams;

@compute @workgroup_size(256)
fn flow_divergence_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.len { return; }
    let g = rates[3] * p_backward.weight;
    dz[i] = g * z[i];
    dz0[i] = -g * z0[i];
    if i < p_backward.slopes { dslope[i] = -g; }
}
