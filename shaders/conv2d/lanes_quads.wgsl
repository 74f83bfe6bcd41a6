// The products of conv2d.wgsl by the tiles of a subgroup, for images and outputs whose channels are multiples of four.
// Also needs conv2d/quads.wgsl, conv2d/lanes.wgsl and common/lanes_quads.wgsl.

@group(0) @binding(3) var<storage, read> gate_quads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y_quads: array<vec4<f32>>;

// Four channels of four pixels, by channel; zeros where `at` is negative.
fn channels_of_image(at: vec4<i32>, channel: u32) -> mat4x4<f32> {
    let i = (vec4<u32>(max(at, vec4(0))) + channel) / 4u;
    return transpose(mat4x4(
        select(vec4(0.0), image[i.x], at.x >= 0),
        select(vec4(0.0), image[i.y], at.y >= 0),
        select(vec4(0.0), image[i.z], at.z >= 0),
        select(vec4(0.0), image[i.w], at.w >= 0),
    ));
}

// Four columns of w for four channels, by channel: the channels are adjacent for FORWARD, the columns for INPUT.
fn channels_of_w(cols: vec4<u32>, first: u32, to_channel: u32) -> mat4x4<f32> {
    let terms = vec4(first) + vec4(0u, 1u, 2u, 3u) * to_channel;
    let i = select(cols * work.k + first, terms + cols.x, is_input()) / 4u;
    return by_term(mat4x4(factor[i.x], factor[i.y], factor[i.z], factor[i.w]), !is_input());
}

// FORWARD and INPUT: rows are gathered pixels, columns channels of w, and k runs over taps and channels.
fn sums_over_taps(lane: u32, corner: vec2<u32>) -> array<mat4x4<f32>, 16> {
    let rows = places_of(lines(corner.x, lane, work.m));
    let more_rows = places_of(lines(corner.x + 32u, lane, work.m));
    let cols = lines(corner.y, lane, work.n);
    let more_cols = lines(corner.y + 32u, lane, work.n);
    let to_channel = select(1u, p.kernel_h * p.kernel_w * p.x_c, is_input());
    var c: array<mat4x4<f32>, 16>;
    for (var i = 0u; i < work.taps.x; i++) {
        for (var j = 0u; j < work.taps.y; j++) {
            let step = vec2(i32(i), i32(j)) * work.walk;
            let at = (step.x * i32(work.size.y) + step.y) * i32(work.channels);
            let near = met(rows, at, step.x, step.y);
            let more_near = met(more_rows, at, step.x, step.y);
            let first = first_of_w(i, j);
            for (var channel = 0u; channel < work.channels; channel += 4u) {
                let of_w = first + channel * to_channel;
                var a = channels_of_image(near, channel);
                var b = channels_of_w(cols, of_w, to_channel);
                var more: mat4x4<f32>;
                if tall != 0u {
                    more = channels_of_image(more_near, channel);
                } else {
                    more = channels_of_w(more_cols, of_w, to_channel);
                }
                for (var term = 0u; term < 4u; term++) {
                    accumulate(&c, a[0], b[0], more[0]);
                    a = next_term(a);
                    b = next_term(b);
                    more = next_term(more);
                }
            }
        }
    }
    return c;
}

// Four columns of the gathered operand, which are channels of one tap; zeros outside the image.
fn four_of_tap(tap: vec4<i32>, at: i32, near: vec2<i32>) -> vec4<f32> {
    let position = vec2<u32>(tap.yz + near);
    let inside = position.x < work.size.x && position.y < work.size.y;
    return select(vec4(0.0), image[select(0u, u32(tap.x + at) / 4u, inside)], inside);
}

// WEIGHT: rows are channels of y, columns gathered taps, and k runs over the pixels of y.
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
    work = work_at(group.z);
    let size = tile_size();
    let across = (work.n + size.y - 1u) / size.y;
    let index = group_index(vec3(group.xy, 0u), groups);
    let corner = vec2(index / across, index % across) * size;
    if corner.x >= work.m { return; }
    var c: array<mat4x4<f32>, 16>;
    if role == WEIGHT {
        let begin = group.z * p.chunk;
        c = sums_over_pixels(lane, corner, begin, min(work.k, begin + p.chunk));
    } else {
        c = sums_over_taps(lane, corner);
    }
    let first = pixel_of(corner.x);
    var pixel = first;
    let near = biases(corner.y, lane, work.n);
    let after = biases(corner.y + 32u, lane, work.n);
    for (var i = 0u; i < 16u; i++) {
        var m = biased(c, i, near, after);
        let at = corner + matrix_at(i, lane);
        // A tall tile's second block has the next rows, a wide one's the same.
        if i == 8u && tall == 0u { pixel = first; }
        for (var r = 0u; r < 4u; r++) {
            let to = (lane_row(group.z, at.x + r, pixel) * work.n + at.y) / 4u;
            if at.x + r < work.m && at.y < work.n { y_quads[to] = epilogue(to, m[0]); }
            pixel = next_pixel(pixel);
            m = next_term(m);
        }
    }
}
