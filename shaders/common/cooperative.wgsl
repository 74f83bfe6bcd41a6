// A workgroup's tile of a product A · B by cooperative matrices, in place of tile.wgsl: operands are rounded to half
// precision, sums are f32.
//
// A workgroup has four subgroups of lanes_x invocations, which is the device's number, one subgroup for each lane.y.
// Its tile has 4 SIDE rows and columns; each subgroup has a quarter of it, as 2 × 2 matrices of SIDE × SIDE. Sums pass
// through workgroup memory to be stored, because a matrix can only be stored whole and without an epilogue.
// The functions are those of tile.wgsl, and so are those that it needs.
// Needs common/cooperative_8.wgsl or common/cooperative_16.wgsl.

override lanes_x: u32 = 32u;
const lanes_y: u32 = 4u;
const depth: u32 = 1u;
const slab: u32 = 16u;
override invocations: u32 = lanes_x * lanes_y;

// vec4 of rows and of columns of the tile.
const a_quads: u32 = SIDE;
const b_quads: u32 = SIDE;

// Rows of A, or columns of B, at one index along k, with some that are not used, against memory bank conflicts.
const STRIDE: u32 = 4u * SIDE + 8u;
var<workgroup> a_tile: array<f16, 16u * STRIDE>;
var<workgroup> b_tile: array<f16, 16u * STRIDE>;
// A matrix of each subgroup.
var<workgroup> sums_of: array<f32, 4u * SIDE * SIDE>;

fn keep_a(l: u32, quad: u32, v: vec4<f32>) {
    let at = l * STRIDE + 4u * quad;
    a_tile[at] = f16(v.x); a_tile[at + 1u] = f16(v.y);
    a_tile[at + 2u] = f16(v.z); a_tile[at + 3u] = f16(v.w);
}

fn keep_b(l: u32, quad: u32, v: vec4<f32>) {
    let at = l * STRIDE + 4u * quad;
    b_tile[at] = f16(v.x); b_tile[at + 1u] = f16(v.y);
    b_tile[at + 2u] = f16(v.z); b_tile[at + 3u] = f16(v.w);
}

// Computes the tile over [begin, end) of k and stores it.
fn compute_tile(lane: vec3<u32>, begin: u32, end: u32) {
    let local = lane.y * lanes_x + lane.x;
    let at = 2u * SIDE * vec2(lane.y / 2u, lane.y % 2u);
    var c00 = Sums(); var c01 = Sums();
    var c10 = Sums(); var c11 = Sums();
    for (var l0 = begin; l0 < end; l0 += slab) {
        load_slab(local, l0, end, 0u);
        workgroupBarrier();
        for (var l = 0u; l < slab; l += SIDE) {
            // Terms are rows in memory: A is stored by columns, B by rows.
            let a0 = coopLoad<Rows>(&a_tile[l * STRIDE + at.x], STRIDE);
            let a1 = coopLoad<Rows>(&a_tile[l * STRIDE + at.x + SIDE], STRIDE);
            let b0 = coopLoadT<Columns>(&b_tile[l * STRIDE + at.y], STRIDE);
            let b1 = coopLoadT<Columns>(&b_tile[l * STRIDE + at.y + SIDE], STRIDE);
            c00 = coopMultiplyAdd(a0, b0, c00);
            c01 = coopMultiplyAdd(a0, b1, c01);
            c10 = coopMultiplyAdd(a1, b0, c10);
            c11 = coopMultiplyAdd(a1, b1, c11);
        }
        workgroupBarrier();
    }
    store_matrix(lane, at, c00);
    store_matrix(lane, at + vec2(0u, SIDE), c01);
    store_matrix(lane, at + vec2(SIDE, 0u), c10);
    store_matrix(lane, at + SIDE, c11);
}

fn store_matrix(lane: vec3<u32>, at: vec2<u32>, sums: Sums) {
    let own = lane.y * SIDE * SIDE;
    coopStoreT(sums, &sums_of[own], SIDE);
    workgroupBarrier();
    for (var i = 4u * lane.x; i < SIDE * SIDE; i += 4u * lanes_x) {
        let v = vec4(sums_of[own + i], sums_of[own + i + 1u], sums_of[own + i + 2u], sums_of[own + i + 3u]);
        store(at.x + i / SIDE, at.y + i % SIDE, v);
    }
    workgroupBarrier();
}
