// Where a workgroup or an invocation stands in a one-dimensional grid that was folded into two
// dimensions, because a device takes at most 65,535 workgroups along one (Grid::Linear in schedule.rs).
// What lies past the end of the work is for the kernel to ignore.

fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.x + group.y * groups.x;
}
