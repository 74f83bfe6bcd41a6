// WEIGHT of conv2d.wgsl by the tiles of a subgroup, for images and outputs whose channels are multiples of four. A
// lane's rows of one term are adjacent, and so are its columns, so it loads four at once.
// Also needs conv2d/quads.wgsl, conv2d/lanes.wgsl and common/lanes.wgsl.

@group(0) @binding(4) var<storage, read_write> y_quads: array<vec4<f32>>;

// Four columns of the gathered operand, which are channels of one tap; zeros outside the image.
fn four_of_tap(tap: vec4<i32>, at: i32, near: vec2<i32>) -> vec4<f32> {
    let position = vec2<u32>(tap.yz + near);
    let inside = position.x < work.size.x && position.y < work.size.y;
    return select(vec4(0.0), image[select(0u, u32(tap.x + at) / 4u, inside)], inside);
}

// Rows are channels of y, columns gathered taps, and k runs over the pixels of y.
fn sums_over_pixels(lane: u32, corner: vec2<u32>, begin: u32, end: u32) -> array<mat4x4<f32>, 16> {
    let rows = lines(corner.x, lane, work.m).x;
    let more_rows = lines(corner.x + 32u, lane, work.m).x;
    let tap = tap_at(lines(corner.y, lane, work.n).x);
    let more_tap = tap_at(lines(corner.y + 32u, lane, work.n).x);
    let of_image = work.pixels.x * work.pixels.y;
    var n = begin / of_image;
    var pixel = vec2(begin % of_image / work.pixels.y, begin % work.pixels.y);
    var c: array<mat4x4<f32>, 16>;
    for (var k = begin; k < end; k++) {
        let near = vec2<i32>(pixel) * work.spacing + work.corner;
        let at = ((i32(n * work.size.x) + near.x) * i32(work.size.y) + near.y) * i32(work.channels);
        let a = factor[(rows + k * work.m) / 4u];
        let b = four_of_tap(tap, at, near);
        if tall != 0u {
            accumulate(&c, a, b, factor[(more_rows + k * work.m) / 4u]);
        } else {
            accumulate(&c, a, b, four_of_tap(more_tap, at, near));
        }
        pixel.y += 1u;
        if pixel.y == work.pixels.y { pixel = vec2(pixel.x + 1u, 0u); }
        if pixel.x == work.pixels.x { pixel.x = 0u; n += 1u; }
    }
    return c;
}

@compute @workgroup_size(8)
fn conv2d_lanes_quads(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let corner = begin_lanes(group, groups, lane);
    if corner.x >= work.m { return; }
    let begin = group.z * p.chunk;
    let c = sums_over_pixels(lane, corner, begin, min(work.k, begin + p.chunk));
    for (var i = 0u; i < 16u; i++) {
        let m = matrix(c, i);
        let at = corner + matrix_at(i, lane);
        for (var r = 0u; r < 4u; r++) {
            let to = ((group.z * work.m + at.x + r) * work.n + at.y) / 4u;
            if at.x + r < work.m && at.y < work.n { y_quads[to] = matrix_row(m, r); }
        }
    }
}
