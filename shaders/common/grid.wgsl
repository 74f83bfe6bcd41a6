// The index of a workgroup or an invocation in a one-dimensional grid that is folded into two dimensions, because a
// device allows at most 65,535 workgroups along one (Grid::Linear in schedule/calls.rs). Kernels must ignore indices
// past the end of their work.

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
