// Sums and maxima over a workgroup of 256 invocations by a binary tree in workgroup memory, always in the same order.
// All 256 must call; all get the result, and the tree can be reused after the call.

var<workgroup> tree: array<f32, 256>;

fn tree_sum(local: u32, value: f32) -> f32 {
    tree[local] = value;
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] += tree[local + reach]; }
    }
    workgroupBarrier();
    let total = tree[0];
    workgroupBarrier();
    return total;
}

fn tree_max(local: u32, value: f32) -> f32 {
    tree[local] = value;
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        workgroupBarrier();
        if local < reach { tree[local] = max(tree[local], tree[local + reach]); }
    }
    workgroupBarrier();
    let top = tree[0];
    workgroupBarrier();
    return top;
}
