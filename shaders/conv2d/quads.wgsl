// Loads of conv2d.wgsl four numbers at a time, for images and outputs whose channels are multiples of four: four
// adjacent terms share a tap, four adjacent columns a pixel.

@group(0) @binding(0) var<storage, read> image: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> factor: array<vec4<f32>>;

// Four channels of the gathered operand; zeros outside the image.
fn gathered(place: u32, step: vec4<i32>) -> vec4<f32> {
    let at = places[place] + step;
    let inside = u32(at.y) < work.size.x && u32(at.z) < work.size.y; // negative values wrap to large ones
    return select(vec4(0.0), image[select(0u, u32(at.x) / 4u, inside)], inside);
}

// Four numbers of the other operand from the index-th on.
fn plain(index: u32, inside: bool) -> vec4<f32> {
    return select(vec4(0.0), factor[select(0u, index / 4u, inside)], inside);
}

fn load_slab(local: u32, l0: u32, end: u32, base: u32) {
    if role == WEIGHT {
        let l = local % slab;
        let k = l0 + l;
        var step = OUTSIDE;
        if k < end { step = pixel_at(k); }
        for (var quad = local / slab; quad < max(a_quads, b_quads); quad += invocations / slab) {
            if quad < b_quads { keep_b(base + l, quad, gathered(4u * quad, step)); }
            let row = corner.x + 4u * quad;
            if quad < a_quads { keep_a(base + l, quad, plain(k * work.m + row, k < end && row < work.m)); }
        }
        return;
    }
    // The gathered operand, and for FORWARD the other one: four terms of a row or column are adjacent. A sum over taps
    // is not divided, so `end` is a multiple of four.
    let l = 4u * (local % (slab / 4u));
    let k = l0 + l;
    var step = OUTSIDE;
    if k < end { step = tap_at(k); }
    for (var i = local / (slab / 4u); i < 4u * max(a_quads, b_quads); i += invocations / (slab / 4u)) {
        if i < 4u * a_quads { spread_a(base + l, i, gathered(i, step)); }
        if role == FORWARD && i < 4u * b_quads {
            let col = corner.y + i;
            spread_b(base + l, i, plain(col * work.k + k, k < end && col < work.n));
        }
    }
    if role == INPUT {
        let of_w = l0 + local % slab;
        var start = OUTSIDE;
        if of_w < end { start = tap_at(of_w); }
        for (var quad = local / slab; quad < b_quads; quad += invocations / slab) {
            let col = corner.y + 4u * quad;
            keep_b(base + local % slab, quad, plain(u32(start.w) + col, of_w < end && col < work.n));
        }
    }
}
