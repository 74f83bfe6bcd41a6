// Layer normalisation of the rows of x [rows, c]:
//
//   y = act(weight · x̂ + bias),  x̂ = (x − mean) inv_std,  inv_std = 1 / √(var + ε),  var = Σ (x − mean)² / c
//
//   layer_norm                  y [rows, c] and stats [rows, 2] = mean, inv_std; one workgroup of 256 per row
//   layer_norm_backward_input   dx = inv_std (g − (Σ g + x̂ Σ g x̂) / c) · slope with g = weight · dy; dy is the
//                               gradient before act, slope that of the activation `gate` with output
//                               gate_y [rows, c]; one workgroup of 256 per row
//   layer_norm_backward_weight  partial [parts, c]: Σ dy x̂ over chunk rows from part · chunk on; one invocation per
//                               chunk and column, adjacent ones read adjacent columns
//
// The mean is summed about the row's first element, the variance about the mean: no digits are lost far from zero.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/tree.wgsl and common/activation.wgsl.

struct Params {
    rows: u32,
    c: u32,
    chunk: u32,
    parts: u32,
    activation: u32,
    gate: u32,
    alpha: f32,
    gate_alpha: f32,
    epsilon: f32,
}

override activation: u32 = 0u;
override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

@compute @workgroup_size(256)
fn layer_norm(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups);
    let inside = i < p.rows;
    let row = select(0u, i * p.c, inside);
    let count = f32(p.c);
    let first = x[row];
    var moved = 0.0;
    for (var j = local; j < p.c; j += 256u) { moved += x[row + j] - first; }
    let mean = first + tree_sum(local, moved) / count;
    var squares = 0.0;
    for (var j = local; j < p.c; j += 256u) {
        let d = x[row + j] - mean;
        squares += d * d;
    }
    let inv_std = inverseSqrt(tree_sum(local, squares) / count + p.epsilon);
    let end = select(0u, p.c, inside);
    for (var j = local; j < end; j += 256u) {
        y[row + j] = activate(activation, p.alpha, weight[j] * ((x[row + j] - mean) * inv_std) + bias[j]);
    }
    if local == 0u && inside {
        stats[2u * i] = mean;
        stats[2u * i + 1u] = inv_std;
    }
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> saved: array<f32>;
@group(0) @binding(4) var<storage, read> gate_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<uniform> p_input: Params;

@compute @workgroup_size(256)
fn layer_norm_backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_input.c;
    let i = group_index(group, groups);
    let inside = i < p_input.rows;
    let at = select(0u, i, inside);
    let row = at * c;
    let mean = saved[2u * at];
    let inv_std = saved[2u * at + 1u];
    var dot = 0.0;
    var sum = 0.0;
    for (var j = local; j < c; j += 256u) {
        let g = weight[j] * dy[row + j];
        dot += g * (x[row + j] - mean);
        sum += g;
    }
    dot = tree_sum(local, dot) * inv_std / f32(c);
    sum = tree_sum(local, sum) / f32(c);
    let end = select(0u, c, inside);
    for (var j = local; j < end; j += 256u) {
        var d = inv_std * (weight[j] * dy[row + j] - sum - (x[row + j] - mean) * inv_std * dot);
        if gate != 0u { d *= slope_from_output(gate, p_input.gate_alpha, gate_y[row + j]); }
        dx[row + j] = d;
    }
}

@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<uniform> p_weight: Params;

@compute @workgroup_size(256)
fn layer_norm_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_weight.c;
    let i = group_index(group, groups) * 256u + local;
    if i >= p_weight.parts * c { return; }
    let j = i % c;
    let begin = (i / c) * p_weight.chunk;
    let end = min(begin + p_weight.chunk, p_weight.rows);
    var dot = 0.0;
    for (var r = begin; r < end; r++) {
        dot += dy[r * c + j] * ((x[r * c + j] - saved[2u * r]) * saved[2u * r + 1u]);
    }
    partial[i] = dot;
}
