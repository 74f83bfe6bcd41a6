// A point of the straight path from noise to data, and the path's velocity: y[r, j] = (1 − t) z[r, j] + t x[r, j] at
// the time t = 1 − (1 − u[r])ᵖ, and velocity[r, j] = x[r, j] − z[r, j], with z, x, y and velocity [m, n] and u [m] in
// [0, 1]. One invocation per element.
// Needs common/grid.wgsl, common/nan.wgsl and common/elementary.wgsl.

struct Params {
    len: u32,
    n: u32,
    spacing: f32,
}

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> u: array<f32>;
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
    let at = u[i / p.n];
    var of_x = at;
    var of_z = 1.0 - at;
    if p.spacing != 1.0 {
        of_z = exponential(p.spacing * ln(of_z));
        of_x = 1.0 - of_z;
    }
    y[i] = of_z * z[i] + of_x * x[i];
    velocity[i] = x[i] - z[i];
}
