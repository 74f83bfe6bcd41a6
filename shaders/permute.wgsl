// order[b] = π(clock[2] + first + b) for b < len: rows of this step's batch. π is a pseudo-random permutation of
// 0 .. count − 1, one for each epoch clock[1], or the identity. It is a Feistel network of eight rounds over the
// smallest even number of bits that holds count, walked along its cycle until it is below count again (Black and
// Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002). One invocation per element of order.
// Needs common/grid.wgsl and common/philox.wgsl.

struct Params {
    len: u32,
    first: u32,
    count: u32,
    half_bits: u32,
    shuffle: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<storage, read> clock: array<u32>;
@group(0) @binding(1) var<storage, read_write> order: array<u32>;
@group(0) @binding(2) var<uniform> p: Params;

// Stream::Order of schedule/random.rs.
const ORDER = 2u;

// MurmurHash3's 32-bit finaliser, a bijection that spreads every bit.
fn mix(word: u32) -> u32 {
    var x = word;
    x = (x ^ (x >> 16u)) * 0x85ebca6bu;
    x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
    return x ^ (x >> 16u);
}

fn permuted(position: u32, epoch: u32) -> u32 {
    let key = vec2<u32>(p.key0, p.key1);
    let first = philox(vec4<u32>(0u, ORDER, epoch, 0u), key);
    let second = philox(vec4<u32>(1u, ORDER, epoch, 0u), key);
    let mask = (1u << p.half_bits) - 1u;
    var x = position;
    loop {
        var left = x >> p.half_bits;
        var right = x & mask;
        for (var j = 0u; j < 8u; j++) {
            let round_key = select(first[j & 3u], second[j & 3u], j >= 4u);
            let next = left ^ (mix(right ^ round_key) & mask);
            left = right;
            right = next;
        }
        x = (left << p.half_bits) | right;
        if x < p.count { break; }
    }
    return x;
}

@compute @workgroup_size(64)
fn permute(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let b = group_index(group, groups) * 64u + local;
    if b >= p.len { return; }
    // Schedules ask for no position past the end of an epoch; the clamp keeps gather within the data if one did.
    let position = min(clock[2] + p.first + b, p.count - 1u);
    if p.shuffle != 0u {
        order[b] = permuted(position, clock[1]);
    } else {
        order[b] = position;
    }
}
