// The traversal of images for the products of conv2d.wgsl by the tiles of a subgroup. Taps and pixels are traversed
// incrementally, so that the sums contain no division, nor the rows of the output.
// Also needs common/lanes.wgsl, and conv2d/lanes_scalars.wgsl or conv2d/lanes_quads.wgsl.

// The corners of four pixels, or the steps of four taps, in the gathered image: elements from its start, h and w.
struct Places {
    at: vec4<i32>,
    h: vec4<i32>,
    w: vec4<i32>,
}

fn places_of(index: vec4<u32>) -> Places {
    var v: array<vec4<i32>, 4>;
    if role == WEIGHT {
        v = array(tap_at(index.x), tap_at(index.y), tap_at(index.z), tap_at(index.w));
    } else {
        v = array(pixel_at(index.x), pixel_at(index.y), pixel_at(index.z), pixel_at(index.w));
    }
    return Places(
        vec4(v[0].x, v[1].x, v[2].x, v[3].x),
        vec4(v[0].y, v[1].y, v[2].y, v[3].y),
        vec4(v[0].z, v[1].z, v[2].z, v[3].z),
    );
}

// The position in the image of these places after a step; −1 outside.
fn met(places: Places, at: i32, h: i32, w: i32) -> vec4<i32> {
    let inside = (vec4<u32>(places.h + h) < vec4(work.size.x)) & (vec4<u32>(places.w + w) < vec4(work.size.y));
    return select(vec4(-1), places.at + at, inside);
}

// The start in w of the columns' weights for the first channel of a tap.
fn first_of_w(i: u32, j: u32) -> u32 {
    let tap = vec2(i, j) * work.step + work.first;
    return select((i * work.taps.y + j) * work.channels, (tap.x * p.kernel_w + tap.y) * p.x_c, work.input);
}

// Image, h and w of a row of the product, among the pixels that are not gathered.
fn pixel_of(row: u32) -> vec3<u32> {
    let of_image = work.pixels.x * work.pixels.y;
    return vec3(row / of_image, row % of_image / work.pixels.y, row % work.pixels.y);
}

fn next_pixel(pixel: vec3<u32>) -> vec3<u32> {
    let row_ends = pixel.z + 1u == work.pixels.y;
    let h = pixel.y + select(0u, 1u, row_ends);
    let image_ends = h == work.pixels.x;
    return vec3(pixel.x + select(0u, 1u, image_ends), select(h, 0u, image_ends), select(pixel.z + 1u, 0u, row_ends));
}

// The row of the output for a row of the product, which is that pixel.
fn lane_row(z: u32, row: u32, pixel: vec3<u32>) -> u32 {
    if role == WEIGHT { return z * work.m + row; }
    let h = pixel.y * p.stride_h + work.residue.x;
    return select(row, (pixel.x * p.x_h + h) * p.x_w + pixel.z * p.stride_w + work.residue.y, work.input);
}

// Sets `work`, and returns the first row and column of the workgroup's tile.
fn begin_lanes(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> vec2<u32> {
    zero = lane / 8u;
    work = work_at(group.z, role == INPUT || (role == TAPS && p.role + zero == INPUT));
    work.taps += zero;
    work.channels += zero;
    let size = tile_size();
    let across = (work.n + size.y - 1u) / size.y;
    let index = group_index(vec3(group.xy, 0u), groups);
    return vec2(index / across, index % across) * size;
}
