// Spectral normalisation of w [m, n]: y = w / σ with σ = uᵀ w v. u [m] and v [n] are kept between steps and updated by
// power iteration, v ← wᵀ u / ‖wᵀ u‖, u ← w v / ‖w v‖. They are constants to the derivative:
//
//   dw += (dy − (Σ dy ⊙ y) u vᵀ) / σ
//
//   spectral_norm_columns    partial [parts, n] = Σ u_i w_ij over chunk rows from part · chunk on; one invocation per
//                            chunk and column, adjacent ones read adjacent columns
//   spectral_norm_rows       product [m] = w v; one workgroup of 256 per row
//   spectral_norm_normalise  state [len] = copy [len] = t / max(‖t‖, ε); one workgroup of 256
//   spectral_norm_sigma      sigma [1] = Σ u_i t_i with t [m] = w v; one workgroup of 256
//   spectral_norm_divide     y [m, n] = w / σ; one invocation per element
//   spectral_norm_dot        products [m]: Σ_j dy_ij y_ij; one workgroup of 256 per row
//   spectral_norm_backward   dw [m, n] as above, where total [1] is the sum of products; one invocation per element
//
// Needs common/grid.wgsl and common/tree.wgsl.

struct Params {
    m: u32,
    n: u32,
    chunk: u32,
    parts: u32,
    len: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn spectral_norm_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.parts * p.n { return; }
    let j = i % p.n;
    let begin = (i / p.n) * p.chunk;
    let end = min(begin + p.chunk, p.m);
    var sum = 0.0;
    for (var r = begin; r < end; r++) { sum += u[r] * w[r * p.n + j]; }
    partial[i] = sum;
}

@group(0) @binding(1) var<storage, read> v: array<f32>;
@group(0) @binding(2) var<storage, read_write> product: array<f32>;

@compute @workgroup_size(256)
fn spectral_norm_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups);
    let inside = i < p.m;
    let row = select(0u, i * p.n, inside);
    var sum = 0.0;
    for (var j = local; j < p.n; j += 256u) { sum += w[row + j] * v[j]; }
    sum = tree_sum(local, sum);
    if local == 0u && inside { product[i] = sum; }
}

@group(0) @binding(0) var<storage, read> t: array<f32>;
@group(0) @binding(1) var<storage, read_write> state: array<f32>;
@group(0) @binding(2) var<storage, read_write> copy: array<f32>;

@compute @workgroup_size(256)
fn spectral_norm_normalise(@builtin(local_invocation_index) local: u32) {
    var squares = 0.0;
    for (var i = local; i < p.len; i += 256u) { squares += t[i] * t[i]; }
    let length = max(sqrt(tree_sum(local, squares)), p.epsilon);
    for (var i = local; i < p.len; i += 256u) {
        let unit = t[i] / length;
        state[i] = unit;
        copy[i] = unit;
    }
}

@group(0) @binding(2) var<storage, read_write> sigma: array<f32>;

@compute @workgroup_size(256)
fn spectral_norm_sigma(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var i = local; i < p.m; i += 256u) { sum += u[i] * t[i]; }
    sum = tree_sum(local, sum);
    if local == 0u { sigma[0] = sum; }
}

// σ, the output of spectral_norm_sigma.
@group(0) @binding(1) var<storage, read> divisor: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn spectral_norm_divide(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.m * p.n { return; }
    y[i] = w[i] / divisor[0];
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> normed: array<f32>;
@group(0) @binding(2) var<storage, read_write> products: array<f32>;

@compute @workgroup_size(256)
fn spectral_norm_dot(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups);
    let inside = i < p.m;
    let row = select(0u, i * p.n, inside);
    var sum = 0.0;
    for (var j = local; j < p.n; j += 256u) { sum += dy[row + j] * normed[row + j]; }
    sum = tree_sum(local, sum);
    if local == 0u && inside { products[i] = sum; }
}

// The values of u and v from which σ was computed.
@group(0) @binding(2) var<storage, read> u_saved: array<f32>;
@group(0) @binding(3) var<storage, read> v_saved: array<f32>;
@group(0) @binding(4) var<storage, read> total: array<f32>;
@group(0) @binding(5) var<storage, read_write> dw: array<f32>;
@group(0) @binding(6) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn spectral_norm_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.m * p_backward.n { return; }
    let outer = u_saved[i / p_backward.n] * v_saved[i % p_backward.n];
    dw[i] += (dy[i] - total[0] * outer) / divisor[0];
}
