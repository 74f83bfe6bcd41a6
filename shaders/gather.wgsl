// y[b, j] = scale · byte(order[b] · width + j) + shift: rows of a data set of bytes on the device, as numbers. Bytes
// are packed four to a word, the lowest first; rows need not start at a word. order [rows], y [rows, width], len = rows
// · width. One invocation per element of y.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    width: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(64)
fn gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let at = order[i / p.width] * p.width + i % p.width;
    let byte = (data[at >> 2u] >> (8u * (at & 3u))) & 0xffu;
    y[i] = p.scale * f32(byte) + p.shift;
}
