// Corruptions of images x [n, h, w, c] with numbers in [low, high], of which a model learns the inverse.
//
//   corrupt_noise     y = clamp(x + sigma · draws, low, high)
//   corrupt_square    the mask [n, h, w, 1] of a square of side × side pixels at a place by draws [n, 2]: 1 inside
//   corrupt_masked    y [n, h, w, c + 1]: the middle of the range where the mask is over ½, else x; then high or low
//   corrupt_gray      0.299 r + 0.587 g + 0.114 b in each of three channels
//   corrupt_down      the mean of each block of k × k pixels in all of them; of a block at the edge, of what it has
//   corrupt_blur      along one axis, Σ_d e^(−½ d²/σ²) x[at + d] / Σ_d e^(−½ d²/σ²) with |d| ≤ radius; edges repeated
//   corrupt_jpeg      JPEG's loss (ITU-T T.81) without subsampling of colour, below
//
// One invocation per element, of corrupt_square and corrupt_masked too; corrupt_jpeg has one per pixel of a block.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct NoiseParams {
    len: u32,
    sigma: f32,
    low: f32,
    high: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> draws: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: NoiseParams;

@compute @workgroup_size(64)
fn corrupt_noise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    y[i] = clamp(x[i] + p.sigma * draws[i], p.low, p.high);
}

struct SquareParams {
    len: u32, // pixels of all images
    h: u32,
    w: u32,
    side: u32,
}

@group(0) @binding(0) var<storage, read> places: array<f32>;
@group(0) @binding(1) var<storage, read_write> square: array<f32>;
@group(0) @binding(2) var<uniform> p_square: SquareParams;

// An integer below `count`, by the upper 16 bits of a draw, which is exact.
fn integer(draw: f32, count: u32) -> u32 {
    return ((u32(draw * 8388608.0) >> 7u) * count) >> 16u;
}

@compute @workgroup_size(64)
fn corrupt_square(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_square.len { return; }
    let image = i / (p_square.h * p_square.w);
    let pixel = vec2(i / p_square.w % p_square.h, i % p_square.w);
    let first = vec2(
        integer(places[2u * image], p_square.h - p_square.side + 1u),
        integer(places[2u * image + 1u], p_square.w - p_square.side + 1u),
    );
    let inside = all(pixel >= first) && all(pixel - first < vec2(p_square.side));
    square[i] = select(0.0, 1.0, inside);
}

struct MaskedParams {
    len: u32, // elements of y
    c: u32, // channels of x
    low: f32,
    high: f32,
}

@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<uniform> p_masked: MaskedParams;

@compute @workgroup_size(64)
fn corrupt_masked(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_masked;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let pixel = i / (q.c + 1u);
    let channel = i % (q.c + 1u);
    let unknown = mask[pixel] > 0.5;
    let known = x[pixel * q.c + min(channel, q.c - 1u)];
    let of_image = select(known, 0.5 * (q.low + q.high), unknown);
    y[i] = select(of_image, select(q.low, q.high, unknown), channel == q.c);
}

struct GrayParams {
    len: u32,
}

@group(0) @binding(1) var<storage, read_write> shown: array<f32>;
@group(0) @binding(2) var<uniform> p_gray: GrayParams;

@compute @workgroup_size(64)
fn corrupt_gray(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_gray.len { return; }
    let pixel = i - i % 3u;
    shown[i] = luminance(vec3(x[pixel], x[pixel + 1u], x[pixel + 2u]));
}

fn luminance(rgb: vec3<f32>) -> f32 {
    return 0.299 * rgb.x + 0.587 * rgb.y + 0.114 * rgb.z;
}

struct DownParams {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    k: u32,
}

@group(0) @binding(2) var<uniform> p_down: DownParams;

@compute @workgroup_size(64)
fn corrupt_down(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_down;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let pixel = vec2(i / (q.w * q.c) % q.h, i / q.c % q.w);
    let first = pixel - pixel % q.k;
    let end = min(first + q.k, vec2(q.h, q.w));
    let image = i / (q.h * q.w * q.c) * q.h;
    var sum = 0.0;
    for (var row = first.x; row < end.x; row++) {
        for (var column = first.y; column < end.y; column++) {
            sum += x[((image + row) * q.w + column) * q.c + i % q.c];
        }
    }
    let size = end - first;
    shown[i] = sum / f32(size.x * size.y);
}

struct BlurParams {
    len: u32,
    size: u32, // of the axis
    stride: u32, // elements between neighbours along it
    radius: u32,
    sigma: f32,
}

@group(0) @binding(2) var<uniform> p_blur: BlurParams;

@compute @workgroup_size(64)
fn corrupt_blur(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_blur;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let at = i / q.stride % q.size;
    let first = i - at * q.stride;
    var sum = x[i];
    var weights = 1.0;
    for (var d = 1u; d <= q.radius; d++) {
        let share = f32(d) / q.sigma;
        let weight = exponential(-0.5 * share * share);
        let before = first + (at - min(at, d)) * q.stride;
        let after = first + min(at + d, q.size - 1u) * q.stride;
        sum += weight * (x[before] + x[after]);
        weights += 2.0 * weight;
    }
    shown[i] = sum / weights;
}

struct JpegParams {
    blocks: u32, // of 8 × 8 pixels, in all images
    h: u32,
    w: u32,
    c: u32,
    quality: u32,
    scale: f32, // grey levels to a unit of x: 255 / (high − low)
    low: f32,
    high: f32,
}

@group(0) @binding(2) var<uniform> p_jpeg: JpegParams;

// The two halves take turns: three planes of 8 × 8 each.
var<workgroup> planes: array<f32, 384>;
// The orthonormal cosine transform: row u has a(u) cos((2 x + 1) u π / 16), a(0) = √⅛, a(u) = ½.
var<workgroup> basis: array<f32, 64>;

// A plane from one half to the other, transformed along its columns and transposed; twice is the whole transform.
fn transform(from_half: u32, to_half: u32, plane: u32, local: u32, inverse: bool) {
    let i = local / 8u;
    let j = local % 8u;
    var sum = 0.0;
    for (var k = 0u; k < 8u; k++) {
        sum += basis[select(i * 8u + k, k * 8u + i, inverse)] * planes[192u * from_half + plane * 64u + k * 8u + j];
    }
    planes[192u * to_half + plane * 64u + j * 8u + i] = sum;
}

// The nearest whole number, of a tie the even one. The differences are exact.
fn nearest(ratio: f32) -> f32 {
    let below = floor(ratio);
    let rest = ratio - below;
    let odd = below - 2.0 * floor(0.5 * below) == 1.0;
    return select(below, below + 1.0, rest > 0.5 || (rest == 0.5 && odd));
}

// The divisor of coefficient `at`, v · 8 + u: tables K.1 and K.2 of the standard, scaled by the quality as by the
// Independent JPEG Group's library.
fn divisor(at: u32, colour: bool, quality: u32) -> f32 {
    var of_luminance = array<u32, 64>(
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
        14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
        49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    );
    var of_colour = array<u32, 16>(17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99);
    let row = at / 8u;
    let column = at % 8u;
    let low_frequency = row < 4u && column < 4u;
    let colour_entry = select(99u, of_colour[min(row, 3u) * 4u + min(column, 3u)], low_frequency);
    let entry = select(of_luminance[at], colour_entry, colour);
    let percent = select(200u - 2u * quality, 5000u / quality, quality < 50u);
    return f32(clamp((entry * percent + 50u) / 100u, 1u, 255u));
}

// Grey levels less 128, or Y, Cb and Cr (JFIF 1.02): of each plane 8 × 8 coefficients, rounded to multiples of their
// divisors, ties to even.
@compute @workgroup_size(64)
fn corrupt_jpeg(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_jpeg;
    let index = group_index(group, groups);
    // A workgroup past the end repeats the last block and stores nothing.
    let block = min(index, q.blocks - 1u);
    let across = (q.w + 7u) / 8u;
    let down = (q.h + 7u) / 8u;
    let row = block / across % down * 8u + local / 8u;
    let column = block % across * 8u + local % 8u;
    let image = block / (across * down);
    let at = ((image * q.h + min(row, q.h - 1u)) * q.w + min(column, q.w - 1u)) * q.c;

    // cos((2 x + 1) u π / 16) by 32 parts of a turn.
    let u = local / 8u;
    basis[local] = select(0.5, 0.35355339059, u == 0u) * circle(((2u * (local % 8u) + 1u) * u) << 27u).x;
    var levels = vec3(0.0);
    for (var channel = 0u; channel < q.c; channel++) { levels[channel] = (x[at + channel] - q.low) * q.scale; }
    let bright = select(luminance(levels), levels.x, q.c == 1u);
    planes[local] = bright - 128.0;
    planes[64u + local] = (levels.z - bright) / 1.772;
    planes[128u + local] = (levels.x - bright) / 1.402;
    workgroupBarrier();
    for (var plane = 0u; plane < q.c; plane++) { transform(0u, 1u, plane, local, false); }
    workgroupBarrier();
    for (var plane = 0u; plane < q.c; plane++) { transform(1u, 0u, plane, local, false); }
    workgroupBarrier();
    for (var plane = 0u; plane < q.c; plane++) {
        let step = divisor(local, plane > 0u, q.quality);
        planes[plane * 64u + local] = nearest(planes[plane * 64u + local] / step) * step;
    }
    workgroupBarrier();
    for (var plane = 0u; plane < q.c; plane++) { transform(0u, 1u, plane, local, true); }
    workgroupBarrier();
    for (var plane = 0u; plane < q.c; plane++) { transform(1u, 0u, plane, local, true); }
    workgroupBarrier();

    let level = planes[local] + 128.0;
    var restored = vec3(level);
    if q.c == 3u {
        restored.x = level + 1.402 * planes[128u + local];
        restored.z = level + 1.772 * planes[64u + local];
        restored.y = (level - 0.299 * restored.x - 0.114 * restored.z) / 0.587;
    }
    if index < q.blocks && row < q.h && column < q.w {
        for (var channel = 0u; channel < q.c; channel++) {
            shown[at + channel] = clamp(q.low + restored[channel] / q.scale, q.low, q.high);
        }
    }
}
