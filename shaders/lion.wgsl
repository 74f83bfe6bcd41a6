// Lion (Chen et al., 2023, algorithm 2) over the len elements of a network's flat arenas:
//   g ← min(1, clip / (√norm + 10⁻⁶)) g                     if clip > 0; norm = Σ g²
//   c = β₁ m + (1 − β₁) g
//   w ← (1 − lr λ) w − lr sign(c)
//   m ← β₂ m + (1 − β₂) g
// rates = (lr, ·, ·, ·) comes from tick. sign(0) is 0, and sign(NaN) is NaN. The stored gradient is set to zero, for
// the next step to add to. One invocation per four elements; len is a multiple of four.
// Needs common/grid.wgsl, common/nan.wgsl and common/clip.wgsl.

struct Params {
    len: u32,
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    decay: f32,
    clip: f32,
}

@group(0) @binding(0) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

fn sign_of(c: vec4<f32>) -> vec4<f32> {
    return select(sign(c), c, vec4(is_nan(c.x), is_nan(c.y), is_nan(c.z), is_nan(c.w)));
}

// Updates the i-th four elements.
fn descend(i: u32, scale: f32, rate: f32) {
    let grad = scale * g[i];
    let c = p.beta1 * m[i] + p.one_minus_beta1 * grad;
    w[i] = (1.0 - rate * p.decay) * w[i] - rate * sign_of(c);
    g[i] = vec4(0.0);
    m[i] = p.beta2 * m[i] + p.one_minus_beta2 * grad;
}

@compute @workgroup_size(64)
fn lion(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    let scale = clip_scale(p.clip, norm[0]);
    let rate = rates[0];
    if 4u * i < p.len { descend(i, scale, rate); }
}
