// The products of matmul.wgsl by the tiles of a subgroup, for operands and outputs whose stored rows have a multiple of
// four elements, and sums with a multiple of four terms.
// Also needs matmul/quads.wgsl, common/lanes.wgsl and common/lanes_blocks.wgsl.

@group(0) @binding(3) var<storage, read> gate_y_quads: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y_quads: array<vec4<f32>>;

// Four rows of A for four terms, by row.
fn terms_of_a(rows: vec4<u32>, terms: vec4<u32>) -> mat4x4<f32> {
    let across = p.trans_a != 0u;
    let at = select(rows * p.k + terms.x, terms * p.m + rows.x, across) / 4u;
    return by_line(mat4x4(a[at.x], a[at.y], a[at.z], a[at.w]), !across);
}

// Four columns of B for four terms, by term.
fn terms_of_b(cols: vec4<u32>, terms: vec4<u32>) -> mat4x4<f32> {
    let across = p.trans_b == 0u;
    let at = select(cols * p.k + terms.x, terms * p.n + cols.x, across) / 4u;
    return by_term(mat4x4(b[at.x], b[at.y], b[at.z], b[at.w]), !across);
}

// The sums of the tile over [begin, end) of k.
fn sums(lane: u32, begin: u32, end: u32) -> array<mat4x4<f32>, 16> {
    let rows = lines(corner.x, lane, p.m);
    let cols = lines(corner.y, lane, p.n);
    let more = select(lines(corner.y + 32u, lane, p.n), lines(corner.x + 32u, lane, p.m), tall != 0u);
    var c: array<mat4x4<f32>, 16>;
    for (var l = begin; l < end; l += 4u) {
        let terms = vec4(l) + vec4(0u, 1u, 2u, 3u);
        let of_a = terms_of_a(rows, terms);
        let of_b = terms_of_b(cols, terms);
        var of_more: mat4x4<f32>;
        if tall != 0u { of_more = terms_of_a(more, terms); } else { of_more = terms_of_b(more, terms); }
        accumulate_block(&c, of_a, of_b, of_more);
    }
    return c;
}

// WRITE.
@compute @workgroup_size(8)
fn matmul_lanes_blocks(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    zero = lane / 8u;
    begin_tile(group, groups, tile_size());
    if corner.x >= p.m { return; }
    let c = sums(lane, 0u, p.k + zero);
    let near = biases(corner.y, lane, p.n);
    let after = biases(corner.y + 32u, lane, p.n);
    for (var i = 0u; i < 16u; i++) {
        let m = biased(c, i, near, after);
        let at = corner + matrix_at(i, lane);
        for (var r = 0u; r < 4u; r++) {
            let to = ((at.x + r) * p.n + at.y) / 4u;
            if at.x + r < p.m && at.y < p.n { y_quads[to] = epilogue_quad(to, matrix_row(m, r)); }
        }
    }
}
