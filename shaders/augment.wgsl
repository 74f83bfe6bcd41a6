// Augmentations of images x [n, h, w, c] that can be differentiated (DiffAugment: Zhao et al., 2020), by eight uniform
// numbers in (0, 1) an image, `draws`:
//
//   augment_colour          y = gate ⊙ (contrast · (saturation (x − m) + m) + (1 − contrast) mean + brightness), where
//                           m is the mean of the pixel's channels and `mean` that of the image; saturation is in
//                           (0, 2), contrast in (½, 3/2), brightness in (−½, ½), or 0 if `bright` is. Without
//                           brightness it is its own adjoint.
//   augment_place           y = x moved by up to reach_h rows and reach_w columns, zeros where none is, and a window of
//                           cut_h × cut_w pixels set to zero, whose centre is anywhere in the image
//   augment_place_backward  dx = gate ⊙ the adjoint of augment_place
//
// The gate is the slope of the activation `gate` with output gate_y. One invocation per element.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct ColourParams {
    len: u32,
    pixels: u32, // of an image
    c: u32,
    bright: u32,
    gate: u32,
    gate_alpha: f32,
}

override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> draws: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> gate_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: ColourParams;

@compute @workgroup_size(64)
fn augment_colour(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let pixel = i / p.c;
    let image = pixel / p.pixels;
    var m = 0.0;
    for (var channel = 0u; channel < p.c; channel++) { m += x[pixel * p.c + channel]; }
    m /= f32(p.c);
    let brightness = select(0.0, draws[8u * image] - 0.5, p.bright != 0u);
    let saturation = 2.0 * draws[8u * image + 1u];
    let contrast = 0.5 + draws[8u * image + 2u];
    let v = contrast * (saturation * (x[i] - m) + m) + (1.0 - contrast) * mean[image] + brightness;
    y[i] = v * slope_from_output(gate, p.gate_alpha, gate_y[i]);
}

struct PlaceParams {
    len: u32,
    h: u32,
    w: u32,
    c: u32,
    reach_h: u32,
    reach_w: u32,
    cut_h: u32,
    cut_w: u32,
    gate: u32,
    gate_alpha: f32,
}

@group(0) @binding(2) var<storage, read_write> moved: array<f32>;
@group(0) @binding(3) var<uniform> p_place: PlaceParams;

// An integer below `count`, by the upper 16 bits of a draw, which is exact.
fn integer(draw: f32, count: u32) -> i32 {
    return i32(((u32(draw * 8388608.0) >> 7u) * count) >> 16u);
}

// Rows and columns by which an image moves.
fn shift(q: PlaceParams, image: u32) -> vec2<i32> {
    let at = 8u * image;
    return vec2(integer(draws[at + 3u], 2u * q.reach_h + 1u), integer(draws[at + 4u], 2u * q.reach_w + 1u))
        - vec2<i32>(vec2(q.reach_h, q.reach_w));
}

// True if the pixel is in the window that is cut out.
fn is_cut(q: PlaceParams, image: u32, pixel: vec2<i32>) -> bool {
    let at = 8u * image;
    let cut = vec2<i32>(vec2(q.cut_h, q.cut_w));
    let centre = vec2(
        integer(draws[at + 5u], q.h + 1u - q.cut_h % 2u),
        integer(draws[at + 6u], q.w + 1u - q.cut_w % 2u),
    );
    let first = centre - cut / 2;
    return all(pixel >= first) && all(pixel < first + cut);
}

fn is_inside(q: PlaceParams, pixel: vec2<i32>) -> bool {
    return all(pixel >= vec2(0)) && all(pixel < vec2<i32>(vec2(q.h, q.w)));
}

@compute @workgroup_size(64)
fn augment_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_place;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let image = i / (q.h * q.w * q.c);
    let pixel = vec2<i32>(vec2(i / (q.w * q.c) % q.h, i / q.c % q.w));
    let source = pixel - shift(q, image);
    let taken = is_inside(q, source) && !is_cut(q, image, pixel);
    let at = ((image * q.h + u32(source.x)) * q.w + u32(source.y)) * q.c + i % q.c;
    moved[i] = select(0.0, x[select(0u, at, taken)], taken);
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> gate_x: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: PlaceParams;

@compute @workgroup_size(64)
fn augment_place_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let image = i / (q.h * q.w * q.c);
    let pixel = vec2<i32>(vec2(i / (q.w * q.c) % q.h, i / q.c % q.w));
    let target_pixel = pixel + shift(q, image);
    let taken = is_inside(q, target_pixel) && !is_cut(q, image, target_pixel);
    let at = ((image * q.h + u32(target_pixel.x)) * q.w + u32(target_pixel.y)) * q.c + i % q.c;
    let v = select(0.0, dy[select(0u, at, taken)], taken);
    dx[i] = v * slope_from_output(gate, q.gate_alpha, gate_x[i]);
}
