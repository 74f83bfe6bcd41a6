// average ← average + share (x − average) over len elements, where share = max(1 − decay, 9 / (10 + t)), and t is the
// step in clock[0], from one. One invocation per element. Needs common/grid.wgsl.

struct Params {
    len: u32,
    one_minus_decay: f32,
}

@group(0) @binding(0) var<storage, read_write> average: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> clock: array<u32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn running_average(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    let share = max(p.one_minus_decay, 9.0 / (10.0 + f32(clock[0])));
    average[i] += share * (x[i] - average[i]);
}
