// A number for each channel of an image added to all its pixels, and the gradient of these numbers:
//
//   shift_channels            y[i, q, j] = x[i, q, j] + e[i, j]; one invocation per element
//   shift_channels_backward   de[i, j] = Σ over pixels q of dy[i, q, j]; one invocation per element of de, which adds
//                             its pixels in order
//
// x, y and dy [n, hw, c], e and de [n, c].
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    hw: u32,
    c: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> e: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn shift_channels(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    y[i] = x[i] + e[i / (p.hw * p.c) * p.c + i % p.c];
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> de: array<f32>;
@group(0) @binding(2) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn shift_channels_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 256u + local;
    if i >= q.len { return; }
    let first = i / q.c * q.hw * q.c + i % q.c;
    var sum = 0.0;
    for (var pixel = 0u; pixel < q.hw; pixel++) {
        sum += dy[first + pixel * q.c];
    }
    de[i] = sum;
}
