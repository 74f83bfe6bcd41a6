// Rows of a data set of bytes on the device, as numbers, order [rows], y [rows, width], len = rows · width:
//
//   gather        y[b, j] = scale · byte(order[b] · width + j) + shift
//   gather_moved  the same of images [h, w, c], each mirrored left to right if `mirror` is 1 and its first draw below
//                 ½, then moved by up to `crop` rows and columns, with its edge repeated; draws [rows, 3] are in (0, 1)
//
// Bytes are packed four to a word, the lowest first; rows need not start at a word. One invocation per element of y.
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

fn byte(at: u32) -> f32 {
    return f32((data[at >> 2u] >> (8u * (at & 3u))) & 0xffu);
}

@compute @workgroup_size(64)
fn gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    y[i] = p.scale * byte(order[i / p.width] * p.width + i % p.width) + p.shift;
}

struct MovedParams {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    mirror: u32,
    crop: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(2) var<storage, read> draws: array<f32>;
@group(0) @binding(3) var<storage, read_write> moved: array<f32>;
@group(0) @binding(4) var<uniform> q: MovedParams;

// An integer below `count`, by the upper 16 bits of a draw, which is exact.
fn integer(draw: f32, count: u32) -> i32 {
    return i32(((u32(draw * 8388608.0) >> 7u) * count) >> 16u);
}

@compute @workgroup_size(64)
fn gather_moved(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let image = i / (q.h * q.w * q.c);
    let pixel = vec2<i32>(vec2(i / (q.w * q.c) % q.h, i / q.c % q.w));
    let by = vec2(integer(draws[3u * image + 1u], 2u * q.crop + 1u), integer(draws[3u * image + 2u], 2u * q.crop + 1u));
    let last = vec2<i32>(vec2(q.h, q.w)) - 1;
    var source = clamp(pixel - by + i32(q.crop), vec2(0), last);
    if q.mirror != 0u && draws[3u * image] < 0.5 { source.y = last.y - source.y; }
    let at = (u32(source.x) * q.w + u32(source.y)) * q.c + i % q.c;
    moved[i] = q.scale * byte(order[image] * (q.h * q.w * q.c) + at) + q.shift;
}
