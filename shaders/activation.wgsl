// y = act(x) and dx = act'(x) ⊙ dy, over len elements; the slope also from of_x = act(x). One invocation per element.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    len: u32,
    kind: u32,
    alpha: f32,
}

override kind: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(256)
fn activation(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p.len { return; }
    y[i] = activate(kind, p.alpha, x[i]);
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> p_backward: Params;

@compute @workgroup_size(256)
fn activation_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.len { return; }
    dx[i] = slope_from_input(kind, p_backward.alpha, x[i]) * dy[i];
}

@group(0) @binding(0) var<storage, read> of_x: array<f32>;

@compute @workgroup_size(256)
fn activation_gate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_backward.len { return; }
    dx[i] = slope_from_output(kind, p_backward.alpha, of_x[i]) * dy[i];
}
