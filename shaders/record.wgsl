// ring[(step − 1) mod slots, column] = scale · Σ_i rows[i], or += that where add is set, with rows [n], ring
// [slots, width], and the step, counted from 1, in clock[0]; one workgroup of 256, by a tree.
// Needs common/tree.wgsl.

struct Params {
    n: u32,
    width: u32,
    slots: u32,
    column: u32,
    scale: f32,
    add: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> ring: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn record(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var i = local; i < p.n; i += 256u) { sum += rows[i]; }
    sum = tree_sum(local, sum);
    if local == 0u {
        // The order of operations avoids overflow for steps near 2³².
        let slot = (clock[0] % p.slots + p.slots - 1u) % p.slots;
        let there = slot * p.width + p.column;
        var before = 0.0;
        if p.add != 0u { before = ring[there]; }
        ring[there] = before + p.scale * sum;
    }
}
