// Rows by 32 invocations each, eight rows a workgroup of 256: their sums and maxima by a binary tree in workgroup
// memory, always in the same order. All 256 must call. The 32 of a row get its result, and the tree can be reused after
// the call.
// Needs common/grid.wgsl.

const ACROSS: u32 = 32u;
const ROWS: u32 = 8u;

var<workgroup> row_tree: array<f32, 256>;

// The row of an invocation; it can be past the last one.
fn row_of(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return group_index(group, groups) * ROWS + local / ACROSS;
}

fn row_sum(local: u32, value: f32) -> f32 {
    row_tree[local] = value;
    for (var reach = ACROSS / 2u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local % ACROSS < reach { row_tree[local] += row_tree[local + reach]; }
    }
    workgroupBarrier();
    let total = row_tree[local - local % ACROSS];
    workgroupBarrier();
    return total;
}

fn row_max(local: u32, value: f32) -> f32 {
    row_tree[local] = value;
    for (var reach = ACROSS / 2u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local % ACROSS < reach { row_tree[local] = max(row_tree[local], row_tree[local + reach]); }
    }
    workgroupBarrier();
    let top = row_tree[local - local % ACROSS];
    workgroupBarrier();
    return top;
}
