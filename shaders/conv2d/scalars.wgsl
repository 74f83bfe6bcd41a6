// Loads of conv2d.wgsl one number at a time, for images of any number of channels; and the kernels without tiles.

@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> factor: array<f32>;

var<workgroup> shares: array<vec4<f32>, 64>;

fn gathered(place: u32, step: vec4<i32>) -> f32 {
    let at = places[place] + step;
    let inside = u32(at.y) < work.size.x && u32(at.z) < work.size.y; // negative values wrap to large ones
    return select(0.0, image[select(0u, u32(at.x), inside)], inside);
}

// Four adjacent rows or columns of the gathered operand.
fn gathered_quad(quad: u32, step: vec4<i32>) -> vec4<f32> {
    let i = 4u * quad;
    return vec4(gathered(i, step), gathered(i + 1u, step), gathered(i + 2u, step), gathered(i + 3u, step));
}

fn plain(start: u32, spacing: u32, i: u32, limit: u32) -> f32 {
    let inside = i < limit;
    return select(0.0, factor[select(0u, start + i * spacing, inside)], inside);
}

// Four adjacent columns or rows of the other operand, `spacing` elements apart.
fn plain_quad(start: u32, spacing: u32, i: u32, limit: u32) -> vec4<f32> {
    return vec4(
        plain(start, spacing, i, limit),
        plain(start, spacing, i + 1u, limit),
        plain(start, spacing, i + 2u, limit),
        plain(start, spacing, i + 3u, limit),
    );
}

// Adjacent invocations read along k, each for one k and for every few quads of rows and of columns.
fn load_slab(local: u32, l0: u32, end: u32, base: u32) {
    let l = local % slab;
    let k = l0 + l;
    var step = OUTSIDE;
    if k < end {
        if role == WEIGHT { step = pixel_at(k); } else { step = tap_at(k); }
    }
    let start = u32(step.w) * select(1u, work.m, role == WEIGHT);
    let spacing = select(1u, work.k, role == FORWARD);
    let limit = select(0u, select(work.n, work.m, role == WEIGHT), k < end);
    for (var quad = local / slab; quad < max(a_quads, b_quads); quad += invocations / slab) {
        if quad < select(a_quads, b_quads, role == WEIGHT) { keep_gathered(base + l, quad, gathered_quad(quad, step)); }
        if quad < select(b_quads, a_quads, role == WEIGHT) {
            let first = select(corner.y, corner.x, role == WEIGHT) + 4u * quad;
            keep_plain(base + l, quad, plain_quad(start, spacing, first, limit));
        }
    }
}

// Eight adjacent invocations share a row and its up to four sums; each takes every eighth channel of every tap.
@compute @workgroup_size(8, 8)
fn conv2d_forward_narrow(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
) {
    work = work_at(group.z, role == INPUT);
    let row = group_index(vec3(group.xy, 0u), groups) * 8u + lane.y;
    var place = OUTSIDE;
    var sum = vec4(0.0);
    if row < work.m {
        place = pixel_at(row);
        for (var tap = 0u; tap < work.taps.x * work.taps.y; tap++) {
            let step = tap_at(tap * work.channels);
            let at = place + step;
            if u32(at.y) >= work.size.x || u32(at.z) >= work.size.y { continue; }
            for (var c = lane.x; c < work.channels; c += 8u) {
                let start = u32(step.w) + c;
                let v = image[u32(at.x) + c];
                // All invocations have the same number of columns, so a branch costs less than loading absent ones.
                sum.x += v * factor[start];
                if work.n > 1u { sum.y += v * factor[start + work.k]; }
                if work.n > 2u { sum.z += v * factor[start + 2u * work.k]; }
                if work.n > 3u { sum.w += v * factor[start + 3u * work.k]; }
            }
        }
    }
    shares[lane.y * 8u + lane.x] = sum;
    workgroupBarrier();
    if lane.x != 0u { return; }
    for (var i = 1u; i < 8u; i++) { sum += shares[lane.y * 8u + i]; }
    put(place.w, 0u, sum.x); put(place.w, 1u, sum.y);
    put(place.w, 2u, sum.z); put(place.w, 3u, sum.w);
}

// Sums the contributions to an element of x; of the taps that reach its pixel there is one every `step`.
@compute @workgroup_size(256)
fn conv2d_fold(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    let pixel = i / p.x_c;
    let c = i % p.x_c;
    let row = pixel / p.x_w;
    let start = vec2(row % p.x_h, pixel % p.x_w) + vec2(p.pad_h, p.pad_w);
    let n = row / p.x_h;
    if n >= p.batch { return; }
    let first = vec2(
        first_tap(start.x, p.stride_h, p.dilation_h, p.step_h),
        first_tap(start.y, p.stride_w, p.dilation_w, p.step_w),
    );
    // None if no tap reaches the pixel.
    let taps = select(vec2(p.kernel_h, p.kernel_w), vec2(0u), first == vec2(p.step_h, p.step_w));
    let dilation = vec2(p.dilation_h, p.dilation_w);
    let stride = vec2<i32>(vec2(p.stride_h, p.stride_w));
    let corner = (vec2<i32>(start) - vec2<i32>(first * dilation)) / stride; // in y
    let spacing = vec2<i32>(vec2(p.step_h, p.step_w) * dilation) / stride;
    var sum = 0.0;
    var oh = corner.x;
    for (var a = first.x; a < taps.x; a += p.step_h) {
        var ow = corner.y;
        for (var b = first.y; b < taps.y; b += p.step_w) {
            if u32(oh) < p.y_h && u32(ow) < p.y_w {
                let at = (n * p.y_h + u32(oh)) * p.y_w + u32(ow);
                sum += image[((at * p.kernel_h + a) * p.kernel_w + b) * p.x_c + c];
            }
            ow -= spacing.y;
        }
        oh -= spacing.x;
    }
    y[i] = finish(i, c, sum);
}
