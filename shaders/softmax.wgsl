// Over the rows of x [m, n], by 32 invocations each, as in rows.wgsl:
//
//   logsumexp            y [m] = log Σ_j exp(x_j), by the row's maximum: max + log Σ_j exp(x_j − max)
//   softmax              y [m, n] = exp(x_j − max) / Σ_k exp(x_k − max)
//   logsumexp_backward   dx = dy[row] exp(x − log_sum[row]), where log_sum [m] is the output of logsumexp
//   softmax_backward     dx = prob ⊙ (dy − Σ_j dy_j prob_j), where prob [m, n] is the output of softmax
//
// Arguments of exp are at most 0 and clamped at −80, where exp is negligible next to that of the row's maximum.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/rows.wgsl.

struct Params {
    m: u32,
    n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// exp(v − top), for v no more than top up to rounding.
fn exp_below(v: f32, top: f32) -> f32 {
    return exponential(v - top);
}

// The maximum of the n elements from `row` on, and the sum of exp(x − maximum).
fn top_and_sum(row: u32, n: u32, local: u32) -> vec2<f32> {
    var top = x[row];
    for (var j = local % ACROSS; j < n; j += ACROSS) { top = max(top, x[row + j]); }
    top = row_max(local, top);
    var sum = 0.0;
    for (var j = local % ACROSS; j < n; j += ACROSS) { sum += exp_below(x[row + j], top); }
    return vec2(top, row_sum(local, sum));
}

@compute @workgroup_size(256)
fn logsumexp(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = row_of(group, groups, local);
    let inside = i < p.m;
    let found = top_and_sum(select(0u, i * p.n, inside), p.n, local);
    if local % ACROSS == 0u && inside { y[i] = found.x + ln(found.y); }
}

@compute @workgroup_size(256)
fn softmax(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = row_of(group, groups, local);
    let inside = i < p.m;
    let row = select(0u, i * p.n, inside);
    let found = top_and_sum(row, p.n, local);
    let end = select(0u, p.n, inside);
    for (var j = local % ACROSS; j < end; j += ACROSS) {
        y[row + j] = exp_below(x[row + j], found.x) / found.y;
    }
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<uniform> p_logsumexp: Params;

@compute @workgroup_size(256)
fn logsumexp_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = row_of(group, groups, local);
    if i >= p_logsumexp.m { return; }
    let row = i * p_logsumexp.n;
    for (var j = local % ACROSS; j < p_logsumexp.n; j += ACROSS) {
        dx[row + j] = dy[i] * exp_below(x[row + j], log_sum[i]);
    }
}

@group(0) @binding(0) var<storage, read> prob: array<f32>;
@group(0) @binding(3) var<uniform> p_softmax: Params;

@compute @workgroup_size(256)
fn softmax_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = row_of(group, groups, local);
    let row = i * p_softmax.n;
    let end = select(0u, p_softmax.n, i < p_softmax.m);
    var sum = 0.0;
    for (var j = local % ACROSS; j < end; j += ACROSS) { sum += dy[row + j] * prob[row + j]; }
    let mean = row_sum(local, sum);
    for (var j = local % ACROSS; j < end; j += ACROSS) {
        dx[row + j] = prob[row + j] * (dy[row + j] - mean);
    }
}
