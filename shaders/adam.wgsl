// Adam (Kingma and Ba, 2015, algorithm 1) in PyTorch's form, over the len elements of a network's flat arenas:
//   g ← min(1, clip / (√norm + 10⁻⁶)) g                     if clip > 0; norm = Σ g²
//   w ← (1 − lr λ) w, or g ← g + λ w                         decoupled (Loshchilov and Hutter, 2019), or not
//   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
//   w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
// rates = (lr, 1 − β₁ᵗ, 1 − β₂ᵗ, ·) comes from tick. The stored gradient is set to zero, for the next step to add to.
// One invocation per four elements; len is a multiple of four.
// Needs common/grid.wgsl and common/clip.wgsl.

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
}

@group(0) @binding(0) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> g: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<uniform> p: Params;

// The terms that all elements share: the scale of the gradient, the learning rate, the step, and the root of 1 − β₂ᵗ.
struct Shared {
    scale: f32,
    rate: f32,
    step: f32,
    root: f32,
}

fn shared_now() -> Shared {
    return Shared(clip_scale(p.clip, norm[0]), rates[0], rates[0] / rates[1], sqrt(rates[2]));
}

// Updates the i-th four elements.
fn descend(i: u32, s: Shared) {
    var weight = w[i];
    var grad = s.scale * g[i];
    if p.decay > 0.0 {
        if p.decoupled != 0u {
            weight *= 1.0 - s.rate * p.decay;
        } else {
            grad += p.decay * weight;
        }
    }
    let first = p.beta1 * m[i] + p.one_minus_beta1 * grad;
    let second = p.beta2 * v[i] + p.one_minus_beta2 * grad * grad;
    weight -= s.step * first / (sqrt(second) / s.root + vec4(p.epsilon));
    w[i] = weight;
    g[i] = vec4(0.0);
    m[i] = first;
    v[i] = second;
}

@compute @workgroup_size(64)
fn adam(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    let s = shared_now();
    if 4u * i < p.len { descend(i, s); }
}
