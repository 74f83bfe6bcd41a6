// A point of the straight path from noise to data, and the path's velocity: y[r, j] = (1 − t[r]) z[r, j] + t[r] x[r, j]
// and velocity[r, j] = x[r, j] − z[r, j], with z, x, y and velocity [m, n] and t [m]. One invocation per element.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    n: u32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

@compute @workgroup_size(256)
fn flow_path(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    let of_x = t[i / p.n];
    y[i] = (1.0 - of_x) * z[i] + of_x * x[i];
    velocity[i] = x[i] - z[i];
}
