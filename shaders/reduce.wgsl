// y = scale · op over the rows or the columns of x [m, n], and the derivatives.
//
//   reduce_rows              y [m, parts]: op over the elements [c · chunk, (c + 1) · chunk) of each row;
//                            one workgroup of 256 per row and chunk, by a tree
//   reduce_columns           y [parts, n]: op over the rows [c · chunk, (c + 1) · chunk) of each column;
//                            one invocation per chunk and column, in order; adjacent ones read adjacent columns
//   reduce_columns_add       the same, added to y: the last pass of a bias gradient
//   reduce_columns_add_all   y [n] += sums of whole columns, of any number of chunks; one workgroup of 256 per
//                            `columns` of them; only for a kind that is a sum
//   reduce_rows_backward     dx [m, n] from dy [m]; the workgroups of reduce_rows
//   reduce_columns_backward  dx [m, n] from dy [n]; the invocations of reduce_columns
//
// op by kind: 0 sum, 1 maximum, 2 sum of squares; an unknown kind gives NaN. If there are several parts, ops/reduce.rs
// reduces the partial results again. The derivative of a maximum is shared equally by the elements that attain it;
// every chunk counts them over the whole row or column itself.
// Needs common/grid.wgsl, common/nan.wgsl and common/columns.wgsl.

struct Params {
    m: u32,
    n: u32,
    chunk: u32,
    parts: u32,
    kind: u32,
    columns: u32,
    scale: f32,
}

override kind: u32 = 0u;

const SUM: u32 = 0u;
const MAXIMUM: u32 = 1u;
const SQUARES: u32 = 2u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

var<workgroup> tree: array<f32, 256>;

fn term(v: f32) -> f32 {
    switch kind {
        case SUM, MAXIMUM: { return v; }
        case SQUARES: { return v * v; }
        default: { return not_a_number(v); }
    }
}

fn join(u: f32, v: f32) -> f32 {
    if kind == MAXIMUM { return max(u, v); }
    return u + v;
}

// The initial value of a chunk. Its own first element changes no maximum, even one of −∞.
fn start(first: u32) -> f32 {
    if kind == MAXIMUM { return x[first]; }
    return 0.0;
}

@compute @workgroup_size(256)
fn reduce_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups);
    let inside = i < p.m * p.parts;
    let row = select(0u, (i / p.parts) * p.n, inside);
    let begin = select(0u, (i % p.parts) * p.chunk, inside);
    let end = min(begin + p.chunk, p.n);
    var v = start(row + begin);
    for (var j = begin + local; j < end; j += 256u) {
        v = join(v, term(x[row + j]));
    }
    tree[local] = v;
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] = join(tree[local], tree[local + reach]); }
    }
    if local == 0u && inside { y[i] = p.scale * tree[0]; }
}

// Element i of y [parts, n].
fn column_chunk(i: u32) -> f32 {
    let j = i % p.n;
    let begin = (i / p.n) * p.chunk;
    let end = min(begin + p.chunk, p.m);
    var v = start(begin * p.n + j);
    for (var r = begin; r < end; r++) {
        v = join(v, term(x[r * p.n + j]));
    }
    return p.scale * v;
}

@compute @workgroup_size(256)
fn reduce_columns(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.parts * p.n { return; }
    y[i] = column_chunk(i);
}

@compute @workgroup_size(256)
fn reduce_columns_add(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.parts * p.n { return; }
    y[i] += column_chunk(i);
}

@compute @workgroup_size(256)
fn reduce_columns_add_all(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * p.columns + local % p.columns;
    let inside = i < p.n;
    let j = select(0u, i, inside);
    let span = lane_rows(local, p.columns, p.m);
    var v = 0.0;
    for (var r = span.x; r < span.y; r++) { v += term(x[r * p.n + j]); }
    v = p.scale * column_sum(local, p.columns, v);
    if local < p.columns && inside { y[i] += v; }
}

// The output of the forward kernel, [m] or [n]; used only for the derivative of a maximum.
@group(0) @binding(1) var<storage, read> reduced: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: Params;

var<workgroup> ties: atomic<u32>;

// The derivative at v, where `share` is scale · dy, divided by the number of ties for a maximum.
fn slope(v: f32, result: f32, share: f32) -> f32 {
    switch kind {
        case SUM: { return share; }
        case MAXIMUM: { return select(0.0, share, v == result); }
        case SQUARES: { return 2.0 * v * share; }
        default: { return not_a_number(v); }
    }
}

@compute @workgroup_size(256)
fn reduce_rows_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups);
    let inside = i < p_backward.m * p_backward.parts;
    let r = select(0u, i / p_backward.parts, inside);
    let row = r * p_backward.n;
    let begin = (i % p_backward.parts) * p_backward.chunk;
    let end = select(0u, min(begin + p_backward.chunk, p_backward.n), inside);
    let result = reduced[r];
    var share = p_backward.scale * dy[r];
    if kind == MAXIMUM {
        if local == 0u { atomicStore(&ties, 0u); }
        workgroupBarrier();
        var count = 0u;
        for (var j = local; j < p_backward.n; j += 256u) {
            count += select(0u, 1u, x[row + j] == result);
        }
        atomicAdd(&ties, count);
        workgroupBarrier();
        share /= f32(atomicLoad(&ties));
    }
    for (var j = begin + local; j < end; j += 256u) {
        dx[row + j] = slope(x[row + j], result, share);
    }
}

@compute @workgroup_size(256)
fn reduce_columns_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.parts * p_backward.n { return; }
    let j = i % p_backward.n;
    let begin = (i / p_backward.n) * p_backward.chunk;
    let end = min(begin + p_backward.chunk, p_backward.m);
    let result = reduced[j];
    var share = p_backward.scale * dy[j];
    if kind == MAXIMUM {
        var count = 0u;
        for (var r = 0u; r < p_backward.m; r++) {
            count += select(0u, 1u, x[r * p_backward.n + j] == result);
        }
        share /= f32(count);
    }
    for (var r = begin; r < end; r++) {
        let at = r * p_backward.n + j;
        dx[at] = slope(x[at], result, share);
    }
}
