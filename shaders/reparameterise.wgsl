// z = μ + e^(½ logvar) ε, and the gradients of μ and logvar (Kingma and Welling, Auto-encoding variational Bayes,
// §2.4). heads [m, 2L] holds μ | logvar row by row; row r of eps and z [m · repeat, L] belongs to row r / repeat of
// heads. logvar is clamped to ±80, as in the divergence (kl.wgsl). Beyond that the gradient is that of the clamped
// exponential, not zero, so that training can recover. One invocation per element of z; in the backward pass one per
// element of μ, which sums over the repeats in order.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    latent: u32,
    repeat: u32,
}

@group(0) @binding(0) var<storage, read> heads: array<f32>;
@group(0) @binding(1) var<storage, read> eps: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

fn deviation(logvar: f32) -> f32 {
    return exponential(clamp(0.5 * logvar, -40.0, 40.0));
}

@compute @workgroup_size(64)
fn reparameterise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let row = i / p.latent / p.repeat;
    let mean = row * 2u * p.latent + i % p.latent;
    z[i] = heads[mean] + deviation(heads[mean + p.latent]) * eps[i];
}

@group(0) @binding(2) var<storage, read> dz: array<f32>;
@group(0) @binding(3) var<storage, read_write> dheads: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn reparameterise_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_backward.len { return; }
    let latent = p_backward.latent;
    let row = i / latent;
    let mean = row * 2u * latent + i % latent;
    var dmean = 0.0;
    var along = 0.0;
    for (var k = 0u; k < p_backward.repeat; k++) {
        let at = (row * p_backward.repeat + k) * latent + i % latent;
        dmean += dz[at];
        along += dz[at] * eps[at];
    }
    dheads[mean] = dmean;
    dheads[mean + latent] = 0.5 * deviation(heads[mean + latent]) * along;
}
