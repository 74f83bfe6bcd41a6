// Draws from the categories of rows of logits x [m, k], by their largest noisy logit (Gumbel, 1954): index[r] =
// argmax_j (scale · x[r, j] + g[r, j]) over the categories that take part, the lowest j of equal ones. g = −ln(−ln u),
// where u is the unit of word (r k + j) mod 4 of philox((⌊(r k + j) / 4⌋, stream, clock[0], draw), key). With top > 0,
// only the categories with fewer than `top` larger logits take part. scale is one over the temperature.
//
// One workgroup of 64 per row. The top-th largest logit is found bit by bit, which takes 32 passes over the row. Of a
// row without a finite sum, the result is some index below k.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/philox.wgsl.

struct Params {
    m: u32,
    k: u32,
    top: u32,
    draw: u32,
    stream: u32,
    key0: u32,
    key1: u32,
    scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> clock: array<u32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;

const LOWEST: f32 = -3.402823e38;

var<workgroup> sums: array<f32, 64>;
var<workgroup> places: array<u32, 64>;
var<workgroup> counts: array<u32, 64>;

fn gumbel(at: u32) -> f32 {
    let words = philox(vec4<u32>(at / 4u, p.stream, clock[0], p.draw), vec2<u32>(p.key0, p.key1));
    return -ln(-ln(unit(words[at % 4u])));
}

// Words in the order of their numbers; both zeros have one.
fn ordered(value: f32) -> u32 {
    let bits = bitcast<u32>(select(value, 0.0, value == 0.0));
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// The largest word that at least p.top of the elements from `row` up to `end` reach; zero if all take part. All 64 must
// call.
fn least_word(row: u32, end: u32, local: u32) -> u32 {
    let rounds = select(32u, 0u, p.top == 0u);
    var least = 0u;
    for (var round = 0u; round < rounds; round++) {
        let candidate = least | (0x80000000u >> round);
        var count = 0u;
        for (var j = local; j < end; j += 64u) { count += select(0u, 1u, ordered(x[row + j]) >= candidate); }
        counts[local] = count;
        for (var reach = 32u; reach > 0u; reach >>= 1u) {
            workgroupBarrier();
            if local < reach { counts[local] += counts[local + reach]; }
        }
        workgroupBarrier();
        least = select(least, candidate, counts[0] >= p.top);
        workgroupBarrier();
    }
    return least;
}

@compute @workgroup_size(64)
fn categorical(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups);
    let row = select(0u, r * p.k, r < p.m);
    let end = select(0u, p.k, r < p.m);
    let least = least_word(row, end, local);
    var best = LOWEST;
    var place = 0u;
    for (var j = local; j < end; j += 64u) {
        let value = x[row + j];
        if ordered(value) >= least {
            let sum = p.scale * value + gumbel(row + j);
            if sum > best {
                best = sum;
                place = j;
            }
        }
    }
    sums[local] = best;
    places[local] = place;
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach {
            let other = sums[local + reach];
            let other_place = places[local + reach];
            let ahead = (other > sums[local]) | ((other == sums[local]) & (other_place < places[local]));
            sums[local] = select(sums[local], other, ahead);
            places[local] = select(places[local], other_place, ahead);
        }
    }
    if local == 0u && r < p.m { index[r] = places[0]; }
}
