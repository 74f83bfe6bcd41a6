// x [n, h, w, c] enlarged by whole factors into y [n, factor_h h, factor_w w, c]:
//
//   upsample_nearest             y[row, col] = x[⌊row / factor_h⌋, ⌊col / factor_w⌋]
//   upsample_bilinear            y = (1 − b) ((1 − a) x[r, s] + a x[r+1, s]) + b ((1 − a) x[r, s+1] + a x[r+1, s+1]),
//                                where r + a is the position of row in x, with pixels as squares:
// (row + ½) / factor_h − ½ but at least 0; s + b likewise; past the edge the last is used
//   upsample_nearest_backward    dx = gate ⊙ Σ dy over the block of y that shows this element
//   upsample_bilinear_backward   dx = gate ⊙ Σ dy · weight over the elements of y that use this one
//
// The gate is the slope of the activation `gate` with output gate_y, which is x.
// One invocation per element of y or dx, of which there are len.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    factor_h: u32,
    factor_w: u32,
    gate: u32,
    gate_alpha: f32,
}

override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// Image, row, column and channel of element i of [_, rows, cols, channels].
fn position(i: u32, rows: u32, cols: u32, channels: u32) -> vec4<u32> {
    let pixel = i / channels;
    let row = pixel / cols;
    return vec4(row / rows, row % rows, pixel % cols, i % channels);
}

// Along one axis, index `to` of y takes index `low` of x with 1 − weight and `high` with weight.
struct Taps {
    low: u32,
    high: u32,
    weight: f32,
}

// In integers: (to + ½) / factor − ½ = (2 to + 1 − factor) / (2 factor).
fn taps(to: u32, factor: u32, size: u32) -> Taps {
    let scaled = max(2u * to + 1u, factor) - factor;
    let low = scaled / (2u * factor);
    return Taps(low, min(low + 1u, size - 1u), f32(scaled % (2u * factor)) / f32(2u * factor));
}

// The weight of index i of x in index `to` of y.
fn share(to: u32, factor: u32, size: u32, i: u32) -> f32 {
    let t = taps(to, factor, size);
    return select(0.0, 1.0 - t.weight, t.low == i) + select(0.0, t.weight, t.high == i);
}

// The range of indices of y, along one axis, that use index i of x, the end exclusive.
fn takers(i: u32, factor: u32, size: u32) -> vec2<u32> {
    let middle = i * factor + factor / 2u;
    return vec2(select(0u, middle - factor, i > 0u), min(middle + factor, size * factor));
}

@compute @workgroup_size(64)
fn upsample_nearest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.h * p.factor_h, p.w * p.factor_w, p.c);
    y[i] = x[((at.x * p.h + at.y / p.factor_h) * p.w + at.z / p.factor_w) * p.c + at.w];
}

@compute @workgroup_size(64)
fn upsample_bilinear(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.h * p.factor_h, p.w * p.factor_w, p.c);
    let row = taps(at.y, p.factor_h, p.h);
    let col = taps(at.z, p.factor_w, p.w);
    let upper = (at.x * p.h + row.low) * p.w;
    let lower = (at.x * p.h + row.high) * p.w;
    let left = mix(x[(upper + col.low) * p.c + at.w], x[(lower + col.low) * p.c + at.w], row.weight);
    let right = mix(x[(upper + col.high) * p.c + at.w], x[(lower + col.high) * p.c + at.w], row.weight);
    y[i] = mix(left, right, col.weight);
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> gate_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn upsample_nearest_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    var sum = 0.0;
    for (var a = 0u; a < q.factor_h; a++) {
        let row = ((at.x * q.h + at.y) * q.factor_h + a) * q.w * q.factor_w;
        for (var b = 0u; b < q.factor_w; b++) {
            sum += dy[(row + at.z * q.factor_w + b) * q.c + at.w];
        }
    }
    if gate != 0u { sum *= slope_from_output(gate, q.gate_alpha, gate_y[i]); }
    dx[i] = sum;
}

@compute @workgroup_size(64)
fn upsample_bilinear_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    let rows = takers(at.y, q.factor_h, q.h);
    let cols = takers(at.z, q.factor_w, q.w);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row++) {
        let row_share = share(row, q.factor_h, q.h, at.y);
        let begin = (at.x * q.h * q.factor_h + row) * q.w * q.factor_w;
        for (var col = cols.x; col < cols.y; col++) {
            sum += row_share * share(col, q.factor_w, q.w, at.z) * dy[(begin + col) * q.c + at.w];
        }
    }
    if gate != 0u { sum *= slope_from_output(gate, q.gate_alpha, gate_y[i]); }
    dx[i] = sum;
}
