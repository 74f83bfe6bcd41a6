// The products of conv2d.wgsl by the tiles of a subgroup, for images of any number of channels.
// Also needs conv2d/scalars.wgsl, conv2d/lanes.wgsl and common/lanes.wgsl.

fn four_of_image(at: vec4<i32>, channel: i32) -> vec4<f32> {
    let i = max(at, vec4(0)) + channel; // an image has at least as many elements as channels
    return select(vec4(0.0), vec4(image[i.x], image[i.y], image[i.z], image[i.w]), at >= vec4(0));
}

fn four_of_factor(at: vec4<u32>) -> vec4<f32> {
    return vec4(factor[at.x], factor[at.y], factor[at.z], factor[at.w]);
}

// FORWARD and INPUT: rows are gathered pixels, columns channels of w, and k runs over taps and channels.
fn sums_over_taps(lane: u32, corner: vec2<u32>) -> array<mat4x4<f32>, 16> {
    let rows = places_of(lines(corner.x, lane, work.m));
    let more_rows = places_of(lines(corner.x + select(0u, 32u, tall != 0u), lane, work.m));
    let to_col = select(1u, work.k, !work.input);
    let to_channel = select(p.kernel_h * p.kernel_w * p.x_c, 1u, !work.input);
    let cols = lines(corner.y, lane, work.n) * to_col;
    let more_cols = lines(corner.y + 32u, lane, work.n) * to_col;
    var c: array<mat4x4<f32>, 16>;
    for (var i = 0u; i < work.taps.x; i++) {
        for (var j = 0u; j < work.taps.y; j++) {
            let step = vec2(i32(i), i32(j)) * work.walk;
            let at = (step.x * i32(work.size.y) + step.y) * i32(work.channels);
            let near = met(rows, at, step.x, step.y);
            let more_near = met(more_rows, at, step.x, step.y);
            var of_w = first_of_w(i, j);
            for (var channel = 0u; channel < work.channels; channel++) {
                let a = four_of_image(near, i32(channel));
                let b = four_of_factor(cols + of_w);
                if tall != 0u {
                    accumulate(&c, a, b, four_of_image(more_near, i32(channel)));
                } else {
                    accumulate(&c, a, b, four_of_factor(more_cols + of_w));
                }
                of_w += to_channel;
            }
        }
    }
    return c;
}

// WEIGHT: rows are channels of y, columns gathered taps, and k runs over the pixels of y.
fn sums_over_pixels(lane: u32, corner: vec2<u32>, begin: u32, end: u32) -> array<mat4x4<f32>, 16> {
    let rows = lines(corner.x, lane, work.m);
    let more_rows = lines(corner.x + 32u, lane, work.m);
    let cols = places_of(lines(corner.y, lane, work.n));
    let more_cols = places_of(lines(corner.y + select(32u, 0u, tall != 0u), lane, work.n));
    let of_image = work.pixels.x * work.pixels.y;
    var n = begin / of_image;
    var pixel = vec2(begin % of_image / work.pixels.y, begin % work.pixels.y);
    var c: array<mat4x4<f32>, 16>;
    for (var k = begin; k < end; k++) {
        let near = vec2<i32>(pixel) * work.spacing + work.corner;
        let at = ((i32(n * work.size.x) + near.x) * i32(work.size.y) + near.y) * i32(work.channels);
        let a = four_of_factor(rows + k * work.m);
        let b = four_of_image(met(cols, at, near.x, near.y), 0);
        if tall != 0u {
            accumulate(&c, a, b, four_of_factor(more_rows + k * work.m));
        } else {
            accumulate(&c, a, b, four_of_image(met(more_cols, at, near.x, near.y), 0));
        }
        pixel.y += 1u;
        if pixel.y == work.pixels.y { pixel = vec2(pixel.x + 1u, 0u); }
        if pixel.x == work.pixels.x { pixel.x = 0u; n += 1u; }
    }
    return c;
}

@compute @workgroup_size(8)
fn conv2d_lanes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let corner = begin_lanes(group, groups, lane);
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
        let m = biased(c, i, near, after);
        let at = corner + matrix_at(i, lane);
        // A tall tile's second block has the next rows, a wide one's the same.
        if i == 8u && tall == 0u { pixel = first; }
        for (var e = 0u; e < 16u; e++) {
            let row = at.x + e / 4u;
            let col = at.y + e % 4u;
            let to = lane_row(group.z, row, pixel) * work.n + col;
            if row < work.m && col < work.n { y[to] = epilogue(to, element(m, e)); }
            if e % 4u == 3u { pixel = next_pixel(pixel); }
        }
    }
}
