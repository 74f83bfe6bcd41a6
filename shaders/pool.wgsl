// Pooling of x [n, h, w, c] by windows of [kernel_h, kernel_w] into y [n, out_h, out_w, c]:
//
//   max_pool                y = the largest x of the window; argmax = its position, row · w + column
//   max_pool_at             y = the x at `place` in each window's image, the argmax of another image: its derivative
//                           along x
//   average_pool            y = the sum of the window's x over a count: of the window's cells or, without count_pad,
//                           of those inside the image
//   max_pool_backward       dx = gate ⊙ Σ dy over the windows whose index, max_pool's argmax, is this position
//   average_pool_backward   dx = gate ⊙ Σ dy / count over the windows that contain this position
//
// The window of output row o covers the rows from o · stride_h − pad_h on; columns likewise. Padding is never a maximum
// and adds nothing to a sum. The maximum is the first of equal elements in row order, and a NaN counts as the largest.
// The gate is the slope of the activation `gate` with output gate_y, which is x. One invocation per element of y or dx,
// of which there are len. pad < kernel is asserted in ops/pool.rs, so no window is wholly outside.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
    kernel_h: u32,
    kernel_w: u32,
    stride_h: u32,
    stride_w: u32,
    pad_h: u32,
    pad_w: u32,
    count_pad: u32,
    gate: u32,
    gate_alpha: f32,
}

override gate: u32 = 0u;

// Image, row, column and channel of element i of [_, rows, cols, channels].
fn position(i: u32, rows: u32, cols: u32, channels: u32) -> vec4<u32> {
    let pixel = i / channels;
    let row = pixel / cols;
    return vec4(row / rows, row % rows, pixel % cols, i % channels);
}

// Along one axis, the range of indices inside the image that window o covers, the end exclusive.
fn covered(o: u32, kernel: u32, stride: u32, pad: u32, size: u32) -> vec2<u32> {
    return vec2(max(o * stride, pad) - pad, min(o * stride + (kernel - pad), size));
}

// Along one axis, the range of the `count` windows that cover index i, the end exclusive.
fn covering(i: u32, kernel: u32, stride: u32, pad: u32, count: u32) -> vec2<u32> {
    let t = i + pad;
    return vec2((max(t + stride, kernel) - kernel) / stride, min(t / stride + 1u, count));
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> argmax: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(64)
fn max_pool(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.out_h, p.out_w, p.c);
    let rows = covered(at.y, p.kernel_h, p.stride_h, p.pad_h, p.h);
    let cols = covered(at.z, p.kernel_w, p.stride_w, p.pad_w, p.w);
    let image = at.x * p.h * p.w;
    var top_place = rows.x * p.w + cols.x;
    var top = x[(image + top_place) * p.c + at.w];
    for (var row = rows.x; row < rows.y; row++) {
        for (var col = cols.x; col < cols.y; col++) {
            let v = x[(image + row * p.w + col) * p.c + at.w];
            if is_nan(v) || (v > top && !is_nan(top)) {
                top = v;
                top_place = row * p.w + col;
            }
        }
    }
    y[i] = top;
    argmax[i] = top_place;
}

@group(0) @binding(2) var<storage, read> place: array<u32>;

@compute @workgroup_size(64)
fn max_pool_at(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.out_h, p.out_w, p.c);
    y[i] = x[(at.x * p.h * p.w + place[i]) * p.c + at.w];
}

@group(0) @binding(2) var<uniform> p_average: Params;

// The divisor of the sum of the rows × cols cells inside.
fn divisor(q: Params, rows: vec2<u32>, cols: vec2<u32>) -> f32 {
    return f32(select((rows.y - rows.x) * (cols.y - cols.x), q.kernel_h * q.kernel_w, q.count_pad != 0u));
}

@compute @workgroup_size(64)
fn average_pool(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_average;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.out_h, q.out_w, q.c);
    let rows = covered(at.y, q.kernel_h, q.stride_h, q.pad_h, q.h);
    let cols = covered(at.z, q.kernel_w, q.stride_w, q.pad_w, q.w);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row++) {
        for (var col = cols.x; col < cols.y; col++) {
            sum += x[((at.x * q.h + row) * q.w + col) * q.c + at.w];
        }
    }
    y[i] = sum / divisor(q, rows, cols);
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> gate_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<uniform> p_max_backward: Params;

@compute @workgroup_size(64)
fn max_pool_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_max_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    let rows = covering(at.y, q.kernel_h, q.stride_h, q.pad_h, q.out_h);
    let cols = covering(at.z, q.kernel_w, q.stride_w, q.pad_w, q.out_w);
    let here = at.y * q.w + at.z;
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row++) {
        for (var col = cols.x; col < cols.y; col++) {
            let o = ((at.x * q.out_h + row) * q.out_w + col) * q.c + at.w;
            if index[o] == here { sum += dy[o]; }
        }
    }
    if gate != 0u { sum *= slope_from_output(gate, q.gate_alpha, gate_y[i]); }
    dx[i] = sum;
}

@group(0) @binding(3) var<uniform> p_average_backward: Params;

@compute @workgroup_size(64)
fn average_pool_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_average_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    let rows = covering(at.y, q.kernel_h, q.stride_h, q.pad_h, q.out_h);
    let cols = covering(at.z, q.kernel_w, q.stride_w, q.pad_w, q.out_w);
    var sum = 0.0;
    for (var row = rows.x; row < rows.y; row++) {
        let inside_rows = covered(row, q.kernel_h, q.stride_h, q.pad_h, q.h);
        for (var col = cols.x; col < cols.y; col++) {
            let inside_cols = covered(col, q.kernel_w, q.stride_w, q.pad_w, q.w);
            let o = ((at.x * q.out_h + row) * q.out_w + col) * q.c + at.w;
            sum += dy[o] / divisor(q, inside_rows, inside_cols);
        }
    }
    if gate != 0u { sum *= slope_from_output(gate, q.gate_alpha, gate_y[i]); }
    dx[i] = sum;
}
