// The products of matmul.wgsl by the tiles of a subgroup, for operands of every size.
// Also needs matmul/scalars.wgsl and common/lanes.wgsl.

fn four(from_a: bool, at: vec4<u32>) -> vec4<f32> {
    if from_a { return vec4(a[at.x], a[at.y], a[at.z], a[at.w]); }
    return vec4(b[at.x], b[at.y], b[at.z], b[at.w]);
}

// The sums of the tile over [begin, end) of k.
fn sums(lane: u32, begin: u32, end: u32) -> array<mat4x4<f32>, 16> {
    // The distance between rows or columns, and between terms l.
    let to_row = select(p.k, 1u, p.trans_a != 0u);
    let to_col = select(1u, p.k, p.trans_b != 0u);
    let along_a = select(1u, p.m, p.trans_a != 0u);
    let along_b = select(p.n, 1u, p.trans_b != 0u);
    var at_a = lines(corner.x, lane, p.m) * to_row + vec4(begin * along_a);
    var at_b = lines(corner.y, lane, p.n) * to_col + vec4(begin * along_b);
    var at_more = lines(corner.y + 32u, lane, p.n) * to_col + vec4(begin * along_b);
    if tall != 0u { at_more = lines(corner.x + 32u, lane, p.m) * to_row + vec4(begin * along_a); }
    var c: array<mat4x4<f32>, 16>;
    for (var l = begin; l < end; l++) {
        accumulate(&c, four(true, at_a), four(false, at_b), four(tall != 0u, at_more));
        at_a += vec4(along_a);
        at_b += vec4(along_b);
        at_more += vec4(select(along_b, along_a, tall != 0u));
    }
    return c;
}

// WRITE, ADD and PARTIAL, whose epilogue is plain; a product that is not split has one part, of all of k.
@compute @workgroup_size(8)
fn matmul_lanes(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    zero = lane / 8u;
    begin_tile(group, groups, tile_size());
    let begin = part * p.chunk;
    if corner.x >= p.m || begin >= p.k { return; }
    let c = sums(lane, begin, min(p.k, begin + p.chunk));
    let near = biases(corner.y, lane, p.n);
    let after = biases(corner.y + 32u, lane, p.n);
    for (var i = 0u; i < 16u; i++) {
        let m = biased(c, i, near, after);
        let at = corner + matrix_at(i, lane);
        for (var e = 0u; e < 16u; e++) {
            let row = at.x + e / 4u;
            let col = at.y + e % 4u;
            let to = (part * p.m + row) * p.n + col;
            if row < p.m && col < p.n {
                if stores == ADD { y[to] += element(m, e); } else { y[to] = epilogue(to, element(m, e)); }
            }
        }
    }
}
