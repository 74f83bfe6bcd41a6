// A planar function of rows (Rezende and Mohamed, Variational inference with normalizing flows, 2015, §4.1 and A.1):
//
//   y = x + û tanh(a), a = w·x + b, û = u + (softplus(c) − 1 − c) w / (w·w + ε), c = u·w
//
// which is invertible, as û·w ≥ −1. x, y [m, d]; u | w | b are the 2d + 1 numbers from column `first` of a row of theta
// [m / rows, width], of `rows` rows of x in turn.
//
//   planar            y, and log_slope [m] = log |det dy/dx| = log (t² + (1 − t²) softplus(c)), t = tanh(a)
//   planar_backward   dx, and of each row of x the same 2d + 1 columns of dtheta [m, width], from dy and the gradient
//                     dslope [m] of log_slope
//   planar_inverse    argument [m, d], whose y is value: s = w·argument is bisected
//
// One invocation per row.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    m: u32,
    d: u32,
    rows: u32,
    width: u32,
    first: u32,
}

// Added to w·w, which may be 0.
const EPSILON: f32 = 1e-12;
// Halvings of the interval of s: as many as f32 has bits, and some more.
const HALVINGS: u32 = 40u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> theta: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> log_slope: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// The numbers of a row that do not depend on x: c, w·w + ε, softplus(c), and the factor of w in û.
struct Plane {
    c: f32,
    norm: f32,
    slope: f32,
    shift: f32,
}

fn plane_at(at: u32, d: u32) -> Plane {
    var c = 0.0;
    var norm = EPSILON;
    for (var l = 0u; l < d; l++) {
        let w = theta[at + d + l];
        c += theta[at + l] * w;
        norm += w * w;
    }
    let slope = softplus(c);
    return Plane(c, norm, slope, (slope - 1.0 - c) / norm);
}

@compute @workgroup_size(64)
fn planar(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p.m { return; }
    let d = p.d;
    let at = r / p.rows * p.width + p.first;
    let plane = plane_at(at, d);
    var a = theta[at + 2u * d];
    for (var l = 0u; l < d; l++) { a += theta[at + d + l] * x[r * d + l]; }
    let t = hyperbolic_tangent(a);
    for (var l = 0u; l < d; l++) {
        y[r * d + l] = x[r * d + l] + (theta[at + l] + plane.shift * theta[at + d + l]) * t;
    }
    log_slope[r] = ln(t * t + (1.0 - t * t) * plane.slope);
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dslope: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dtheta: array<f32>;
@group(0) @binding(6) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn planar_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let r = group_index(group, groups) * 64u + local;
    if r >= q.m { return; }
    let d = q.d;
    let at = r / q.rows * q.width + q.first;
    let plane = plane_at(at, d);
    var a = theta[at + 2u * d];
    // dy·u and dy·w, of which the gradients of t and of the shift are made.
    var along_u = 0.0;
    var along_w = 0.0;
    for (var l = 0u; l < d; l++) {
        let w = theta[at + d + l];
        let g = dy[r * d + l];
        a += w * x[r * d + l];
        along_u += g * theta[at + l];
        along_w += g * w;
    }
    let t = hyperbolic_tangent(a);
    let rest = 1.0 - t * t;
    let ratio = dslope[r] / (t * t + rest * plane.slope);
    let da = (along_u + plane.shift * along_w + 2.0 * t * (1.0 - plane.slope) * ratio) * rest;
    let dshift = t * along_w / plane.norm;
    let dc = (dshift + rest * ratio) * sigmoid(plane.c) - dshift;
    let to = r * q.width + q.first;
    for (var l = 0u; l < d; l++) {
        let u = theta[at + l];
        let w = theta[at + d + l];
        let g = dy[r * d + l];
        dx[r * d + l] = g + da * w;
        dtheta[to + l] = t * g + dc * w;
        dtheta[to + d + l] = t * plane.shift * g + dc * u - 2.0 * dshift * plane.shift * w + da * x[r * d + l];
    }
    dtheta[to + 2u * d] = da;
}

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(2) var<storage, read_write> argument: array<f32>;
@group(0) @binding(3) var<uniform> p_inverse: Params;

@compute @workgroup_size(64)
fn planar_inverse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_inverse;
    let r = group_index(group, groups) * 64u + local;
    if r >= q.m { return; }
    let d = q.d;
    let at = r / q.rows * q.width + q.first;
    let plane = plane_at(at, d);
    let b = theta[at + 2u * d];
    // w·value = s + along tanh(s + b), which rises with s, and differs from it by at most |along|.
    let along = plane.c + plane.shift * (plane.norm - EPSILON);
    var sum = 0.0;
    for (var l = 0u; l < d; l++) { sum += theta[at + d + l] * value[r * d + l]; }
    var low = sum - abs(along);
    var high = sum + abs(along);
    for (var i = 0u; i < HALVINGS; i++) {
        let s = 0.5 * (low + high);
        let below = s + along * hyperbolic_tangent(s + b) < sum;
        low = select(low, s, below);
        high = select(s, high, below);
    }
    let t = hyperbolic_tangent(0.5 * (low + high) + b);
    for (var l = 0u; l < d; l++) {
        argument[r * d + l] = value[r * d + l] - (theta[at + l] + plane.shift * theta[at + d + l]) * t;
    }
}
