// An affine function of every number, each with its slope and its shift (Dinh, Sohl-Dickstein and Bengio, Density
// estimation using Real NVP, 2017, eq. 7): y = x eˢ + t, where s = bound · tanh(a / bound), or s = a for a bound of
// zero. x, y [m, d]; a row of theta [m / rows, 2d] is a | t, of `rows` rows of x in turn.
//
//   affine_coupling              y, and log_slope [m, d] = log dy/dx = s
//   affine_coupling_backward     dx and dtheta [m, 2d], of each row of x, from dy and the gradient dslope of log_slope
//   affine_coupling_inverse      argument [m, d], whose y is value
//   affine_coupling_standardise  standard [2d] = a | t, for no bound, by which sample [rows, d] gets means of 0 and
//                                variances of 1
//
// One invocation per number, of the last one per column.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    d: u32,
    rows: u32,
    bound: f32,
}

// Added to a variance, which may be 0.
const EPSILON: f32 = 1e-6;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> theta: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> log_slope: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// The first number of theta for number i of x.
fn start(i: u32, d: u32, rows: u32) -> u32 {
    return i / d / rows * 2u * d + i % d;
}

// s and ds/da.
fn bounded(a: f32, bound: f32) -> vec2<f32> {
    if bound == 0.0 { return vec2<f32>(a, 1.0); }
    let t = hyperbolic_tangent(a / bound);
    return vec2<f32>(bound * t, 1.0 - t * t);
}

@compute @workgroup_size(64)
fn affine_coupling(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = start(i, p.d, p.rows);
    let s = bounded(theta[at], p.bound).x;
    y[i] = x[i] * exponential(s) + theta[at + p.d];
    log_slope[i] = s;
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dslope: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dtheta: array<f32>;
@group(0) @binding(6) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn affine_coupling_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let s = bounded(theta[start(i, q.d, q.rows)], q.bound);
    let scaled = dy[i] * exponential(s.x);
    dx[i] = scaled;
    let to = start(i, q.d, 1u);
    dtheta[to] = (scaled * x[i] + dslope[i]) * s.y;
    dtheta[to + q.d] = dy[i];
}

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(2) var<storage, read_write> argument: array<f32>;
@group(0) @binding(3) var<uniform> p_inverse: Params;

@compute @workgroup_size(64)
fn affine_coupling_inverse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_inverse.len { return; }
    let at = start(i, p_inverse.d, p_inverse.rows);
    argument[i] = (value[i] - theta[at + p_inverse.d]) * exponential(-bounded(theta[at], p_inverse.bound).x);
}

@group(0) @binding(0) var<storage, read> sample: array<f32>;
@group(0) @binding(1) var<storage, read_write> standard: array<f32>;
@group(0) @binding(2) var<uniform> p_standard: Params;

@compute @workgroup_size(64)
fn affine_coupling_standardise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_standard;
    let j = group_index(group, groups) * 64u + local;
    if j >= q.len { return; }
    var sum = 0.0;
    for (var r = 0u; r < q.rows; r++) { sum += sample[r * q.d + j]; }
    let mean = sum / f32(q.rows);
    var squares = 0.0;
    for (var r = 0u; r < q.rows; r++) {
        let x = sample[r * q.d + j] - mean;
        squares += x * x;
    }
    let variance = squares / f32(q.rows) + EPSILON;
    standard[j] = -0.5 * ln(variance);
    standard[j + q.d] = -mean / sqrt(variance);
}
