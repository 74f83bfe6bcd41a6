// Penalties on the gradient g [m, n] of a score with respect to its input, one row an example:
//   rows[r] = P(‖g[r]‖),  u[r, j] = slope · ∂P/∂g[r, j]
//
// P by kind:
//   0  ½ γ ‖g‖², R1 (Mescheder et al., 2018)
//   1  γ (‖g‖ − 1)², the gradient penalty of WGAN-GP (Gulrajani et al., 2017); its gradient is 0 where g is 0
// An unknown kind gives NaN. One workgroup of 256 per row, the sum by a tree.
// Needs common/grid.wgsl, common/nan.wgsl and common/tree.wgsl.

struct Params {
    m: u32,
    n: u32,
    kind: u32,
    gamma: f32,
    slope: f32,
}

override kind: u32 = 0u;

const R1 = 0u;
const UNIT_NORM = 1u;

@group(0) @binding(0) var<storage, read> g: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// P, and the factor of g in its gradient.
fn penalty(squares: f32) -> vec2<f32> {
    let norm = sqrt(squares);
    switch kind {
        case R1: { return p.gamma * vec2(0.5 * squares, 1.0); }
        case UNIT_NORM: {
            let inverse = 1.0 / select(norm, 1.0, norm == 0.0);
            return p.gamma * vec2((norm - 1.0) * (norm - 1.0), 2.0 * (norm - 1.0) * inverse);
        }
        default: { return vec2(not_a_number(squares)); }
    }
}

@compute @workgroup_size(256)
fn gradient_penalty(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p.n, r < p.m);
    var sum = 0.0;
    for (var j = local; j < end; j += 256u) { sum += g[r * p.n + j] * g[r * p.n + j]; }
    let found = penalty(tree_sum(local, sum));
    if local == 0u && r < p.m { rows[r] = found.x; }
    for (var j = local; j < end; j += 256u) { u[r * p.n + j] = p.slope * found.y * g[r * p.n + j]; }
}
