// The epilogue of common/lanes.wgsl for outputs of every size, one number at a time.
// Needs common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

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
