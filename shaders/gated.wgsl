// The gated unit y = tanh(a) ⊙ σ(b), where (a | b) = x + bias are the two halves of the channels (van den Oord et al.,
// Conditional image generation with PixelCNN decoders, 2016, eq. 2). x is [m, 2c]; each row of the bias [m / rows, 2c]
// belongs to `rows` rows of x in turn:
//
//   gated                 y [m, c]; one invocation per element of y
//   gated_backward        dx [m, 2c] = (dy (1 − tanh² a) σ(b) | dy tanh(a) σ(b) (1 − σ(b))); one per element of y
//   gated_backward_bias   dbias [m / rows, 2c] = the sum of dx over the rows of each row; one per element of dbias, in
//                         order, since the rows are the positions of an image
//
// Without a bias, x is bound in its place and not read.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    c: u32,
    rows: u32,
    biased: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// tanh(a) and σ(b) of channel j of a row, with the bias in p.
fn halves(row: u32, j: u32, c: u32, rows: u32, biased: u32) -> vec2<f32> {
    let at = row * 2u * c + j;
    var sum = vec2<f32>(x[at], x[at + c]);
    if biased == 1u {
        let of_row = row / rows * 2u * c + j;
        sum += vec2<f32>(bias[of_row], bias[of_row + c]);
    }
    return vec2<f32>(hyperbolic_tangent(sum.x), 1.0 / (1.0 + exponential(-sum.y)));
}

@compute @workgroup_size(64)
fn gated(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let found = halves(i / p.c, i % p.c, p.c, p.rows, p.biased);
    y[i] = found.x * found.y;
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: Params;

@compute @workgroup_size(64)
fn gated_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let row = i / q.c;
    let j = i % q.c;
    let found = halves(row, j, q.c, q.rows, q.biased);
    let at = row * 2u * q.c + j;
    dx[at] = dy[i] * (1.0 - found.x * found.x) * found.y;
    dx[at + q.c] = dy[i] * found.x * found.y * (1.0 - found.y);
}

@group(0) @binding(0) var<storage, read> dsum: array<f32>;
@group(0) @binding(1) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(2) var<uniform> p_bias: Params;

@compute @workgroup_size(64)
fn gated_backward_bias(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_bias.len { return; }
    let width = 2u * p_bias.c;
    let first = i / width * p_bias.rows;
    var sum = 0.0;
    for (var row = first; row < first + p_bias.rows; row++) { sum += dsum[row * width + i % width]; }
    dbias[i] = sum;
}
