// The cross-entropy of the rows of logits x [m, k] with shares t [m, k], logsumexp(x) − Σ_j t_j x_j, and the errors of
// classification; rows by 32 invocations each, as in rows.wgsl:
//
//   cross_entropy                rows [m] = Σ_j t_j (max − x_j) + log Σ_j exp(x_j − max), max being the row's largest x
//   cross_entropy_with_gradient  the same, and dx [m, k] = weight · (exp(x − max) / Σ_j exp(x_j − max) − t)
//   cross_entropy_errors         wrong [m] = 1 where the largest x and the largest t are at different indices,
//                                otherwise 0; the first of equal ones counts
//
// The caller must ensure that the shares of a row sum to 1. No term of the loss is below 0, so nothing cancels.
// Arguments of exp are at most 0 and clamped at −80, where exp is negligible next to that of the row's maximum.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/rows.wgsl.

struct Params {
    m: u32,
    k: u32,
    weight: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

// exp(v − top), for v no more than top.
fn exp_below(v: f32, top: f32) -> f32 {
    return exponential(min(v - top, 0.0));
}

struct Found {
    // max x
    top: f32,
    // Σ exp(x − top)
    sum: f32,
    // Σ t (top − x) + log sum
    loss: f32,
}

// The values for the k elements from `row` on.
fn found(row: u32, k: u32, local: u32) -> Found {
    var top = x[row];
    for (var j = local % ACROSS; j < k; j += ACROSS) { top = max(top, x[row + j]); }
    top = row_max(local, top);
    var sum = 0.0;
    var short = 0.0;
    for (var j = local % ACROSS; j < k; j += ACROSS) {
        let v = x[row + j];
        sum += exp_below(v, top);
        short += t[row + j] * (top - v);
    }
    sum = row_sum(local, sum);
    short = row_sum(local, short);
    return Found(top, sum, short + ln(sum));
}

@compute @workgroup_size(256)
fn cross_entropy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = row_of(group, groups, local);
    let inside = r < p.m;
    let of_row = found(select(0u, r * p.k, inside), p.k, local);
    if local % ACROSS == 0u && inside { rows[r] = of_row.loss; }
}

@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_gradient: Params;

@compute @workgroup_size(256)
fn cross_entropy_with_gradient(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = row_of(group, groups, local);
    let inside = r < p_gradient.m;
    let row = select(0u, r * p_gradient.k, inside);
    let of_row = found(row, p_gradient.k, local);
    let end = select(0u, p_gradient.k, inside);
    for (var j = local % ACROSS; j < end; j += ACROSS) {
        let at = row + j;
        dx[at] = p_gradient.weight * (exp_below(x[at], of_row.top) / of_row.sum - t[at]);
    }
    if local % ACROSS == 0u && inside { rows[r] = of_row.loss; }
}

@group(0) @binding(2) var<storage, read_write> wrong: array<f32>;

// The largest x and the largest t seen by an invocation, and their indices in the row.
var<workgroup> tops: array<vec2<f32>, 256>;
var<workgroup> places: array<vec2<u32>, 256>;

@compute @workgroup_size(256)
fn cross_entropy_errors(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = row_of(group, groups, local);
    let inside = r < p.m;
    let row = select(0u, r * p.k, inside);
    var top = vec2(x[row], t[row]);
    var place = vec2(0u);
    for (var j = local % ACROSS; j < p.k; j += ACROSS) {
        let v = vec2(x[row + j], t[row + j]);
        place = select(place, vec2(j), v > top);
        top = select(top, v, v > top);
    }
    tops[local] = top;
    places[local] = place;
    for (var reach = ACROSS / 2u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local % ACROSS < reach {
            let other = tops[local + reach];
            let other_place = places[local + reach];
            let ahead = (other > tops[local]) | ((other == tops[local]) & (other_place < places[local]));
            tops[local] = select(tops[local], other, ahead);
            places[local] = select(places[local], other_place, ahead);
        }
    }
    if local % ACROSS == 0u && inside { wrong[r] = select(0.0, 1.0, places[local].x != places[local].y); }
}
