// Convolutions of NHWC images as products A · B in which one operand is gathered from an image and never stored.
// With x [batch, x_h, x_w, x_c], w [y_c, kernel_h, kernel_w, x_c] and y [batch, y_h, y_w, y_c]:
//
//   conv2d_forward          y[n, oh, ow, co] = gate ⊙ act(Σ x[n, h, w, ci] w[co, i, j, ci] + bias[co])
//   conv2d_backward_input   x[n, h, w, ci] = gate ⊙ act(Σ y[n, oh, ow, co] w[co, i, j, ci] + bias[ci]),
//                           which is also the transposed convolution's forward pass
//   conv2d_backward_weight  partial[z, co, i, j, ci] = Σ y[n, oh, ow, co] x[n, h, w, ci] over the z-th chunk of the
//                           pixels of y; matmul_join adds the chunks to dw
//
// where h = oh stride_h + i dilation_h − pad_h and w = ow stride_w + j dilation_w − pad_w; each also with tiles of
// 32 × 32 instead of 64 × 64 (_small), the first also without tiles, for at most four columns (_narrow).
// For an input with that few channels, such as an image, the gradient is a product y · w followed by
//
//   conv2d_fold             x[n, h, w, ci] = gate ⊙ act(Σ spread[(n, oh, ow), (i, j, ci)] + bias[ci])
//
// which sums the contributions to each pixel, one invocation per element; its `image` is spread. In the other kernels,
// `image` is the gathered operand (x, y and x) and `factor` the other one, a plain matrix (w, w and y). The products
// are [pixels of y, taps · x_c] · [.., y_c], [pixels of a class of x, taps of the class · y_c] · [.., x_c] and [y_c,
// pixels of y] · [.., taps · x_c].
//
// A class is the set of pixels of x with one (h mod stride_h, w mod stride_w), one workgroup's z. They share their
// taps, every step_h-th and step_w-th, and neighbours and taps within a class are whole pixels of y apart. So no zeros
// between strides are multiplied, and all three products gather alike: a pixel has a corner in the image, and a tap is
// a step away from it. The side of the gathered operand that is fixed during the sum (pixels, pixels, taps) is computed
// once, into `places`; the other once for each element along k, by the invocation that loads it.
//
// Windows may extend past the image on all sides, and sizes need not be multiples of tiles: zeros are read and nothing
// is stored there. The epilogue is that of matmul.wgsl.
// Needs common/single.wgsl, common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/activation.wgsl and
// common/tile.wgsl.

struct Params {
    role: u32,
    batch: u32,
    x_h: u32,
    x_w: u32,
    x_c: u32,
    y_h: u32,
    y_w: u32,
    y_c: u32,
    kernel_h: u32,
    kernel_w: u32,
    stride_h: u32,
    stride_w: u32,
    pad_h: u32,
    pad_w: u32,
    dilation_h: u32,
    dilation_w: u32,
    step_h: u32, // stride / gcd(stride, dilation)
    step_w: u32,
    chunk: u32, // of the pixels, per workgroup along z
    use_bias: u32,
    activation: u32,
    gate: u32,
    alpha: f32,
    gate_alpha: f32,
}

override role: u32 = 0u;
override use_bias: u32 = 0u;
override activation: u32 = 0u;
override gate: u32 = 0u;

// Roles, as in ops/conv2d.rs.
const FORWARD: u32 = 0u;
const INPUT: u32 = 1u;
const WEIGHT: u32 = 2u;
// The constant of a shader for FORWARD and INPUT, which reads the role from the uniform.
const TAPS: u32 = 3u;

@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> factor: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> gate_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

// The product that a workgroup computes a tile of, and the traversal of its images; pairs are (h, w).
struct Work {
    m: u32,
    n: u32,
    k: u32,
    size: vec2<u32>, // of the gathered image
    channels: u32,
    pixels: vec2<u32>, // of one image on the side that is not gathered; of the class, for INPUT
    residue: vec2<u32>, // of the class: (h mod stride_h, w mod stride_w)
    first: vec2<u32>, // tap; then every `step`-th, `taps` of them
    step: vec2<u32>,
    taps: vec2<u32>,
    corner: vec2<i32>, // in the gathered image, of pixel (0, 0)
    spacing: vec2<i32>, // from a pixel's corner to the next one's
    walk: vec2<i32>, // from a tap to the next
}

var<private> work: Work;

// A pixel's corner or a tap's step: (elements from the start of the image, h, w, index on the other side: the pixel, or
// for a tap the start of its elements of w). The sum of a corner and a step is a position.
var<workgroup> places: array<vec4<i32>, 64>;
var<workgroup> shares: array<vec4<f32>, 64>;
// A corner that is outside the image after any step, and no pixel.
const OUTSIDE = vec4<i32>(0, -0x40000000, 0, -1);

fn is_input() -> bool {
    return role == INPUT || (role == TAPS && p.role == INPUT);
}

fn work_at(z: u32) -> Work {
    var v: Work;
    let kernel = vec2(p.kernel_h, p.kernel_w);
    let stride = vec2(p.stride_h, p.stride_w);
    let pad = vec2(p.pad_h, p.pad_w);
    let dilation = vec2(p.dilation_h, p.dilation_w);
    v.size = vec2(p.x_h, p.x_w);
    v.channels = p.x_c;
    v.pixels = vec2(p.y_h, p.y_w);
    v.step = vec2(1u);
    v.taps = kernel;
    v.corner = -vec2<i32>(pad);
    v.spacing = vec2<i32>(stride);
    v.walk = vec2<i32>(dilation);
    if is_input() {
        v.pixels = v.size;
        v.size = vec2(p.y_h, p.y_w);
        v.channels = p.y_c;
        v.residue = vec2(z / p.stride_w, z % p.stride_w);
        v.pixels = (v.pixels + stride - 1u - v.residue) / stride;
        v.step = vec2(p.step_h, p.step_w);
        let start = v.residue + pad;
        v.first.x = first_tap(start.x, stride.x, dilation.x, v.step.x);
        v.first.y = first_tap(start.y, stride.y, dilation.y, v.step.y);
        // There is no tap if `first` is `step`, and then nothing below is used.
        v.taps = select((max(kernel, v.first) - v.first + v.step - 1u) / v.step, vec2(0u), v.first == v.step);
        v.corner = (vec2<i32>(start) - vec2<i32>(v.first * dilation)) / vec2<i32>(stride);
        v.spacing = vec2(1);
        v.walk = -vec2<i32>(v.step * dilation / stride);
    }
    let all = p.batch * v.pixels.x * v.pixels.y;
    let gathered = v.taps.x * v.taps.y * v.channels;
    v.m = select(all, p.y_c, role == WEIGHT);
    v.n = select(select(p.y_c, p.x_c, is_input()), gathered, role == WEIGHT);
    v.k = select(gathered, all, role == WEIGHT);
    return v;
}

// The first tap i with start − i dilation a multiple of the stride; `step` if there is none.
fn first_tap(start: u32, stride: u32, dilation: u32, step: u32) -> u32 {
    var i = 0u;
    while i < step && start % stride != (i * dilation) % stride { i++; }
    return i;
}

fn pixel_at(index: u32) -> vec4<i32> {
    let of_image = work.pixels.x * work.pixels.y;
    let n = index / of_image;
    let at = vec2((index % of_image) / work.pixels.y, index % work.pixels.y);
    let corner = vec2<i32>(at) * work.spacing + work.corner;
    let offset = ((i32(n * work.size.x) + corner.x) * i32(work.size.y) + corner.y) * i32(work.channels);
    var pixel = index;
    if is_input() {
        pixel = (n * p.x_h + at.x * p.stride_h + work.residue.x) * p.x_w + at.y * p.stride_w + work.residue.y;
    }
    return vec4(offset, corner.x, corner.y, i32(pixel));
}

fn tap_at(index: u32) -> vec4<i32> {
    let tap = index / work.channels;
    let c = index % work.channels;
    let at = vec2(tap / work.taps.y, tap % work.taps.y);
    let step = vec2<i32>(at) * work.walk;
    let offset = (step.x * i32(work.size.y) + step.y) * i32(work.channels) + i32(c);
    var start = index;
    if is_input() {
        let of_w = at * work.step + work.first;
        start = ((c * p.kernel_h + of_w.x) * p.kernel_w + of_w.y) * p.x_c;
    }
    return vec4(offset, step.x, step.y, i32(start));
}

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

// Adjacent invocations read along k, each for one k and for every fourth quad of rows and of columns.
fn load_slab(local: u32, row0: u32, col0: u32, l0: u32, end: u32, quads: u32) {
    let l = local % SLAB;
    let k = l0 + l;
    var step = OUTSIDE;
    if k < end {
        if role == WEIGHT { step = pixel_at(k); } else { step = tap_at(k); }
    }
    let start = u32(step.w) * select(1u, work.m, role == WEIGHT);
    let spacing = select(1u, work.k, role == FORWARD);
    let limit = select(0u, select(work.n, work.m, role == WEIGHT), k < end);
    for (var quad = local / SLAB; quad < quads; quad += 64u / SLAB) {
        let near = gathered_quad(quad, step);
        let far = plain_quad(start, spacing, select(col0, row0, role == WEIGHT) + 4u * quad, limit);
        a_tile[l * (quads + 1u) + quad] = Stored(select(near, far, role == WEIGHT));
        b_tile[l * (quads + 1u) + quad] = Stored(select(far, near, role == WEIGHT));
    }
}

// The start of a workgroup's tile, and the terms it sums.
struct Tile {
    row0: u32,
    col0: u32,
    begin: u32,
    end: u32,
}

fn begin_tile(group: vec3<u32>, groups: vec3<u32>, local: u32, side: u32) -> Tile {
    let v = work_at(group.z);
    work = v;
    let index = group_index(vec3(group.xy, 0u), groups);
    let across = (v.n + side - 1u) / side;
    var tile = Tile(index / across * side, index % across * side, 0u, v.k);
    if local < side {
        var place = OUTSIDE;
        if role == WEIGHT {
            if tile.col0 + local < v.n { place = tap_at(tile.col0 + local); }
        } else {
            if tile.row0 + local < v.m { place = pixel_at(tile.row0 + local); }
        }
        places[local] = place;
    }
    if role == WEIGHT {
        tile.begin = group.z * p.chunk;
        tile.end = min(v.k, tile.begin + p.chunk);
    }
    // The grid may exceed the number of tiles, and is the same for small and large classes.
    tile.end = select(tile.begin, tile.end, tile.row0 < v.m);
    workgroupBarrier();
    return tile;
}

// The row of the output for a row of the tile; negative if there is none.
fn row_of(z: u32, row0: u32, row: u32) -> i32 {
    if role == WEIGHT { return select(-1, i32(z * work.m + row0 + row), row0 + row < work.m); }
    return places[row].w;
}

fn finish(at: u32, col: u32, sum: f32) -> f32 {
    var v = sum;
    if use_bias != 0u { v += bias[col]; }
    v = activate(activation, p.alpha, v);
    if gate != 0u { v *= slope_from_output(gate, p.gate_alpha, gate_y[at]); }
    return v;
}

fn put(row: i32, col: u32, sum: f32) {
    if row < 0 || col >= work.n { return; }
    let at = u32(row) * work.n + col;
    y[at] = finish(at, col, sum);
}

fn store(row: i32, col: u32, v: vec4<f32>) {
    put(row, col, v.x); put(row, col + 1u, v.y);
    put(row, col + 2u, v.z); put(row, col + 3u, v.w);
}

fn store_pair(row: i32, col: u32, left: vec4<f32>, right: vec4<f32>) {
    store(row, col, left);
    store(row, col + 32u, right);
}

fn large(group: vec3<u32>, groups: vec3<u32>, lane: vec2<u32>) {
    let tile = begin_tile(group, groups, lane.y * 8u + lane.x, 64u);
    let c = product(lane, tile.row0, tile.col0, tile.begin, tile.end);
    let row = 4u * lane.y;
    let col = tile.col0 + 4u * lane.x;
    store_pair(row_of(group.z, tile.row0, row), col, c[0], c[1]);
    store_pair(row_of(group.z, tile.row0, row + 1u), col, c[2], c[3]);
    store_pair(row_of(group.z, tile.row0, row + 2u), col, c[4], c[5]);
    store_pair(row_of(group.z, tile.row0, row + 3u), col, c[6], c[7]);
    store_pair(row_of(group.z, tile.row0, row + 32u), col, c[8], c[9]);
    store_pair(row_of(group.z, tile.row0, row + 33u), col, c[10], c[11]);
    store_pair(row_of(group.z, tile.row0, row + 34u), col, c[12], c[13]);
    store_pair(row_of(group.z, tile.row0, row + 35u), col, c[14], c[15]);
}

fn small(group: vec3<u32>, groups: vec3<u32>, lane: vec2<u32>) {
    let tile = begin_tile(group, groups, lane.y * 8u + lane.x, 32u);
    let c = product_small(lane, tile.row0, tile.col0, tile.begin, tile.end);
    let row = 4u * lane.y;
    let col = tile.col0 + 4u * lane.x;
    store(row_of(group.z, tile.row0, row), col, c[0]);
    store(row_of(group.z, tile.row0, row + 1u), col, c[1]);
    store(row_of(group.z, tile.row0, row + 2u), col, c[2]);
    store(row_of(group.z, tile.row0, row + 3u), col, c[3]);
}

@compute @workgroup_size(8, 8)
fn conv2d_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    large(group, groups, local.xy);
}

@compute @workgroup_size(8, 8)
fn conv2d_forward_small(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    small(group, groups, local.xy);
}

// Eight adjacent invocations share a row and its up to four sums; each takes every eighth channel of every tap.
@compute @workgroup_size(8, 8)
fn conv2d_forward_narrow(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
) {
    work = work_at(group.z);
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
    store(place.w, 0u, sum);
}

@compute @workgroup_size(8, 8)
fn conv2d_backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    large(group, groups, local.xy);
}

@compute @workgroup_size(8, 8)
fn conv2d_backward_input_small(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    small(group, groups, local.xy);
}

@compute @workgroup_size(8, 8)
fn conv2d_backward_weight(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    large(group, groups, local.xy);
}

@compute @workgroup_size(8, 8)
fn conv2d_backward_weight_small(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    small(group, groups, local.xy);
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
