// A workgroup's tile of a product A · B, slab by slab along k.
//
// A workgroup has lanes_x × lanes_y × depth invocations. Each has `row_quads` vec4 of rows and `col_quads` vec4 of
// columns, one or two of each, lanes_y and lanes_x vec4 apart; its outputs are their product. Invocations of another
// depth share the terms of the same outputs: every depth-th term is theirs, and the sums are added at the end. `slab`
// terms of k are loaded at a time; with two `slabs` the next one is loaded while the last one is summed, for one
// barrier instead of two.
//
// The shader that uses this defines
//
//   load_slab(local, l0, end, base)   loads [l0, l0 + slab) of k by keep_a and keep_b, with zeros from `end` on
//   store(row, col, v)                stores four adjacent columns of the tile
//
// [begin, end) must be uniform in the workgroup. Sums are f32, whatever type the tiles are Stored in.
// Needs common/single.wgsl, or common/half.wgsl in its place.

override lanes_x: u32 = 8u;
override lanes_y: u32 = 8u;
override depth: u32 = 1u;
override row_quads: u32 = 2u;
override col_quads: u32 = 2u;
override slab: u32 = 16u;
override slabs: u32 = 1u;

// Of a workgroup: invocations, and vec4 of rows and of columns. The lengths of arrays are separate overrides,
// because naga 30 cannot evaluate a length that is an expression of overrides if named overrides follow.
override invocations: u32 = lanes_x * lanes_y * depth;
override a_quads: u32 = lanes_y * row_quads;
override b_quads: u32 = lanes_x * col_quads;
override a_len: u32 = slabs * slab * (a_quads + 1u);
override b_len: u32 = slabs * slab * (b_quads + 1u);
override deeper_len: u32 = (depth - 1u) * 4u * lanes_x * lanes_y + 1u;

// [slabs · slab][quads + 1]: four adjacent rows of A, or columns of B, at one index along k. The extra column avoids
// memory bank conflicts between invocations that store along k.
var<workgroup> a_tile: array<Stored, a_len>;
var<workgroup> b_tile: array<Stored, b_len>;
// [depth − 1][row][lanes_y · lanes_x], for one vec4 of rows and of columns an invocation.
var<workgroup> deeper: array<vec4<f32>, deeper_len>;

fn keep_a(l: u32, quad: u32, v: vec4<f32>) {
    a_tile[l * (a_quads + 1u) + quad] = Stored(v);
}

fn keep_b(l: u32, quad: u32, v: vec4<f32>) {
    b_tile[l * (b_quads + 1u) + quad] = Stored(v);
}

// Four terms of one row, from l on.
fn spread_a(l: u32, row: u32, v: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) { a_tile[(l + i) * (a_quads + 1u) + row / 4u][row % 4u] = StoredScalar(v[i]); }
}

// Four terms of one column, from l on.
fn spread_b(l: u32, col: u32, v: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) { b_tile[(l + i) * (b_quads + 1u) + col / 4u][col % 4u] = StoredScalar(v[i]); }
}

// Computes the tile over [begin, end) of k and stores it.
fn compute_tile(lane: vec3<u32>, begin: u32, end: u32) {
    let local = (lane.z * lanes_y + lane.y) * lanes_x + lane.x;
    var c00 = vec4(0.0); var c01 = vec4(0.0);
    var c10 = vec4(0.0); var c11 = vec4(0.0);
    var c20 = vec4(0.0); var c21 = vec4(0.0);
    var c30 = vec4(0.0); var c31 = vec4(0.0);
    var c40 = vec4(0.0); var c41 = vec4(0.0);
    var c50 = vec4(0.0); var c51 = vec4(0.0);
    var c60 = vec4(0.0); var c61 = vec4(0.0);
    var c70 = vec4(0.0); var c71 = vec4(0.0);
    var base = 0u;
    if slabs > 1u {
        load_slab(local, begin, end, 0u);
        workgroupBarrier();
    }
    for (var l0 = begin; l0 < end; l0 += slab) {
        if slabs > 1u {
            if l0 + slab < end { load_slab(local, l0 + slab, end, slab - base); }
        } else {
            load_slab(local, l0, end, 0u);
            workgroupBarrier();
        }
        for (var l = base + lane.z; l < base + slab; l += depth) {
            let a0 = vec4<f32>(a_tile[l * (a_quads + 1u) + lane.y]);
            let b0 = vec4<f32>(b_tile[l * (b_quads + 1u) + lane.x]);
            c00 += a0.x * b0; c10 += a0.y * b0;
            c20 += a0.z * b0; c30 += a0.w * b0;
            var b1: vec4<f32>;
            if col_quads > 1u {
                b1 = vec4<f32>(b_tile[l * (b_quads + 1u) + lanes_x + lane.x]);
                c01 += a0.x * b1; c11 += a0.y * b1;
                c21 += a0.z * b1; c31 += a0.w * b1;
            }
            if row_quads > 1u {
                let a1 = vec4<f32>(a_tile[l * (a_quads + 1u) + lanes_y + lane.y]);
                c40 += a1.x * b0; c50 += a1.y * b0;
                c60 += a1.z * b0; c70 += a1.w * b0;
                if col_quads > 1u {
                    c41 += a1.x * b1; c51 += a1.y * b1;
                    c61 += a1.z * b1; c71 += a1.w * b1;
                }
            }
        }
        workgroupBarrier();
        if slabs > 1u { base = slab - base; }
    }
    if depth > 1u {
        let lanes = lanes_x * lanes_y;
        let at = local % lanes;
        if lane.z > 0u {
            let start = (lane.z - 1u) * 4u * lanes + at;
            deeper[start] = c00;
            deeper[start + lanes] = c10;
            deeper[start + 2u * lanes] = c20;
            deeper[start + 3u * lanes] = c30;
        }
        workgroupBarrier();
        if lane.z > 0u { return; }
        for (var start = at; start < (depth - 1u) * 4u * lanes; start += 4u * lanes) {
            c00 += deeper[start];
            c10 += deeper[start + lanes];
            c20 += deeper[start + 2u * lanes];
            c30 += deeper[start + 3u * lanes];
        }
    }
    let row = 4u * lane.y;
    store_pair(row, lane.x, c00, c01);
    store_pair(row + 1u, lane.x, c10, c11);
    store_pair(row + 2u, lane.x, c20, c21);
    store_pair(row + 3u, lane.x, c30, c31);
    if row_quads > 1u {
        let low = row + 4u * lanes_y;
        store_pair(low, lane.x, c40, c41);
        store_pair(low + 1u, lane.x, c50, c51);
        store_pair(low + 2u, lane.x, c60, c61);
        store_pair(low + 3u, lane.x, c70, c71);
    }
}

fn store_pair(row: u32, lane_x: u32, left: vec4<f32>, right: vec4<f32>) {
    store(row, 4u * lane_x, left);
    if col_quads > 1u { store(row, 4u * (lanes_x + lane_x), right); }
}
