// y[r, j] = 0 if u[r] < share, else x[r, j], with x and y [m, n] and u [m]; one invocation per element.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    n: u32,
    share: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: Params;

@compute @workgroup_size(256)
fn drop_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    y[i] = select(x[i], 0.0, u[i / p.n] < p.share);
}
