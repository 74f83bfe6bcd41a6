// Convolutions of NHWC images as products A · B in which one operand is gathered from an image and never stored.
// With x [batch, x_h, x_w, x_c], w [y_c, kernel_h, kernel_w, x_c] and y [batch, y_h, y_w, y_c]:
//
//   FORWARD  y[n, oh, ow, co] = gate ⊙ act(Σ x[n, h, w, ci] w[co, i, j, ci] + bias[co])
//   INPUT    x[n, h, w, ci] = gate ⊙ act(Σ y[n, oh, ow, co] w[co, i, j, ci] + bias[ci]), which is also the transposed
//            convolution's forward pass
//   WEIGHT   partial[z, co, i, j, ci] = Σ y[n, oh, ow, co] x[n, h, w, ci] over the z-th chunk of the pixels of y;
//            matmul_join adds the chunks to dw
//
// where h = oh stride_h + i dilation_h − pad_h and w = ow stride_w + j dilation_w − pad_w. The constant `role` chooses
// one of them. `conv2d` computes it by tiles, as in tile.wgsl; conv2d_forward_narrow without, for at most four columns.
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
// Needs common/single.wgsl, common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/activation.wgsl,
// common/tile.wgsl, and one of conv2d/scalars.wgsl and conv2d/quads.wgsl, which load the operands.

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

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> gate_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

// The product that a workgroup computes a tile of, and the traversal of its images; pairs are (h, w).
struct Work {
    input: bool, // INPUT
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
// The workgroup's z, and the first row and column of its tile.
var<private> part: u32;
var<private> corner: vec2<u32>;

// A pixel's corner or a tap's step: (elements from the start of the image, h, w, index on the other side: the pixel, or
// for a tap the start of its elements of w). The sum of a corner and a step is a position.
var<workgroup> places: array<vec4<i32>, 128>; // the most rows or columns of a tile
// A corner that is outside the image after any step, and no pixel.
const OUTSIDE = vec4<i32>(0, -0x40000000, 0, -1);

// The work for a z; `input` is true for INPUT.
fn work_at(z: u32, input: bool) -> Work {
    var v: Work;
    v.input = input;
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
    if input {
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
    v.n = select(select(p.y_c, p.x_c, input), gathered, role == WEIGHT);
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
    if work.input {
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
    if work.input {
        let of_w = at * work.step + work.first;
        start = ((c * p.kernel_h + of_w.x) * p.kernel_w + of_w.y) * p.x_c;
    }
    return vec4(offset, step.x, step.y, i32(start));
}

// The gathered operand is A, but for WEIGHT it is B.
fn keep_gathered(l: u32, quad: u32, v: vec4<f32>) {
    if role == WEIGHT { keep_b(l, quad, v); } else { keep_a(l, quad, v); }
}

fn keep_plain(l: u32, quad: u32, v: vec4<f32>) {
    if role == WEIGHT { keep_a(l, quad, v); } else { keep_b(l, quad, v); }
}

// Sets `work`, `part`, `corner` and `places`, and returns the first and the last term, exclusive, of the sums. They are
// computed without private variables: barriers need terms that are equal in all invocations.
fn begin_tile(group: vec3<u32>, groups: vec3<u32>, local: u32) -> vec2<u32> {
    let v = work_at(group.z, role == INPUT);
    let size = vec2(4u * a_quads, 4u * b_quads);
    let index = group_index(vec3(group.xy, 0u), groups);
    let across = (v.n + size.y - 1u) / size.y;
    work = v;
    part = group.z;
    let first = vec2(index / across, index % across) * size;
    corner = first;
    let fixed = select(vec3(first.x, size.x, v.m), vec3(first.y, size.y, v.n), role == WEIGHT);
    for (var i = local; i < fixed.y; i += invocations) {
        var place = OUTSIDE;
        if fixed.x + i < fixed.z {
            if role == WEIGHT { place = tap_at(fixed.x + i); } else { place = pixel_at(fixed.x + i); }
        }
        places[i] = place;
    }
    var terms = vec2(0u, v.k);
    if role == WEIGHT { terms = min(vec2(group.z, group.z + 1u) * p.chunk, vec2(v.k)); }
    // The grid may exceed the number of tiles, and is the same for small and large classes.
    if first.x >= v.m { terms.y = terms.x; }
    workgroupBarrier();
    return terms;
}

// The row of the output for a row of the tile; negative if there is none.
fn row_of(row: u32) -> i32 {
    if role == WEIGHT { return select(-1, i32(part * work.m + corner.x + row), corner.x + row < work.m); }
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

// Four adjacent columns of the tile.
fn store(row: u32, col: u32, v: vec4<f32>) {
    let to = row_of(row);
    let at = corner.y + col;
    put(to, at, v.x); put(to, at + 1u, v.y);
    put(to, at + 2u, v.z); put(to, at + 3u, v.w);
}

@compute @workgroup_size(lanes_x, lanes_y, depth)
fn conv2d(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let terms = begin_tile(group, groups, local);
    compute_tile(lane, terms.x, terms.y);
}
