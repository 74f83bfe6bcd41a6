// Loads, sums and the epilogue of common/lanes.wgsl by blocks of four terms and four lines, four numbers at a time: a
// load or store is a loop over the lanes, which then runs once for four numbers.
// Needs common/lanes.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

// Four lines for four terms, one column a term. `stored` has a column for each stored row: a line's four terms if terms
// are adjacent, else a term's four lines.
fn by_term(stored: mat4x4<f32>, terms_adjacent: bool) -> mat4x4<f32> {
    let other = transpose(stored);
    return mat4x4(
        select(stored[0], other[0], terms_adjacent),
        select(stored[1], other[1], terms_adjacent),
        select(stored[2], other[2], terms_adjacent),
        select(stored[3], other[3], terms_adjacent),
    );
}

// The same, one column a line.
fn by_line(stored: mat4x4<f32>, terms_adjacent: bool) -> mat4x4<f32> {
    return by_term(stored, !terms_adjacent);
}

// Adds the products for four terms, as `accumulate` does for one. `a` has a column for each of the lane's rows, `b` one
// for each term, and `more` one for each further row or, unless `tall`, for each term of the further columns. Adds
// matrix by matrix, so that a sum is loaded and stored once for four terms.
fn accumulate_block(c: ptr<function, array<mat4x4<f32>, 16>>, a: mat4x4<f32>, b: mat4x4<f32>, more: mat4x4<f32>) {
    let a0 = mat4x4(
        subgroupBroadcast(a[0], 0u), subgroupBroadcast(a[1], 0u),
        subgroupBroadcast(a[2], 0u), subgroupBroadcast(a[3], 0u),
    );
    (*c)[0] += b * a0;
    if tall == 0u { (*c)[8] += more * a0; }
    let a1 = mat4x4(
        subgroupBroadcast(a[0], 1u), subgroupBroadcast(a[1], 1u),
        subgroupBroadcast(a[2], 1u), subgroupBroadcast(a[3], 1u),
    );
    (*c)[1] += b * a1;
    if tall == 0u { (*c)[9] += more * a1; }
    let a2 = mat4x4(
        subgroupBroadcast(a[0], 2u), subgroupBroadcast(a[1], 2u),
        subgroupBroadcast(a[2], 2u), subgroupBroadcast(a[3], 2u),
    );
    (*c)[2] += b * a2;
    if tall == 0u { (*c)[10] += more * a2; }
    let a3 = mat4x4(
        subgroupBroadcast(a[0], 3u), subgroupBroadcast(a[1], 3u),
        subgroupBroadcast(a[2], 3u), subgroupBroadcast(a[3], 3u),
    );
    (*c)[3] += b * a3;
    if tall == 0u { (*c)[11] += more * a3; }
    let a4 = mat4x4(
        subgroupBroadcast(a[0], 4u), subgroupBroadcast(a[1], 4u),
        subgroupBroadcast(a[2], 4u), subgroupBroadcast(a[3], 4u),
    );
    (*c)[4] += b * a4;
    if tall == 0u { (*c)[12] += more * a4; }
    let a5 = mat4x4(
        subgroupBroadcast(a[0], 5u), subgroupBroadcast(a[1], 5u),
        subgroupBroadcast(a[2], 5u), subgroupBroadcast(a[3], 5u),
    );
    (*c)[5] += b * a5;
    if tall == 0u { (*c)[13] += more * a5; }
    let a6 = mat4x4(
        subgroupBroadcast(a[0], 6u), subgroupBroadcast(a[1], 6u),
        subgroupBroadcast(a[2], 6u), subgroupBroadcast(a[3], 6u),
    );
    (*c)[6] += b * a6;
    if tall == 0u { (*c)[14] += more * a6; }
    let a7 = mat4x4(
        subgroupBroadcast(a[0], 7u), subgroupBroadcast(a[1], 7u),
        subgroupBroadcast(a[2], 7u), subgroupBroadcast(a[3], 7u),
    );
    (*c)[7] += b * a7;
    if tall == 0u { (*c)[15] += more * a7; }
    if tall != 0u { accumulate_below(c, more, b); }
}

// The products of a tall tile's second block; `a` has a column for each of the lane's rows there.
fn accumulate_below(c: ptr<function, array<mat4x4<f32>, 16>>, a: mat4x4<f32>, b: mat4x4<f32>) {
    let a0 = mat4x4(
        subgroupBroadcast(a[0], 0u), subgroupBroadcast(a[1], 0u),
        subgroupBroadcast(a[2], 0u), subgroupBroadcast(a[3], 0u),
    );
    (*c)[8] += b * a0;
    let a1 = mat4x4(
        subgroupBroadcast(a[0], 1u), subgroupBroadcast(a[1], 1u),
        subgroupBroadcast(a[2], 1u), subgroupBroadcast(a[3], 1u),
    );
    (*c)[9] += b * a1;
    let a2 = mat4x4(
        subgroupBroadcast(a[0], 2u), subgroupBroadcast(a[1], 2u),
        subgroupBroadcast(a[2], 2u), subgroupBroadcast(a[3], 2u),
    );
    (*c)[10] += b * a2;
    let a3 = mat4x4(
        subgroupBroadcast(a[0], 3u), subgroupBroadcast(a[1], 3u),
        subgroupBroadcast(a[2], 3u), subgroupBroadcast(a[3], 3u),
    );
    (*c)[11] += b * a3;
    let a4 = mat4x4(
        subgroupBroadcast(a[0], 4u), subgroupBroadcast(a[1], 4u),
        subgroupBroadcast(a[2], 4u), subgroupBroadcast(a[3], 4u),
    );
    (*c)[12] += b * a4;
    let a5 = mat4x4(
        subgroupBroadcast(a[0], 5u), subgroupBroadcast(a[1], 5u),
        subgroupBroadcast(a[2], 5u), subgroupBroadcast(a[3], 5u),
    );
    (*c)[13] += b * a5;
    let a6 = mat4x4(
        subgroupBroadcast(a[0], 6u), subgroupBroadcast(a[1], 6u),
        subgroupBroadcast(a[2], 6u), subgroupBroadcast(a[3], 6u),
    );
    (*c)[14] += b * a6;
    let a7 = mat4x4(
        subgroupBroadcast(a[0], 7u), subgroupBroadcast(a[1], 7u),
        subgroupBroadcast(a[2], 7u), subgroupBroadcast(a[3], 7u),
    );
    (*c)[15] += b * a7;
}

// The epilogue of matmul.wgsl after the bias, for the `at`-th four elements of y.
fn epilogue_quad(at: u32, sum: vec4<f32>) -> vec4<f32> {
    var v = sum;
    if activation != IDENTITY {
        v = vec4(
            activate(activation, p.alpha, v.x), activate(activation, p.alpha, v.y),
            activate(activation, p.alpha, v.z), activate(activation, p.alpha, v.w),
        );
    } else {
        v = select(v, max(v, vec4(0.0)), p.activation == RELU);
        v = select(v, select(p.alpha * v, v, v > vec4(0.0)), p.activation == LEAKY_RELU);
    }
    if gate != IDENTITY {
        let g = gate_y_quads[at];
        v *= vec4(
            slope_from_output(gate, p.gate_alpha, g.x), slope_from_output(gate, p.gate_alpha, g.y),
            slope_from_output(gate, p.gate_alpha, g.z), slope_from_output(gate, p.gate_alpha, g.w),
        );
    } else if p.gate + zero != IDENTITY {
        let off = select(0.0, p.gate_alpha, p.gate == LEAKY_RELU);
        v *= select(vec4(off), vec4(1.0), gate_y_quads[at] > vec4(0.0));
    }
    return v;
}
