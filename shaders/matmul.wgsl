// Y = gate ⊙ act(A · B + bias), with A [m, k] and B [k, n]; either may be stored transposed.
//
//   matmul, matmul_small          Y [m, n], written once, with the epilogue
//   matmul_row                    the same for at most four columns
//   matmul_add, matmul_add_small  Y += A · B: parameter gradients, which accumulate
//   matmul_split                  partial[z] = A · B over the z-th chunk of k: small outputs with long sums
//   matmul_join                   Y += Σ_z partial[z], in order of z, one invocation per element
//
// A workgroup of 8 × 8 invocations computes a tile of 64 × 64 outputs (the small ones 32 × 32), as in tile.wgsl: an
// invocation has two vec4 of rows and two of columns (one and one), half a tile apart. Past the edges zeros are loaded
// and nothing is stored, so every size is allowed. The epilogue adds bias [n], applies act, and multiplies by the slope
// of the activation `gate` with output gate_y [m, n].
// Needs common/single.wgsl, common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/activation.wgsl and
// common/tile.wgsl.

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

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> gate_y: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

var<workgroup> shares: array<vec4<f32>, 64>;

fn at_a(row: u32, l: u32, end: u32) -> f32 {
    let inside = row < p.m && l < end;
    let index = select(row * p.k + l, l * p.m + row, trans_a != 0u);
    return select(0.0, a[select(0u, index, inside)], inside);
}

fn at_b(l: u32, col: u32, end: u32) -> f32 {
    let inside = col < p.n && l < end;
    let index = select(l * p.n + col, col * p.k + l, trans_b != 0u);
    return select(0.0, b[select(0u, index, inside)], inside);
}

// Loads one slab. `quads` is the tile's side in vec4; adjacent invocations read along the stored rows.
fn load_slab(local: u32, row0: u32, col0: u32, l0: u32, end: u32, quads: u32) {
    for (var unit = local; unit < SLAB * quads; unit += 64u) {
        let along = vec2<u32>(unit % SLAB, unit / SLAB); // (k, quad), with k varying fastest
        let across = vec2<u32>(unit / quads, unit % quads);
        let ua = select(along, across, trans_a != 0u);
        let row = row0 + 4u * ua.y;
        let la = l0 + ua.x;
        a_tile[ua.x * (quads + 1u) + ua.y] =
            Stored(vec4(at_a(row, la, end), at_a(row + 1u, la, end), at_a(row + 2u, la, end), at_a(row + 3u, la, end)));
        let ub = select(across, along, trans_b != 0u);
        let col = col0 + 4u * ub.y;
        let lb = l0 + ub.x;
        b_tile[ub.x * (quads + 1u) + ub.y] =
            Stored(vec4(at_b(lb, col, end), at_b(lb, col + 1u, end), at_b(lb, col + 2u, end), at_b(lb, col + 3u, end)));
    }
}

// Row and column of the index-th tile, in rows of tiles. Tiles past the last row of y do nothing.
fn tile(index: u32, side: u32) -> vec2<u32> {
    let across = (p.n + side - 1u) / side;
    return vec2(index / across, index % across);
}

fn finish(row: u32, col: u32, sum: f32) -> f32 {
    var v = sum;
    if use_bias != 0u { v += bias[col]; }
    v = activate(activation, p.alpha, v);
    if gate != 0u { v *= slope_from_output(gate, p.gate_alpha, gate_y[row * p.n + col]); }
    return v;
}

fn put(row: u32, col: u32, sum: f32) {
    if row < p.m && col < p.n { y[row * p.n + col] = finish(row, col, sum); }
}

fn put_add(row: u32, col: u32, sum: f32) {
    if row < p.m && col < p.n { y[row * p.n + col] += sum; }
}

fn put_partial(part: u32, row: u32, col: u32, sum: f32) {
    if row < p.m && col < p.n && part * p.chunk < p.k { y[(part * p.m + row) * p.n + col] = sum; }
}

fn store(row: u32, col: u32, v: vec4<f32>) {
    put(row, col, v.x); put(row, col + 1u, v.y);
    put(row, col + 2u, v.z); put(row, col + 3u, v.w);
}

fn store_add(row: u32, col: u32, v: vec4<f32>) {
    put_add(row, col, v.x); put_add(row, col + 1u, v.y);
    put_add(row, col + 2u, v.z); put_add(row, col + 3u, v.w);
}

fn store_partial(part: u32, row: u32, col: u32, v: vec4<f32>) {
    put_partial(part, row, col, v.x); put_partial(part, row, col + 1u, v.y);
    put_partial(part, row, col + 2u, v.z); put_partial(part, row, col + 3u, v.w);
}

@compute @workgroup_size(8, 8)
fn matmul(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let corner = 64u * tile(group_index(group, groups), 64u);
    let row0 = corner.x;
    let col0 = corner.y;
    let c = product(local.xy, row0, col0, 0u, p.k);
    let row = row0 + 4u * local.y;
    let col = col0 + 4u * local.x;
    store(row, col, c[0]); store(row, col + 32u, c[1]);
    store(row + 1u, col, c[2]); store(row + 1u, col + 32u, c[3]);
    store(row + 2u, col, c[4]); store(row + 2u, col + 32u, c[5]);
    store(row + 3u, col, c[6]); store(row + 3u, col + 32u, c[7]);
    store(row + 32u, col, c[8]); store(row + 32u, col + 32u, c[9]);
    store(row + 33u, col, c[10]); store(row + 33u, col + 32u, c[11]);
    store(row + 34u, col, c[12]); store(row + 34u, col + 32u, c[13]);
    store(row + 35u, col, c[14]); store(row + 35u, col + 32u, c[15]);
}

@compute @workgroup_size(8, 8)
fn matmul_small(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let corner = 32u * tile(group_index(group, groups), 32u);
    let row0 = corner.x;
    let col0 = corner.y;
    let c = product_small(local.xy, row0, col0, 0u, p.k);
    let row = row0 + 4u * local.y;
    let col = col0 + 4u * local.x;
    store(row, col, c[0]); store(row + 1u, col, c[1]);
    store(row + 2u, col, c[2]); store(row + 3u, col, c[3]);
}

// For outputs with too few columns for a tile: a workgroup has one row, an invocation every 64th term of its sums.
@compute @workgroup_size(64)
fn matmul_row(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group_index(group, groups);
    var sum = vec4(0.0);
    for (var l = local; l < p.k; l += 64u) {
        let v = at_a(row, l, p.k);
        // All invocations have the same number of columns, so a branch costs less than loading absent ones.
        sum.x += v * at_b(l, 0u, p.k);
        if p.n > 1u { sum.y += v * at_b(l, 1u, p.k); }
        if p.n > 2u { sum.z += v * at_b(l, 2u, p.k); }
        if p.n > 3u { sum.w += v * at_b(l, 3u, p.k); }
    }
    shares[local] = sum;
    for (var reach = 32u; reach > 0u; reach /= 2u) {
        workgroupBarrier();
        if local < reach { shares[local] += shares[local + reach]; }
    }
    if local == 0u { store(row, 0u, shares[0]); }
}

@compute @workgroup_size(8, 8)
fn matmul_add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let corner = 64u * tile(group_index(group, groups), 64u);
    let row0 = corner.x;
    let col0 = corner.y;
    let c = product(local.xy, row0, col0, 0u, p.k);
    let row = row0 + 4u * local.y;
    let col = col0 + 4u * local.x;
    store_add(row, col, c[0]); store_add(row, col + 32u, c[1]);
    store_add(row + 1u, col, c[2]); store_add(row + 1u, col + 32u, c[3]);
    store_add(row + 2u, col, c[4]); store_add(row + 2u, col + 32u, c[5]);
    store_add(row + 3u, col, c[6]); store_add(row + 3u, col + 32u, c[7]);
    store_add(row + 32u, col, c[8]); store_add(row + 32u, col + 32u, c[9]);
    store_add(row + 33u, col, c[10]); store_add(row + 33u, col + 32u, c[11]);
    store_add(row + 34u, col, c[12]); store_add(row + 34u, col + 32u, c[13]);
    store_add(row + 35u, col, c[14]); store_add(row + 35u, col + 32u, c[15]);
}

@compute @workgroup_size(8, 8)
fn matmul_add_small(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let corner = 32u * tile(group_index(group, groups), 32u);
    let row0 = corner.x;
    let col0 = corner.y;
    let c = product_small(local.xy, row0, col0, 0u, p.k);
    let row = row0 + 4u * local.y;
    let col = col0 + 4u * local.x;
    store_add(row, col, c[0]); store_add(row + 1u, col, c[1]);
    store_add(row + 2u, col, c[2]); store_add(row + 3u, col, c[3]);
}

@compute @workgroup_size(8, 8)
fn matmul_split(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let part = group.z;
    let corner = 64u * tile(group_index(group, groups), 64u);
    let row0 = corner.x;
    let col0 = corner.y;
    let c = product(local.xy, row0, col0, part * p.chunk, min(p.k, (part + 1u) * p.chunk));
    let row = row0 + 4u * local.y;
    let col = col0 + 4u * local.x;
    store_partial(part, row, col, c[0]); store_partial(part, row, col + 32u, c[1]);
    store_partial(part, row + 1u, col, c[2]); store_partial(part, row + 1u, col + 32u, c[3]);
    store_partial(part, row + 2u, col, c[4]); store_partial(part, row + 2u, col + 32u, c[5]);
    store_partial(part, row + 3u, col, c[6]); store_partial(part, row + 3u, col + 32u, c[7]);
    store_partial(part, row + 32u, col, c[8]); store_partial(part, row + 32u, col + 32u, c[9]);
    store_partial(part, row + 33u, col, c[10]); store_partial(part, row + 33u, col + 32u, c[11]);
    store_partial(part, row + 34u, col, c[12]); store_partial(part, row + 34u, col + 32u, c[13]);
    store_partial(part, row + 35u, col, c[14]); store_partial(part, row + 35u, col + 32u, c[15]);
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
