// FORWARD and INPUT of conv2d.wgsl by the tiles of a subgroup, for images and outputs whose channels are multiples of
// four.
// Also needs conv2d/quads.wgsl, conv2d/lanes.wgsl and common/lanes_blocks.wgsl.

@group(0) @binding(3) var<storage, read> gate_y_quads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y_quads: array<vec4<f32>>;

// Four channels of four pixels, by pixel; zeros where `at` is negative.
fn channels_of_image(at: vec4<i32>, channel: u32) -> mat4x4<f32> {
    let i = (vec4<u32>(max(at, vec4(0))) + channel) / 4u;
    return mat4x4(
        select(vec4(0.0), image[i.x], at.x >= 0),
        select(vec4(0.0), image[i.y], at.y >= 0),
        select(vec4(0.0), image[i.z], at.z >= 0),
        select(vec4(0.0), image[i.w], at.w >= 0),
    );
}

// Four columns of w for four channels, by channel: the channels are adjacent for FORWARD, the columns for INPUT.
fn channels_of_w(cols: vec4<u32>, first: u32, to_channel: u32) -> mat4x4<f32> {
    let terms = vec4(first) + vec4(0u, 1u, 2u, 3u) * to_channel;
    let i = select(cols * work.k + first, terms + cols.x, work.input) / 4u;
    return by_term(mat4x4(factor[i.x], factor[i.y], factor[i.z], factor[i.w]), !work.input);
}

// FORWARD and INPUT: rows are gathered pixels, columns channels of w, and k runs over taps and channels.
fn sums_over_taps(lane: u32, corner: vec2<u32>) -> array<mat4x4<f32>, 16> {
    let rows = places_of(lines(corner.x, lane, work.m));
    let more_rows = places_of(lines(corner.x + 32u, lane, work.m));
    let cols = lines(corner.y, lane, work.n);
    let more_cols = lines(corner.y + 32u, lane, work.n);
    let to_channel = select(1u, p.kernel_h * p.kernel_w * p.x_c, work.input);
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
                let a = channels_of_image(near, channel);
                let b = channels_of_w(cols, of_w, to_channel);
                var more: mat4x4<f32>;
                if tall != 0u {
                    more = channels_of_image(more_near, channel);
                } else {
                    more = channels_of_w(more_cols, of_w, to_channel);
                }
                accumulate_block(&c, a, b, more);
            }
        }
    }
    return c;
}

@compute @workgroup_size(8)
fn conv2d_lanes_blocks(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let corner = begin_lanes(group, groups, lane);
    if corner.x >= work.m { return; }
    let c = sums_over_taps(lane, corner);
    let first = pixel_of(corner.x);
    var pixel = first;
    let near = biases(corner.y, lane, work.n);
    let after = biases(corner.y + 32u, lane, work.n);
    for (var i = 0u; i < 16u; i++) {
        let m = biased(c, i, near, after);
        let at = corner + matrix_at(i, lane);
        // A tall tile's second block has the next rows, a wide one's the same.
        if i == 8u && tall == 0u { pixel = first; }
        for (var r = 0u; r < 4u; r++) {
            let to = (lane_row(group.z, at.x + r, pixel) * work.n + at.y) / 4u;
            if at.x + r < work.m && at.y < work.n { y_quads[to] = epilogue_quad(to, matrix_row(m, r)); }
            pixel = next_pixel(pixel);
        }
    }
}
