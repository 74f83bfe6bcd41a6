// Stochastic gradient descent in PyTorch's form, without dampening, over the len elements of a network's flat arenas:
//   g ← min(1, clip / (√norm + 10⁻⁶)) g + λ w                if clip > 0; norm = Σ g²
//   b ← μ b + g                                              with momentum; else b is g
//   w ← w − lr b, or w − lr (g + μ b)                        plain, or nesterov (Sutskever et al., 2013)
// rates = (lr, ·, ·, ·) comes from tick. The stored gradient is set to zero, for the next step to add to.
// One invocation per four elements; len is a multiple of four. Needs common/grid.wgsl and common/clip.wgsl.

struct Params {
    len: u32,
    nesterov: u32,
    mu: f32,
    decay: f32,
    clip: f32,
}

@group(0) @binding(0) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rates: array<f32>;
@group(0) @binding(3) var<storage, read> norm: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// The clipped gradient of the i-th four elements with its weight decay; the stored one becomes zero.
fn gradient(i: u32, scale: f32, decay: f32) -> vec4<f32> {
    let grad = scale * g[i] + decay * w[i];
    g[i] = vec4(0.0);
    return grad;
}

// Moves the i-th four elements against a direction.
fn descend(i: u32, rate: f32, direction: vec4<f32>) {
    w[i] -= rate * direction;
}

@compute @workgroup_size(64)
fn sgd(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    let scale = clip_scale(p.clip, norm[0]);
    let rate = rates[0];
    if 4u * i < p.len {
        descend(i, rate, gradient(i, scale, p.decay));
    }
}

@group(0) @binding(4) var<storage, read_write> momentum: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> p_momentum: Params;

// Adds a gradient to the momentum of the i-th four elements and returns the direction of the step.
fn accelerate(i: u32, grad: vec4<f32>, p: Params) -> vec4<f32> {
    let b = p.mu * momentum[i] + grad;
    momentum[i] = b;
    if p.nesterov != 0u { return grad + p.mu * b; }
    return b;
}

@compute @workgroup_size(64)
fn sgd_momentum(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let p = p_momentum;
    let i = group_index(group, groups) * 64u + local;
    let scale = clip_scale(p.clip, norm[0]);
    let rate = rates[0];
    if 4u * i < p.len {
        descend(i, rate, accelerate(i, gradient(i, scale, p.decay), p));
    }
}
