// Loads of matmul.wgsl four numbers at a time, for operands whose stored rows have a multiple of four elements.

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;

// Four numbers of one stored row; zeros outside the matrix.
fn quad_of_a(row: u32, col: u32, rows: u32, cols: u32) -> vec4<f32> {
    let inside = row < rows && col < cols;
    return select(vec4(0.0), a[select(0u, (row * cols + col) / 4u, inside)], inside);
}

fn quad_of_b(row: u32, col: u32, rows: u32, cols: u32) -> vec4<f32> {
    let inside = row < rows && col < cols;
    return select(vec4(0.0), b[select(0u, (row * cols + col) / 4u, inside)], inside);
}

// The first `count` of four numbers, then zeros.
fn first_of(v: vec4<f32>, count: u32) -> vec4<f32> {
    return select(vec4(0.0), v, vec4(0u, 1u, 2u, 3u) < vec4(count));
}

// Quads along k are stored as four terms of one row or column.
fn load_slab(local: u32, l0: u32, end: u32, base: u32) {
    for (var unit = local; unit < slab * a_quads; unit += invocations) {
        if trans_a != 0u {
            let l = unit / a_quads;
            let quad = unit % a_quads;
            keep_a(base + l, quad, quad_of_a(l0 + l, corner.x + 4u * quad, end, p.m));
        } else {
            let l = 4u * (unit % (slab / 4u));
            let row = unit / (slab / 4u);
            let v = first_of(quad_of_a(corner.x + row, l0 + l, p.m, p.k), end - min(end, l0 + l));
            spread_a(base + l, row, v);
        }
    }
    for (var unit = local; unit < slab * b_quads; unit += invocations) {
        if trans_b == 0u {
            let l = unit / b_quads;
            let quad = unit % b_quads;
            keep_b(base + l, quad, quad_of_b(l0 + l, corner.y + 4u * quad, end, p.n));
        } else {
            let l = 4u * (unit % (slab / 4u));
            let col = unit / (slab / 4u);
            let v = first_of(quad_of_b(corner.y + col, l0 + l, p.n, p.k), end - min(end, l0 + l));
            spread_b(base + l, col, v);
        }
    }
}
