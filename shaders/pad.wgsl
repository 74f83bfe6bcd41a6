// Padding of x [n, h, w, c] to y [n, top + h + bottom, left + w + right, c]:
//
//   pad            y[row + top, col + left] = x[row, col]; the border is zero or, if reflect, x reflected about its
//                  first and last row and column, which are not repeated: … 2 1 0 1 2 … h−2 h−1 h−2 …
//   pad_backward   dx = gate ⊙ Σ dy over the positions of y that show this element: one or, if reflect, up to nine
//
// The gate is the slope of the activation `gate` with output gate_y, which is x. One invocation per element of y or dx,
// of which there are len. A reflected border is narrower than the image (asserted in ops/pad.rs), so no pixel is
// reflected twice.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    top: u32,
    bottom: u32,
    left: u32,
    right: u32,
    reflect: u32,
    gate: u32,
    gate_alpha: f32,
}

override reflect: u32 = 0u;
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

// Along one axis, the index of x shown at i, relative to the first of x.
fn mirrored(i: i32, size: u32) -> u32 {
    let last = i32(size) - 1;
    return u32(last - abs(last - abs(i)));
}

@compute @workgroup_size(64)
fn pad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = position(i, p.top + p.h + p.bottom, p.left + p.w + p.right, p.c);
    var row = at.y - p.top; // wraps to a large number above the first row
    var col = at.z - p.left;
    if reflect != 0u {
        row = mirrored(i32(row), p.h);
        col = mirrored(i32(col), p.w);
    }
    let inside = row < p.h && col < p.w;
    let source = select(0u, ((at.x * p.h + row) * p.w + col) * p.c + at.w, inside);
    y[i] = select(0.0, x[source], inside);
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> gate_y: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: Params;

const NOWHERE: u32 = 0xffffffffu;

// Along one axis, the indices of y that show index i of x: itself, its reflection before, and the one after.
fn shown(i: u32, before: u32, size: u32, after: u32) -> vec3<u32> {
    let far = 2u * (size - 1u) - i;
    let is_before = reflect != 0u && i > 0u && i <= before;
    let is_after = reflect != 0u && far >= size && far < size + after;
    return vec3(before + i, select(NOWHERE, before - i, is_before), select(NOWHERE, before + far, is_after));
}

@compute @workgroup_size(64)
fn pad_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = position(i, q.h, q.w, q.c);
    let rows = shown(at.y, q.top, q.h, q.bottom);
    let cols = shown(at.z, q.left, q.w, q.right);
    let places = select(1u, 3u, reflect != 0u);
    var sum = 0.0;
    for (var r = 0u; r < places; r++) {
        if rows[r] == NOWHERE { continue; }
        let begin = (at.x * (q.top + q.h + q.bottom) + rows[r]) * (q.left + q.w + q.right);
        for (var s = 0u; s < places; s++) {
            if cols[s] != NOWHERE { sum += dy[(begin + cols[s]) * q.c + at.w]; }
        }
    }
    if gate != 0u { sum *= slope_from_output(gate, q.gate_alpha, gate_y[i]); }
    dx[i] = sum;
}
