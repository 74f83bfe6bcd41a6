// ring[(step − 1) mod slots, column] = scale · Σ_i rows[i], with rows [n], ring [slots, width], and the step, counted
// from 1, in clock[0]; one workgroup of 256, by a tree.

struct Params {
    n: u32,
    width: u32,
    slots: u32,
    column: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> ring: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

var<workgroup> tree: array<f32, 256>;

@compute @workgroup_size(256)
fn record(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var i = local; i < p.n; i += 256u) { sum += rows[i]; }
    tree[local] = sum;
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] += tree[local + reach]; }
    }
    if local == 0u {
        // Steps near 2³² cannot wrap before the remainder is taken.
        let slot = (clock[0] % p.slots + p.slots - 1u) % p.slots;
        ring[slot * p.width + p.column] = p.scale * tree[0];
    }
}
