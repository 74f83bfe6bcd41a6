// Y = gate ⊙ act(A · B + bias), with A [m, k] and B [k, n]; either may be stored transposed. The constant `stores` says
// what becomes of the sums:
//
//   WRITE    Y [m, n], written once, with the epilogue
//   ADD      Y += A · B: parameter gradients, which accumulate
//   PARTIAL  partial[z] = A · B over the z-th chunk of k: small outputs with long sums
//
//   matmul       the product by tiles, as in tile.wgsl
//   matmul_row   the same for at most four columns
//   matmul_join  Y += Σ_z partial[z], in order of z, one invocation per element
//
// Past the edges zeros are loaded and nothing is stored, so every size is allowed. The epilogue adds bias [n], applies
// act, and multiplies by the slope of the activation `gate` with output gate_y [m, n].
// Needs common/single.wgsl, common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/activation.wgsl,
// common/tile.wgsl, and one of matmul/scalars.wgsl and matmul/quads.wgsl, which load the operands.

struct Params {
    m: u32,
    n: u32,
    k: u32,
    chunk: u32, // of k, per workgroup along z
    trans_a: u32,
    trans_b: u32,
    use_bias: u32,
    activation: u32,
    gate: u32,
    alpha: f32,
    gate_alpha: f32,
}

override trans_a: u32 = 0u;
override trans_b: u32 = 0u;
override use_bias: u32 = 0u;
override activation: u32 = 0u;
override gate: u32 = 0u;

override stores: u32 = 0u;

const WRITE: u32 = 0u;
const ADD: u32 = 1u;
const PARTIAL: u32 = 2u;

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> gate_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

// The workgroup's chunk of k, and the first row and column of its tile.
var<private> part: u32;
var<private> corner: vec2<u32>;

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    var v = sum;
    if use_bias != 0u { v += bias[col]; }
    v = activate(activation, p.alpha, v);
    if gate != 0u { v *= slope_from_output(gate, p.gate_alpha, gate_y[row * p.n + col]); }
    return v;
}

fn put(row: u32, col: u32, sum: f32) {
    if row >= p.m || col >= p.n { return; }
    let at = row * p.n + col;
    if stores == WRITE {
        y[at] = finish(row, col, sum);
    } else if stores == ADD {
        y[at] += sum;
    } else if part * p.chunk < p.k {
        y[part * p.m * p.n + at] = sum;
    }
}

// Four adjacent columns of the tile.
fn store(row: u32, col: u32, v: vec4<f32>) {
    let at = corner + vec2(row, col);
    put(at.x, at.y, v.x); put(at.x, at.y + 1u, v.y);
    put(at.x, at.y + 2u, v.z); put(at.x, at.y + 3u, v.w);
}

// Sets `part` and `corner` to those of a workgroup that has tiles of this size; tiles are in rows. Tiles past the last
// row of y store nothing.
fn begin_tile(group: vec3<u32>, groups: vec3<u32>, size: vec2<u32>) {
    let index = group_index(vec3(group.xy, 0u), groups);
    let across = (p.n + size.y - 1u) / size.y;
    part = group.z;
    corner = vec2(index / across, index % across) * size;
}

// The first and the last term, exclusive, of the sums of a workgroup's z: equal in all its invocations, as barriers
// need and a compiler cannot tell of a private variable.
fn terms(z: u32) -> vec2<u32> {
    if stores != PARTIAL { return vec2(0u, p.k); }
    return min(vec2(z, z + 1u) * p.chunk, vec2(p.k));
}

@compute @workgroup_size(lanes_x, lanes_y, depth)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) lane: vec3<u32>,
) {
    begin_tile(group, groups, vec2(4u * a_quads, 4u * b_quads));
    let chunk = terms(group.z);
    compute_tile(lane, chunk.x, chunk.y);
}

struct JoinParams {
    len: u32,
    parts: u32,
}

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> total: array<f32>;
@group(0) @binding(2) var<uniform> join: JoinParams;

@compute @workgroup_size(256)
fn matmul_join(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= join.len { return; }
    var sum = 0.0;
    for (var part = 0u; part < join.parts; part++) {
        sum += partial[part * join.len + i];
    }
    total[i] += sum;
}
