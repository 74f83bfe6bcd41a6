// Batch normalisation of x [rows, c], channel by channel; an NHWC batch has n · h · w rows:
//
//   y = act(weight · x̂ + bias),  x̂ = (x − mean) inv_std,  inv_std = 1 / √(var + ε),  var = Σ (x − mean)² / rows
//
//   batch_norm_partial           partial [parts, 2, c]: mean and Σ (x − mean)² of chunk rows from part · chunk on;
//                                one invocation per chunk and channel, adjacent ones read adjacent channels
//   batch_norm_finish            stats [2, c] = mean, inv_std from the chunks, and
//                                running ← (1 − momentum) running + momentum batch, the variance with rows − 1 for
//                                rows; one workgroup of 256 per eight channels
//   batch_norm_few               both, and batch_norm_apply, of few rows; one workgroup of 256 per eight channels
//   batch_norm_running           stats [2, c] from the running mean and variance; one invocation per channel
//   batch_norm_apply             y [rows, c] from stats; one invocation per channel of 8 rows, so that the values of a
//                                channel are loaded once for all of them
//   batch_norm_backward_partial  Σ dy x̂ and Σ dy over the same chunks, [parts, c] each; dy is the gradient before act
//   batch_norm_backward_finish   their sums [c] over the chunks, which are the gradients of weight and bias;
//                                one workgroup of 256 per eight channels
//   batch_norm_backward_finish_add   the same, also added to those gradients
//   batch_norm_backward_apply    dx = weight · inv_std (dy − Σ dy / rows − x̂ Σ dy x̂ / rows) · slope, the last two
//                                terms only if `training`; slope is that of the activation `gate` with output
//                                gate_y [rows, c]; one invocation per channel of 8 rows
//   batch_norm_backward_few      all of the backward pass, of few rows; one workgroup of 256 per eight channels
//   batch_norm_backward_few_add  the same, with the sums added to the gradients of weight and bias
//
// Sums of a chunk are taken about its first element for the mean and about the mean for squares, and joined likewise,
// so that no digits are lost however far the mean is from zero (Chan, Golub, LeVeque, Algorithms for computing the
// sample variance, The American Statistician 37, 1983). rows > 1 is asserted in ops/batch_norm.rs.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/columns.wgsl and common/activation.wgsl.

struct Params {
    rows: u32,
    c: u32,
    chunk: u32,
    parts: u32,
    training: u32,
    activation: u32,
    gate: u32,
    bias_at: u32,
    alpha: f32,
    gate_alpha: f32,
    epsilon: f32,
    momentum: f32,
}

// Rows that one invocation normalises, in one channel: ROWS of ops/batch_norm.rs.
const ROWS: u32 = 8u;

override training: u32 = 0u;
override activation: u32 = 0u;
override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;
@group(0) @binding(2) var<uniform> p_partial: Params;

@compute @workgroup_size(256)
fn batch_norm_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_partial.c;
    let i = group_index(group, groups) * 256u + local;
    if i >= p_partial.parts * c { return; }
    let j = i % c;
    let part = i / c;
    let begin = part * p_partial.chunk;
    let end = min(begin + p_partial.chunk, p_partial.rows);
    let first = x[begin * c + j];
    var moved = 0.0;
    for (var r = begin; r < end; r++) { moved += x[r * c + j] - first; }
    let centre = first + moved / f32(end - begin);
    var squares = 0.0;
    for (var r = begin; r < end; r++) {
        let d = x[r * c + j] - centre;
        squares += d * d;
    }
    partial[2u * part * c + j] = centre;
    partial[(2u * part + 1u) * c + j] = squares;
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> stats: array<f32>;
@group(0) @binding(2) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> running_var: array<f32>;
@group(0) @binding(4) var<uniform> p_finish: Params;

// The number of rows of a chunk; the last may have fewer than the others.
fn chunk_rows(part: u32) -> f32 {
    return f32(min(p_finish.chunk, p_finish.rows - part * p_finish.chunk));
}

@compute @workgroup_size(256)
fn batch_norm_finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_finish.c;
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < c;
    let j = select(0u, i, inside);
    let rows = f32(p_finish.rows);
    let span = lane_rows(local, COLUMNS, p_finish.parts);
    let first = partials[j];
    var moved = 0.0;
    for (var part = span.x; part < span.y; part++) {
        moved += chunk_rows(part) * (partials[2u * part * c + j] - first);
    }
    let mean = first + column_sum(local, COLUMNS, moved) / rows;
    var squares = 0.0;
    for (var part = span.x; part < span.y; part++) {
        let d = partials[2u * part * c + j] - mean;
        squares += partials[(2u * part + 1u) * c + j] + chunk_rows(part) * d * d;
    }
    squares = column_sum(local, COLUMNS, squares);
    if local < COLUMNS && inside { publish(j, mean, squares, p_finish); }
}

// The statistics of channel j, from its mean and Σ (x − mean)².
fn publish(j: u32, mean: f32, squares: f32, p: Params) {
    let rows = f32(p.rows);
    stats[j] = mean;
    stats[p.c + j] = inverseSqrt(squares / rows + p.epsilon);
    let keep = 1.0 - p.momentum;
    running_mean[j] = keep * running_mean[j] + p.momentum * mean;
    running_var[j] = keep * running_var[j] + p.momentum * (squares / (rows - 1.0));
}

@group(0) @binding(4) var<storage, read> gain: array<f32>;
@group(0) @binding(5) var<storage, read> shift: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> p_few: Params;

@compute @workgroup_size(256)
fn batch_norm_few(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_few.c;
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < c;
    let j = select(0u, i, inside);
    let span = lane_rows(local, COLUMNS, p_few.rows);
    let first = x[j];
    var moved = 0.0;
    for (var r = span.x; r < span.y; r++) { moved += x[r * c + j] - first; }
    let mean = first + column_sum(local, COLUMNS, moved) / f32(p_few.rows);
    var squares = 0.0;
    for (var r = span.x; r < span.y; r++) {
        let d = x[r * c + j] - mean;
        squares += d * d;
    }
    squares = column_sum(local, COLUMNS, squares);
    if !inside { return; }
    if local < COLUMNS { publish(j, mean, squares, p_few); }
    let inv_std = inverseSqrt(squares / f32(p_few.rows) + p_few.epsilon);
    let factor = gain[j];
    let offset = shift[j];
    for (var r = span.x; r < span.y; r++) {
        let normed = (x[r * c + j] - mean) * inv_std;
        out[r * c + j] = activate(activation, p_few.alpha, factor * normed + offset);
    }
}

@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<uniform> p_running: Params;

@compute @workgroup_size(256)
fn batch_norm_running(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let j = group_index(group, groups) * 256u + local;
    if j >= p_running.c { return; }
    stats[j] = mean[j];
    stats[p_running.c + j] = inverseSqrt(variance[j] + p_running.epsilon);
}

// The statistics: mean and inv_std, [2, c].
@group(0) @binding(1) var<storage, read> saved: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

@compute @workgroup_size(256)
fn batch_norm_apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    let j = i % p.c;
    let begin = i / p.c * ROWS;
    if begin >= p.rows { return; }
    let centre = saved[j];
    let inv_std = saved[p.c + j];
    let factor = weight[j];
    let offset = bias[j];
    for (var r = begin; r < min(begin + ROWS, p.rows); r++) {
        let normed = (x[r * p.c + j] - centre) * inv_std;
        y[r * p.c + j] = activate(activation, p.alpha, factor * normed + offset);
    }
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial_dot: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial_sum: array<f32>;

@compute @workgroup_size(256)
fn batch_norm_backward_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.parts * p.c { return; }
    let j = i % p.c;
    let begin = (i / p.c) * p.chunk;
    let end = min(begin + p.chunk, p.rows);
    let centre = saved[j];
    var dot = 0.0;
    var sum = 0.0;
    for (var r = begin; r < end; r++) {
        let d = dy[r * p.c + j];
        dot += d * (x[r * p.c + j] - centre);
        sum += d;
    }
    partial_dot[i] = dot * saved[p.c + j];
    partial_sum[i] = sum;
}

@group(0) @binding(0) var<storage, read> dots: array<f32>;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> total_dot: array<f32>;
@group(0) @binding(3) var<storage, read_write> total_sum: array<f32>;

// Σ dy x̂ and Σ dy of channel j from those of the chunks.
fn join_chunks(local: u32, j: u32, p: Params) -> vec2<f32> {
    let span = lane_rows(local, COLUMNS, p.parts);
    var of_dots = 0.0;
    var of_sums = 0.0;
    for (var part = span.x; part < span.y; part++) {
        of_dots += dots[part * p.c + j];
        of_sums += sums[part * p.c + j];
    }
    let of_dot = column_sum(local, COLUMNS, of_dots);
    return vec2(of_dot, column_sum(local, COLUMNS, of_sums));
}

@compute @workgroup_size(256)
fn batch_norm_backward_finish(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < p_finish.c;
    let totals = join_chunks(local, select(0u, i, inside), p_finish);
    if local < COLUMNS && inside {
        total_dot[i] = totals.x;
        total_sum[i] = totals.y;
    }
}

// The gradients of weight and, from bias_at on, of bias.
@group(0) @binding(4) var<storage, read_write> gradients: array<f32>;
@group(0) @binding(5) var<uniform> p_finish_add: Params;

@compute @workgroup_size(256)
fn batch_norm_backward_finish_add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < p_finish_add.c;
    let totals = join_chunks(local, select(0u, i, inside), p_finish_add);
    if local < COLUMNS && inside {
        total_dot[i] = totals.x;
        total_sum[i] = totals.y;
        gradients[i] += totals.x;
        gradients[p_finish_add.bias_at + i] += totals.y;
    }
}

@group(0) @binding(4) var<storage, read> dot: array<f32>;
@group(0) @binding(5) var<storage, read> sum: array<f32>;
@group(0) @binding(6) var<storage, read> gate_y: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<f32>;
@group(0) @binding(8) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn batch_norm_backward_apply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_backward.c;
    let i = group_index(group, groups) * 256u + local;
    let j = i % c;
    let begin = i / c * ROWS;
    if begin >= p_backward.rows { return; }
    let inv_std = saved[c + j];
    let factor = weight[j] * inv_std;
    var centre = 0.0;
    var of_sum = 0.0;
    var of_dot = 0.0;
    if training != 0u {
        centre = saved[j];
        of_sum = sum[j] / f32(p_backward.rows);
        of_dot = dot[j] / f32(p_backward.rows);
    }
    for (var r = begin; r < min(begin + ROWS, p_backward.rows); r++) {
        let at = r * c + j;
        var d = dy[at];
        if training != 0u { d -= of_sum + (x[at] - centre) * inv_std * of_dot; }
        d *= factor;
        if gate != 0u { d *= slope_from_output(gate, p_backward.gate_alpha, gate_y[at]); }
        dx[at] = d;
    }
}

// Σ dy x̂ and Σ dy over all rows, [2, c].
@group(0) @binding(4) var<storage, read_write> totals: array<f32>;
@group(0) @binding(5) var<storage, read> gate_few: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx_few: array<f32>;
@group(0) @binding(7) var<uniform> p_few_backward: Params;

// Σ dy x̂ and Σ dy of channel j over all rows; if `inside`, also dx, from the statistics of the batch.
fn backward_few(local: u32, j: u32, inside: bool) -> vec2<f32> {
    let c = p_few_backward.c;
    let rows = p_few_backward.rows;
    let centre = saved[j];
    let inv_std = saved[c + j];
    let span = lane_rows(local, COLUMNS, rows);
    var of_dots = 0.0;
    var of_sums = 0.0;
    for (var r = span.x; r < span.y; r++) {
        let d = dy[r * c + j];
        of_dots += d * (x[r * c + j] - centre);
        of_sums += d;
    }
    of_dots = inv_std * column_sum(local, COLUMNS, of_dots);
    of_sums = column_sum(local, COLUMNS, of_sums);
    if inside {
        let factor = weight[j] * inv_std;
        let of_dot = of_dots / f32(rows);
        let of_sum = of_sums / f32(rows);
        for (var r = span.x; r < span.y; r++) {
            let at = r * c + j;
            var d = factor * (dy[at] - (of_sum + (x[at] - centre) * inv_std * of_dot));
            if gate != 0u { d *= slope_from_output(gate, p_few_backward.gate_alpha, gate_few[at]); }
            dx_few[at] = d;
        }
    }
    return vec2(of_dots, of_sums);
}

@compute @workgroup_size(256)
fn batch_norm_backward_few(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_few_backward.c;
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < c;
    let sums = backward_few(local, select(0u, i, inside), inside);
    if local < COLUMNS && inside {
        totals[i] = sums.x;
        totals[c + i] = sums.y;
    }
}

@compute @workgroup_size(256)
fn batch_norm_backward_few_add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * COLUMNS + local % COLUMNS;
    let inside = i < p_few_backward.c;
    let sums = backward_few(local, select(0u, i, inside), inside);
    if local < COLUMNS && inside {
        gradients[i] += sums.x;
        gradients[p_few_backward.bias_at + i] += sums.y;
    }
}
