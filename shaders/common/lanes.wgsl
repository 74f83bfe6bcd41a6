// A subgroup's tile of a product A · B, without workgroup memory: for drivers that run shaders on a CPU with eight
// lanes, where a load is a loop over the lanes and costs as much as dozens of multiply-adds.
//
// A workgroup is one subgroup of eight lanes and computes two blocks of 32 × 32 outputs, side by side (32 × 64) or,
// if `tall`, one below the other (64 × 32). For each l of k a lane has four adjacent rows of A, four adjacent columns
// of B, and four of the second block's own rows or columns; rows are then passed to all lanes by broadcasts, so that
// twelve numbers serve 2,048 multiply-adds. Sums are sixteen 4 × 4 matrices: the columns of matrix q of a block are
// rows 4 q to 4 q + 3 of the output, and its x, y, z, w the lane's columns. The second block's matrices follow.
//
// These drivers take a quarter of a second to compile such a shader, so few are compiled: what a call switches on is
// read from its uniform, and only activations that need common/elementary.wgsl are constants (of_lanes in
// gpu/pipelines.rs). The shader that uses this declares those constants, `p`, and the buffers of the epilogue.
// Needs common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

override tall: u32 = 0u;

// Zero, as these drivers cannot tell. Mesa 22 compiles a shader anew for every dispatch if the condition of a branch or
// the end of a loop depends on the uniform alone, so such numbers have it added. Every entry point sets it to lane / 8.
var<private> zero: u32;

fn outer(a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(a.x * b, a.y * b, a.z * b, a.w * b);
}

// Adds the products for one l: `a` has the lane's rows, `b` its columns, `more` its further rows or columns.
fn accumulate(c: ptr<function, array<mat4x4<f32>, 16>>, a: vec4<f32>, b: vec4<f32>, more: vec4<f32>) {
    let a0 = subgroupBroadcast(a, 0u); let a1 = subgroupBroadcast(a, 1u);
    let a2 = subgroupBroadcast(a, 2u); let a3 = subgroupBroadcast(a, 3u);
    let a4 = subgroupBroadcast(a, 4u); let a5 = subgroupBroadcast(a, 5u);
    let a6 = subgroupBroadcast(a, 6u); let a7 = subgroupBroadcast(a, 7u);
    (*c)[0] += outer(a0, b); (*c)[1] += outer(a1, b);
    (*c)[2] += outer(a2, b); (*c)[3] += outer(a3, b);
    (*c)[4] += outer(a4, b); (*c)[5] += outer(a5, b);
    (*c)[6] += outer(a6, b); (*c)[7] += outer(a7, b);
    if tall != 0u {
        (*c)[8] += outer(subgroupBroadcast(more, 0u), b);
        (*c)[9] += outer(subgroupBroadcast(more, 1u), b);
        (*c)[10] += outer(subgroupBroadcast(more, 2u), b);
        (*c)[11] += outer(subgroupBroadcast(more, 3u), b);
        (*c)[12] += outer(subgroupBroadcast(more, 4u), b);
        (*c)[13] += outer(subgroupBroadcast(more, 5u), b);
        (*c)[14] += outer(subgroupBroadcast(more, 6u), b);
        (*c)[15] += outer(subgroupBroadcast(more, 7u), b);
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
    return vec2(4u * (i % 8u), 4u * lane) + select(vec2(0u, second), vec2(second, 0u), tall != 0u);
}

// The lane's four rows or columns of those from `first` on, clamped to the last one. Sums for clamped ones are never
// stored.
fn lines(first: u32, lane: u32, count: u32) -> vec4<u32> {
    return min(vec4(first + 4u * lane) + vec4(0u, 1u, 2u, 3u), vec4(count - 1u));
}

// The bias of the lane's four columns from `first` on. It is loaded before the sums are stored: an element that is not
// loaded costs these drivers as much as one that is.
fn biases(first: u32, lane: u32, count: u32) -> vec4<f32> {
    if p.use_bias + zero == 0u { return vec4(0.0); }
    let cols = lines(first, lane, count);
    return vec4(bias[cols.x], bias[cols.y], bias[cols.z], bias[cols.w]);
}

// The i-th matrix with the bias of its columns: of the tile's first 32, or of the 32 after them.
fn biased(c: array<mat4x4<f32>, 16>, i: u32, near: vec4<f32>, after: vec4<f32>) -> mat4x4<f32> {
    let b = select(near, after, i >= 8u && tall == 0u);
    return matrix(c, i) + mat4x4(b, b, b, b);
}

// The epilogue of matmul.wgsl after the bias, for the element of y at that place.
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
    } else if p.gate + zero != IDENTITY {
        v *= select(select(0.0, p.gate_alpha, p.gate == LEAKY_RELU), 1.0, gate_y[at] > 0.0);
    }
    return v;
}

// Row r of a matrix, in order of rows of the output.
fn matrix_row(m: mat4x4<f32>, r: u32) -> vec4<f32> {
    return select(select(m[0], m[1], r == 1u), select(m[2], m[3], r == 3u), r >= 2u);
}

// Element e of a matrix in order of rows of the output. A loop over all sixteen stays a loop; Mesa unrolls shorter
// ones, and the driver then takes three times as long to compile the shader.
fn element(m: mat4x4<f32>, e: u32) -> f32 {
    let v = matrix_row(m, e / 4u);
    let i = e % 4u;
    return select(select(v.x, v.y, i == 1u), select(v.z, v.w, i == 3u), i >= 2u);
}
