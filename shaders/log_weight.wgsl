// The logarithm of an importance weight, log p(x|z) + log p(z) − log q(z|x) at z = mean + exp(½ logvar) eps:
//
//   y[r] = −recon[r] − ½ Σ_l z[r, l]² + ½ Σ_l (eps[r, l]² + logvar[r / repeat, l])
//
// where the terms in 2π cancel. recon [m · repeat] is −log p(x|z); z and eps are [m · repeat, latent]; heads
// [m, 2 latent] holds the means of a row, then its log variances. One invocation per element of y.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    latent: u32,
    repeat: u32,
}

@group(0) @binding(0) var<storage, read> recon: array<f32>;
@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> eps: array<f32>;
@group(0) @binding(3) var<storage, read> heads: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

@compute @workgroup_size(256)
fn log_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 256u + local;
    if r >= p.len { return; }
    let logvars = (r / p.repeat) * 2u * p.latent + p.latent;
    var sum = 0.0;
    for (var l = 0u; l < p.latent; l++) {
        let at = r * p.latent + l;
        sum += eps[at] * eps[at] + heads[logvars + l] - z[at] * z[at];
    }
    y[r] = 0.5 * sum - recon[r];
}
