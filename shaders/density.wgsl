// Points in the plane from a named density: y[b] = (shape + σ z − centre) · scale, where `shape` is a mode, a point of
// a curve or one of a square, and z a pair of standard normals. Of the words w of philox((order[b], stream, clock[0],
// 0), key), the first two give z and the others the shape. order [len], y [len, 2]. One invocation per point.
// Needs common/grid.wgsl, common/nan.wgsl, common/philox.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    kind: u32,
    stream: u32,
    key0: u32,
    key1: u32,
    sigma: f32,
    centre_x: f32,
    centre_y: f32,
    scale_x: f32,
    scale_y: f32,
}

override kind: u32 = 0u;

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

const EIGHT_GAUSSIANS: u32 = 0u;
const TWENTY_FIVE_GAUSSIANS: u32 = 1u;
const MOONS: u32 = 2u;
const SWISS_ROLL: u32 = 3u;
const CHECKERBOARD: u32 = 4u;

fn shape(a: u32, b: u32) -> vec2<f32> {
    switch kind {
        case EIGHT_GAUSSIANS: { return 2.0 * circle(a & 0xe0000000u); }
        case TWENTY_FIVE_GAUSSIANS: {
            let mode = multiply_high(a, 25u);
            return 2.0 * vec2<f32>(f32(mode / 5u), f32(mode % 5u)) - 4.0;
        }
        // A circle whose lower half is moved.
        case MOONS: {
            return turn(a) + select(vec2<f32>(0.0, 0.0), vec2<f32>(1.0, 0.5), a >= 0x80000000u);
        }
        // The angle is ¾ + 3/2 unit(a) turns; whole turns fall off the integer.
        case SWISS_ROLL: {
            let angle = 4.7123889804 * (1.0 + 2.0 * unit(a));
            return angle * circle(0xc0000000u + ((3u * (2u * (a >> 9u) + 1u)) << 7u));
        }
        // The place in the square is in the high bits of the words, the square in the low ones of the first.
        case CHECKERBOARD: {
            let column = (a & 7u) >> 1u;
            let row = 2u * (a & 1u) + (column & 1u);
            return vec2<f32>(f32(column) - 2.0 + unit(a), f32(row) - 2.0 + unit(b));
        }
        default: { return vec2<f32>(not_a_number(f32(a)), not_a_number(f32(b))); }
    }
}

@compute @workgroup_size(64)
fn density(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let w = philox(vec4<u32>(order[i], p.stream, clock[0], 0u), vec2<u32>(p.key0, p.key1));
    let z = sqrt(max(-2.0 * ln(unit(w.x)), 0.0)) * turn(w.y);
    let moved = shape(w.z, w.w) + p.sigma * z - vec2<f32>(p.centre_x, p.centre_y);
    y[2u * i] = moved.x * p.scale_x;
    y[2u * i + 1u] = moved.y * p.scale_y;
}
