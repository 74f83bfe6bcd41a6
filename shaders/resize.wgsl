// x [n, h, w, c] resized to y [n, out_h, out_w, c] by bilinear interpolation, with pixels as points:
//
//   resize_bilinear             y = (1 − b) ((1 − a) x[r, s] + a x[r+1, s]) + b ((1 − a) x[r, s+1] + a x[r+1, s+1]),
//                               where r + a = row · h / out_h is the position of row in x, s + b likewise;
//                               past the edge the last pixel is used
//   resize_bilinear_backward    dx = Σ dy · weight over the elements of y that use this one
//
// One invocation per element of y or dx, of which there are len. Positions are exact in integers.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
}

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

fn taps(to: u32, from_size: u32, to_size: u32) -> Taps {
    let scaled = to * from_size;
    let low = scaled / to_size;
    return Taps(low, min(low + 1u, from_size - 1u), f32(scaled % to_size) / f32(to_size));
}

// The weight of index i of x in index `to` of y.
fn share(to: u32, from_size: u32, to_size: u32, i: u32) -> f32 {
    let t = taps(to, from_size, to_size);
    return select(0.0, 1.0 - t.weight, t.low == i) + select(0.0, t.weight, t.high == i);
}

// The range of indices of y, along one axis, that use index i of x, the end exclusive: those between i − 1 and i + 1.
fn takers(i: u32, from_size: u32, to_size: u32) -> vec2<u32> {
    let first = max(i, 1u) - 1u;
    let round_up = from_size - 1u;
    return vec2((first * to_size + round_up) / from_size, ((i + 1u) * to_size + round_up) / from_size);
}

@compute @workgroup_size(64)
fn resize_bilinear(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.out_h, p.out_w, p.c);
    let row = taps(at.y, p.h, p.out_h);
    let col = taps(at.z, p.w, p.out_w);
    let upper = (at.x * p.h + row.low) * p.w;
    let lower = (at.x * p.h + row.high) * p.w;
    let left = mix(x[(upper + col.low) * p.c + at.w], x[(lower + col.low) * p.c + at.w], row.weight);
    let right = mix(x[(upper + col.high) * p.c + at.w], x[(lower + col.high) * p.c + at.w], row.weight);
    y[i] = mix(left, right, col.weight);
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn resize_bilinear_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    let rows = takers(at.y, q.h, q.out_h);
    let cols = takers(at.z, q.w, q.out_w);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row++) {
        let row_share = share(row, q.h, q.out_h, at.y);
        let begin = (at.x * q.out_h + row) * q.out_w;
        for (var col = cols.x; col < cols.y; col++) {
            sum += row_share * share(col, q.w, q.out_w, at.z) * dy[(begin + col) * q.c + at.w];
        }
    }
    dx[i] = sum;
}
