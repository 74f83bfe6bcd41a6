// The loss of each row of the scores d [m] of a GAN's discriminator, by kind and role; with a gradient, also
// dd[r] = weight · ∂rows[r]/∂d[r] and the score to report. One invocation per row.
//
//   kind                 discriminator, real           discriminator, fake    generator        score
//   0  non-saturating    −t log σ(d) − (1 − t) log(1 − σ(d)), that is max(d, 0) − t d + log(1 + e^−|d|),   σ(d)
//                        t = 1 − smoothing             t = 0                  t = 1
//   1  least squares     ½ (d − t)², with the same t                                           d
//   2  hinge             max(0, 1 − d)                 max(0, 1 + d)          −d               σ(d)
//   3  Wasserstein       −d                            d                      −d               d
//
// Role 0 is the discriminator's, whose first `real` rows are scores of real samples and the rest of generated
// ones; role 1 is the generator's. 0 ≤ smoothing < 1 is asserted in ops/gan_loss.rs.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    m: u32,
    real: u32,
    kind: u32,
    role: u32,
    smoothing: f32,
    weight: f32,
}

override kind: u32 = 0u;
override role: u32 = 0u;

const NON_SATURATING = 0u;
const LEAST_SQUARES = 1u;
const HINGE = 2u;
const WASSERSTEIN = 3u;
const GENERATOR = 1u;

@group(0) @binding(0) var<storage, read> d: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// The label t: positive exactly where the score should be high.
fn wanted(is_real: bool, smoothing: f32) -> f32 {
    if role == GENERATOR { return 1.0; }
    return select(0.0, 1.0 - smoothing, is_real);
}

// The loss of a score and its slope.
fn loss_and_slope(d: f32, t: f32) -> vec2<f32> {
    let side = select(-1.0, 1.0, t > 0.0);
    switch kind {
        case NON_SATURATING: {
            return vec2(max(d, 0.0) - t * d + log_one_plus(exponential(-abs(d))), sigmoid(d) - t);
        }
        case LEAST_SQUARES: { return vec2(0.5 * (d - t) * (d - t), d - t); }
        case HINGE: {
            if role == GENERATOR { return vec2(-d, -1.0); }
            let short = 1.0 - side * d;
            return vec2(max(short, 0.0), select(0.0, -side, short > 0.0));
        }
        case WASSERSTEIN: { return vec2(-side * d, -side); }
        default: { return vec2(not_a_number(d)); }
    }
}

@compute @workgroup_size(64)
fn gan_loss(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p.m { return; }
    rows[r] = loss_and_slope(d[r], wanted(r < p.real, p.smoothing)).x;
}

@group(0) @binding(2) var<storage, read_write> dd: array<f32>;
@group(0) @binding(3) var<storage, read_write> score: array<f32>;
@group(0) @binding(4) var<uniform> p_gradient: Params;

@compute @workgroup_size(64)
fn gan_loss_with_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_gradient.m { return; }
    let found = loss_and_slope(d[r], wanted(r < p_gradient.real, p_gradient.smoothing));
    rows[r] = found.x;
    dd[r] = p_gradient.weight * found.y;
    switch kind {
        case NON_SATURATING, HINGE: { score[r] = sigmoid(d[r]); }
        case LEAST_SQUARES, WASSERSTEIN: { score[r] = d[r]; }
        default: { score[r] = not_a_number(d[r]); }
    }
}
