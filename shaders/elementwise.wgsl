// y = alpha a + beta b, y = a ⊙ b, and sum += term with term = 0 after it, over len elements; one invocation per
// element.
// Needs common/grid.wgsl.

struct CombineParams {
    len: u32,
    alpha: f32,
    beta: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p_combine: CombineParams;

@compute @workgroup_size(256)
fn combine(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_combine.len { return; }
    y[i] = p_combine.alpha * a[i] + p_combine.beta * b[i];
}

struct MultiplyParams {
    len: u32,
}

@group(0) @binding(3) var<uniform> p_multiply: MultiplyParams;

@compute @workgroup_size(256)
fn multiply(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_multiply.len { return; }
    y[i] = a[i] * b[i];
}

@group(0) @binding(0) var<storage, read_write> sum: array<f32>;
@group(0) @binding(1) var<storage, read_write> term: array<f32>;
@group(0) @binding(2) var<uniform> p_accumulate: MultiplyParams;

@compute @workgroup_size(256)
fn accumulate(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_accumulate.len { return; }
    sum[i] += term[i];
    term[i] = 0.0;
}
