// Loads and the epilogue of common/lanes.wgsl by blocks of four terms and four lines, four numbers at a time: a load or
// store is a loop over the lanes, which then runs once for four numbers.
// Needs common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

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
