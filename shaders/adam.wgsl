// Adam (Kingma and Ba, 2015, algorithm 1) in PyTorch's form, over the len elements of a network's flat arenas:
//   g ← min(1, clip / (√norm + 10⁻⁶)) g                     if clip > 0; norm = Σ g²
//   w ← (1 − lr λ) w, or g ← g + λ w                         decoupled (Loshchilov and Hutter, 2019), or not
//   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
//   w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
//   average ← a average + (1 − a) w                          in adam_averaged
// rates = (lr, 1 − β₁ᵗ, 1 − β₂ᵗ, ·) comes from tick. The stored gradient is left at zero, for the next step to add to.
// One invocation per element. Needs common/grid.wgsl.

struct Params {
    len: u32,
    decoupled: u32,
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    decay: f32,
    clip: f32,
    keep: f32,
    one_minus_keep: f32,
}

@group(0) @binding(0) var<storage, read_write> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> m: array<f32>;
@group(0) @binding(3) var<storage, read_write> v: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;

// Updates element i and returns its new weight.
fn descend(i: u32, p: Params) -> f32 {
    var weight = w[i];
    var grad = g[i];
    if p.clip > 0.0 { grad *= min(1.0, p.clip / (sqrt(norm[0]) + 1e-6)); }
    if p.decay > 0.0 {
        if p.decoupled != 0u {
            weight *= 1.0 - rates[0] * p.decay;
        } else {
            grad += p.decay * weight;
        }
    }
    let first = p.beta1 * m[i] + p.one_minus_beta1 * grad;
    let second = p.beta2 * v[i] + p.one_minus_beta2 * grad * grad;
    weight -= rates[0] / rates[1] * first / (sqrt(second) / sqrt(rates[2]) + p.epsilon);
    w[i] = weight;
    g[i] = 0.0;
    m[i] = first;
    v[i] = second;
    return weight;
}

@compute @workgroup_size(64)
fn adam(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    descend(i, p);
}

@group(0) @binding(6) var<storage, read_write> average: array<f32>;
@group(0) @binding(7) var<uniform> p_averaged: Params;

@compute @workgroup_size(64)
fn adam_averaged(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_averaged.len { return; }
    let weight = descend(i, p_averaged);
    average[i] = p_averaged.keep * average[i] + p_averaged.one_minus_keep * weight;
}
