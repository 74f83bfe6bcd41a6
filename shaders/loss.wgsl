// rows[r] = scale · Σ_j l(x[r, j], t[r / repeat, j]) + offset, and with a gradient dx[r, j] = slope · ∂l/∂x,
// with x and dx [m, n], t [m / repeat, n], rows [m]; one workgroup of 256 per row, the sum by a tree.
//
// l by kind:
//   0  log(1 + eˣ) − t x, the negative log likelihood of t in [0, 1] under a Bernoulli with logit x
//   1  (x − t)²
//   2  |x − t|, whose derivative at 0 is 0
// An unknown kind gives NaN.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/activation.wgsl and common/tree.wgsl.

struct Params {
    m: u32,
    n: u32,
    repeat: u32,
    kind: u32,
    scale: f32,
    offset: f32,
    slope: f32,
}

override kind: u32 = 0u;

const BERNOULLI = 0u;
const SQUARED = 1u;
const ABSOLUTE = 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

fn l(x: f32, t: f32) -> f32 {
    switch kind {
        case BERNOULLI: { return max(x, 0.0) - x * t + log_one_plus(exponential(-abs(x))); }
        case SQUARED: { return (x - t) * (x - t); }
        case ABSOLUTE: { return abs(x - t); }
        default: { return not_a_number(x); }
    }
}

fn l_slope(x: f32, t: f32) -> f32 {
    switch kind {
        case BERNOULLI: { return sigmoid(x) - t; }
        case SQUARED: { return 2.0 * (x - t); }
        case ABSOLUTE: { return sign(x - t); }
        default: { return not_a_number(x); }
    }
}

@compute @workgroup_size(256)
fn loss(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p.n, r < p.m);
    let of_t = (r / p.repeat) * p.n;
    var sum = 0.0;
    for (var j = local; j < end; j += 256u) { sum += l(x[r * p.n + j], t[of_t + j]); }
    sum = tree_sum(local, sum);
    if local == 0u && r < p.m { rows[r] = p.scale * sum + p.offset; }
}

@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_gradient: Params;

@compute @workgroup_size(256)
fn loss_with_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let end = select(0u, p_gradient.n, r < p_gradient.m);
    let of_t = (r / p_gradient.repeat) * p_gradient.n;
    var sum = 0.0;
    for (var j = local; j < end; j += 256u) {
        let at = r * p_gradient.n + j;
        sum += l(x[at], t[of_t + j]);
        dx[at] = p_gradient.slope * l_slope(x[at], t[of_t + j]);
    }
    sum = tree_sum(local, sum);
    if local == 0u && r < p_gradient.m { rows[r] = p_gradient.scale * sum + p_gradient.offset; }
}
