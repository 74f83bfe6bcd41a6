// Moves of codes, the words of an image's positions: codes [n, width] has a row for each image, a column for each
// position.
//
//   codes_gather    taken[r, j] = codes[order[r], j] for the m rows of order
//   codes_scatter   stored[order[r], j] = rows[r, j]; order has no row twice
//   codes_column    column[r] = codes[r, at] for the first m rows
//   codes_place     placed[r, at] = given[r] for the first m rows
//
// One invocation per word moved, of which there are len.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    width: u32,
    at: u32,
}

@group(0) @binding(0) var<storage, read> codes: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read_write> taken: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(64)
fn codes_gather(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    taken[i] = codes[order[i / p.width] * p.width + i % p.width];
}

@group(0) @binding(0) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read_write> stored: array<u32>;

@compute @workgroup_size(64)
fn codes_scatter(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    stored[order[i / p.width] * p.width + i % p.width] = rows[i];
}

@group(0) @binding(1) var<storage, read_write> column: array<u32>;
@group(0) @binding(2) var<uniform> p_column: Params;

@compute @workgroup_size(64)
fn codes_column(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_column.len { return; }
    column[i] = codes[i * p_column.width + p_column.at];
}

@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> placed: array<u32>;

@compute @workgroup_size(64)
fn codes_place(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_column.len { return; }
    placed[i * p_column.width + p_column.at] = given[i];
}
