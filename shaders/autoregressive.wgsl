// The weights of an autoregressive network (Germain et al., MADE: masked autoencoder for distribution estimation, 2015,
// §3.1): weight [row, column] stays where a number of the degree of the column may be seen by one of the degree of the
// row, and is 0 elsewhere.
//
//   autoregressive            y [len / cols, cols] = the weights w that may be seen
//   autoregressive_backward   dw += the same of dy
//
// A degree is the index modulo a period, counted from the end if `reversed` says so (bit 0 of rows, bit 1 of columns).
// A row sees the columns of degrees up to its own, or below it where strict is 1. One invocation per weight.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    cols: u32,
    row_period: u32,
    col_period: u32,
    reversed: u32,
    strict: u32,
}

@group(0) @binding(0) var<storage, read> w: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn degree(index: u32, period: u32, reversed: bool) -> u32 {
    let degree = index % period;
    return select(degree, period - 1u - degree, reversed);
}

fn seen(i: u32, q: Params) -> bool {
    let row = degree(i / q.cols, q.row_period, (q.reversed & 1u) != 0u);
    let column = degree(i % q.cols, q.col_period, (q.reversed & 2u) != 0u);
    return column + q.strict <= row;
}

@compute @workgroup_size(64)
fn autoregressive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    y[i] = select(0.0, w[i], seen(i, p));
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dw: array<f32>;

@compute @workgroup_size(64)
fn autoregressive_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    if seen(i, p) { dw[i] += dy[i]; }
}
