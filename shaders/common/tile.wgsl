// The sums of a workgroup's tile of a product A · B, slab by slab along k.
//
// A workgroup of 8 × 8 invocations computes a tile of 64 × 64 outputs (the small ones 32 × 32): an invocation has two
// vec4 of rows and two of columns (one and one), half a tile apart. The shader that uses this defines load_slab(local,
// row0, col0, l0, end, quads), which loads [l0, l0 + SLAB) of k into a_tile and b_tile, with zeros from `end` on.
// `quads` is the tile's side in vec4; quad q at index l is at l (quads + 1) + q. [begin, end) must be uniform in the
// workgroup. Sums are f32, whatever type the tiles are Stored in.
// Needs common/single.wgsl, or common/half.wgsl in its place.

const SLAB: u32 = 16u;
// [SLAB][tile / 4 + 1]: four adjacent rows of A, or columns of B, at one index along k. The extra column avoids memory
// bank conflicts between invocations that store along k.
var<workgroup> a_tile: array<Stored, 272>;
var<workgroup> b_tile: array<Stored, 272>;

// The 8 × 8 sums of one invocation over [begin, end) of k: element 2r + h is row r, half h of the columns.
fn product(lane: vec2<u32>, row0: u32, col0: u32, begin: u32, end: u32) -> array<vec4<f32>, 16> {
    var c00 = vec4(0.0); var c01 = vec4(0.0);
    var c10 = vec4(0.0); var c11 = vec4(0.0);
    var c20 = vec4(0.0); var c21 = vec4(0.0);
    var c30 = vec4(0.0); var c31 = vec4(0.0);
    var c40 = vec4(0.0); var c41 = vec4(0.0);
    var c50 = vec4(0.0); var c51 = vec4(0.0);
    var c60 = vec4(0.0); var c61 = vec4(0.0);
    var c70 = vec4(0.0); var c71 = vec4(0.0);
    for (var l0 = begin; l0 < end; l0 += SLAB) {
        load_slab(lane.y * 8u + lane.x, row0, col0, l0, end, 16u);
        workgroupBarrier();
        for (var l = 0u; l < SLAB; l++) {
            let a0 = vec4<f32>(a_tile[l * 17u + lane.y]);
            let a1 = vec4<f32>(a_tile[l * 17u + 8u + lane.y]);
            let b0 = vec4<f32>(b_tile[l * 17u + lane.x]);
            let b1 = vec4<f32>(b_tile[l * 17u + 8u + lane.x]);
            c00 += a0.x * b0; c01 += a0.x * b1;
            c10 += a0.y * b0; c11 += a0.y * b1;
            c20 += a0.z * b0; c21 += a0.z * b1;
            c30 += a0.w * b0; c31 += a0.w * b1;
            c40 += a1.x * b0; c41 += a1.x * b1;
            c50 += a1.y * b0; c51 += a1.y * b1;
            c60 += a1.z * b0; c61 += a1.z * b1;
            c70 += a1.w * b0; c71 += a1.w * b1;
        }
        workgroupBarrier();
    }
    return array(c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51, c60, c61, c70, c71);
}

// The 4 × 4 sums of one invocation of a small tile, row by row.
fn product_small(lane: vec2<u32>, row0: u32, col0: u32, begin: u32, end: u32) -> array<vec4<f32>, 4> {
    var c0 = vec4(0.0); var c1 = vec4(0.0);
    var c2 = vec4(0.0); var c3 = vec4(0.0);
    for (var l0 = begin; l0 < end; l0 += SLAB) {
        load_slab(lane.y * 8u + lane.x, row0, col0, l0, end, 8u);
        workgroupBarrier();
        for (var l = 0u; l < SLAB; l++) {
            let a0 = vec4<f32>(a_tile[l * 9u + lane.y]);
            let b0 = vec4<f32>(b_tile[l * 9u + lane.x]);
            c0 += a0.x * b0; c1 += a0.y * b0;
            c2 += a0.z * b0; c3 += a0.w * b0;
        }
        workgroupBarrier();
    }
    return array(c0, c1, c2, c3);
}
