// Products Aᵀ · B of matmul.wgsl by the tiles of a subgroup, for m and n that are multiples of four: the gradients of
// weights. A lane's rows of one term are adjacent, and so are its columns, so it loads four at once.
// Also needs matmul/quads.wgsl and common/lanes.wgsl.

@group(0) @binding(4) var<storage, read_write> y_quads: array<vec4<f32>>;

// The sums of the tile over [begin, end) of k.
fn sums(lane: u32, begin: u32, end: u32) -> array<mat4x4<f32>, 16> {
    let row = lines(corner.x, lane, p.m).x;
    let col = lines(corner.y, lane, p.n).x;
    let more_row = lines(corner.x + 32u, lane, p.m).x;
    let more_col = lines(corner.y + 32u, lane, p.n).x;
    var c: array<mat4x4<f32>, 16>;
    for (var l = begin; l < end; l++) {
        let of_a = a[(l * p.m + row) / 4u];
        let of_b = b[(l * p.n + col) / 4u];
        if tall != 0u {
            accumulate(&c, of_a, of_b, a[(l * p.m + more_row) / 4u]);
        } else {
            accumulate(&c, of_a, of_b, b[(l * p.n + more_col) / 4u]);
        }
    }
    return c;
}

// ADD and PARTIAL.
@compute @workgroup_size(8)
fn matmul_lanes_quads(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    zero = lane / 8u;
    begin_tile(group, groups, tile_size());
    let chunk = terms(group.z) + vec2(0u, zero);
    if corner.x >= p.m || chunk.x >= chunk.y { return; }
    let c = sums(lane, chunk.x, chunk.y);
    for (var i = 0u; i < 16u; i++) {
        let m = matrix(c, i);
        let at = corner + matrix_at(i, lane);
        for (var r = 0u; r < 4u; r++) {
            let to = ((part * p.m + at.x + r) * p.n + at.y) / 4u;
            if at.x + r < p.m && at.y < p.n {
                if stores == ADD { y_quads[to] += matrix_row(m, r); } else { y_quads[to] = matrix_row(m, r); }
            }
        }
    }
}
