// y[r, j] = share[r] a[r, j] + (1 − share[r]) b[r, j], with a, b and y [m, n] and share [m]; one invocation per
// element.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    n: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> share: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

@compute @workgroup_size(256)
fn mix_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    let of_a = share[i / p.n];
    y[i] = of_a * a[i] + (1.0 - of_a) * b[i];
}
