// A subgroup's tile of a product A · B, without workgroup memory: for drivers that run shaders on a CPU with eight
// lanes, where loading one number per lane costs as much as a hundred multiply-adds.
//
// A workgroup is one subgroup of eight lanes and computes two blocks of 32 × 32 outputs, side by side (32 × 64) or,
// if `tall`, one below the other (64 × 32). For each l of k a lane loads four numbers of A (rows 8 i + lane), four of
// B (columns 8 i + lane) and four of the second block's own operand; rows are then passed to all lanes by broadcasts,
// so that 12 loads serve 2,048 multiply-adds. Sums are sixteen 4 × 4 matrices: columns of a matrix are rows of the
// output, and its x, y, z, w are columns lane, 8 + lane, 16 + lane and 24 + lane. Matrix q of a block has rows 4 q to 4
// q + 3; the second block's follow.
//
// These drivers take a quarter of a second to compile such a shader, so few are compiled: what a call switches on is
// read from its uniform, and only activations that need common/elementary.wgsl are constants (of_lanes in
// gpu/pipelines.rs). The shader that uses this declares those constants, `p`, and the buffers of the epilogue.
// Needs common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

override tall: u32 = 0u;

fn low(v: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u),
    );
}

fn high(v: f32) -> vec4<f32> {
    return vec4(
        subgroupBroadcast(v, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v, 7u),
    );
}

fn outer(a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(a.x * b, a.y * b, a.z * b, a.w * b);
}

// Adds the products for one l: `a` has the lane's rows, `b` its columns, `more` its further rows or columns.
fn accumulate(c: ptr<function, array<mat4x4<f32>, 16>>, a: vec4<f32>, b: vec4<f32>, more: vec4<f32>) {
    let a0 = low(a.x); let a1 = high(a.x);
    let a2 = low(a.y); let a3 = high(a.y);
    let a4 = low(a.z); let a5 = high(a.z);
    let a6 = low(a.w); let a7 = high(a.w);
    (*c)[0] += outer(a0, b); (*c)[1] += outer(a1, b);
    (*c)[2] += outer(a2, b); (*c)[3] += outer(a3, b);
    (*c)[4] += outer(a4, b); (*c)[5] += outer(a5, b);
    (*c)[6] += outer(a6, b); (*c)[7] += outer(a7, b);
    if tall != 0u {
        (*c)[8] += outer(low(more.x), b); (*c)[9] += outer(high(more.x), b);
        (*c)[10] += outer(low(more.y), b); (*c)[11] += outer(high(more.y), b);
        (*c)[12] += outer(low(more.z), b); (*c)[13] += outer(high(more.z), b);
        (*c)[14] += outer(low(more.w), b); (*c)[15] += outer(high(more.w), b);
    } else {
        (*c)[8] += outer(a0, more); (*c)[9] += outer(a1, more);
        (*c)[10] += outer(a2, more); (*c)[11] += outer(a3, more);
        (*c)[12] += outer(a4, more); (*c)[13] += outer(a5, more);
        (*c)[14] += outer(a6, more); (*c)[15] += outer(a7, more);
    }
}

// The i-th matrix. Indexing the array by a variable would force it into memory during the whole sum.
fn matrix(c: array<mat4x4<f32>, 16>, i: u32) -> mat4x4<f32> {
    switch i {
        case 0u: { return c[0]; }
        case 1u: { return c[1]; }
        case 2u: { return c[2]; }
        case 3u: { return c[3]; }
        case 4u: { return c[4]; }
        case 5u: { return c[5]; }
        case 6u: { return c[6]; }
        case 7u: { return c[7]; }
        case 8u: { return c[8]; }
        case 9u: { return c[9]; }
        case 10u: { return c[10]; }
        case 11u: { return c[11]; }
        case 12u: { return c[12]; }
        case 13u: { return c[13]; }
        case 14u: { return c[14]; }
        default: { return c[15]; }
    }
}

// Rows and columns of a tile.
fn tile_size() -> vec2<u32> {
    return select(vec2(32u, 64u), vec2(64u, 32u), tall != 0u);
}

// The first row of the i-th matrix, and the lane's first column of it, within the tile.
fn matrix_at(i: u32, lane: u32) -> vec2<u32> {
    let second = select(0u, 32u, i >= 8u);
    return vec2(4u * (i % 8u), lane) + select(vec2(0u, second), vec2(second, 0u), tall != 0u);
}

// The lane's four rows or columns from `first` on, eight apart, clamped to the last one. Sums for clamped ones are
// never stored.
fn lines(first: u32, lane: u32, count: u32) -> vec4<u32> {
    return min(vec4(first + lane) + vec4(0u, 8u, 16u, 24u), vec4(count - 1u));
}

// The bias of the lane's four columns from `first` on. It is loaded before the sums are stored: an element that is not
// loaded costs these drivers as much as one that is.
fn biases(first: u32, lane: u32, count: u32) -> vec4<f32> {
    if p.use_bias == 0u { return vec4(0.0); }
    let cols = lines(first, lane, count);
    return vec4(bias[cols.x], bias[cols.y], bias[cols.z], bias[cols.w]);
}

// The i-th matrix with the bias of its columns: of the tile's first 32, or of the 32 after them.
fn biased(c: array<mat4x4<f32>, 16>, i: u32, near: vec4<f32>, after: vec4<f32>) -> mat4x4<f32> {
    let b = select(near, after, i >= 8u && tall == 0u);
    return matrix(c, i) + mat4x4(b, b, b, b);
}

// The rest of the epilogue of matmul.wgsl, for the element of y at that place.
fn epilogue(at: u32, sum: f32) -> f32 {
    var v = sum;
    if activation != IDENTITY {
        v = activate(activation, p.alpha, v);
    } else {
        v = select(v, max(v, 0.0), p.activation == RELU);
        v = select(v, select(p.alpha * v, v, v > 0.0), p.activation == LEAKY_RELU);
    }
    if gate != IDENTITY {
        v *= slope_from_output(gate, p.gate_alpha, gate_y[at]);
    } else if p.gate != IDENTITY {
        v *= select(select(0.0, p.gate_alpha, p.gate == LEAKY_RELU), 1.0, gate_y[at] > 0.0);
    }
    return v;
}

// Element e of a matrix in order of rows of the output. A loop over all sixteen stays a loop; Mesa unrolls shorter
// ones, and the driver then takes three times as long to compile the shader.
fn element(m: mat4x4<f32>, e: u32) -> f32 {
    let r = e / 4u;
    let v = select(select(m[0], m[1], r == 1u), select(m[2], m[3], r == 3u), r >= 2u);
    let i = e % 4u;
    return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}
