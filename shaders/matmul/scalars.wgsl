// Loads of matmul.wgsl one number at a time, for operands of every size, and products of few columns.

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;

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

// Adjacent invocations read along the stored rows.
fn load_slab(local: u32, l0: u32, end: u32, base: u32) {
    for (var unit = local; unit < slab * a_quads; unit += invocations) {
        // (k, quad), with k varying fastest, or the quad if rows are adjacent.
        let at = select(vec2(unit % slab, unit / slab), vec2(unit / a_quads, unit % a_quads), trans_a != 0u);
        let row = corner.x + 4u * at.y;
        let l = l0 + at.x;
        let v = vec4(at_a(row, l, end), at_a(row + 1u, l, end), at_a(row + 2u, l, end), at_a(row + 3u, l, end));
        keep_a(base + at.x, at.y, v);
    }
    for (var unit = local; unit < slab * b_quads; unit += invocations) {
        let at = select(vec2(unit / b_quads, unit % b_quads), vec2(unit % slab, unit / slab), trans_b != 0u);
        let col = corner.y + 4u * at.y;
        let l = l0 + at.x;
        let v = vec4(at_b(l, col, end), at_b(l, col + 1u, end), at_b(l, col + 2u, end), at_b(l, col + 3u, end));
        keep_b(base + at.x, at.y, v);
    }
}

// For outputs with too few columns for a tile: a workgroup has one row, an invocation every 64th term of its sums.
@compute @workgroup_size(64)
fn matmul_row(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    corner = vec2(group_index(group, groups), 0u);
    let row = corner.x;
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
    if local == 0u { store(0u, 0u, shares[0]); }
}
