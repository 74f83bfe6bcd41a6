// Kernels for the roofline: y = x, which moves memory, and y = Σ_j a_j, where each of 16 sums a_j = x + j becomes scale
// a + shift `turns` times, which multiplies and adds. For the copy, invocations stride through the elements; for the
// sums, there is one invocation per element.
// Needs common/grid.wgsl.

struct Copy {
    len: u32,
}

struct Fma {
    len: u32,
    turns: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Copy;
@group(0) @binding(2) var<uniform> p_fma: Fma;

@compute @workgroup_size(256)
fn roof_copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Adjacent invocations copy adjacent elements.
    let stride = groups.x * groups.y * 256u;
    for (var i = group_index(group, groups) * 256u + local; i < p.len; i += stride) {
        y[i] = x[i];
    }
}

@compute @workgroup_size(256)
fn roof_fma(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 256u + local;
    if i >= p_fma.len { return; }
    let scale = p_fma.scale;
    let shift = vec4(p_fma.shift);
    // Sixteen independent sums.
    var a = x[i] + vec4(0.0, 1.0, 2.0, 3.0);
    var b = x[i] + vec4(4.0, 5.0, 6.0, 7.0);
    var c = x[i] + vec4(8.0, 9.0, 10.0, 11.0);
    var d = x[i] + vec4(12.0, 13.0, 14.0, 15.0);
    for (var turn = 0u; turn < p_fma.turns; turn += 4u) {
        a = a * scale + shift; b = b * scale + shift; c = c * scale + shift; d = d * scale + shift;
        a = a * scale + shift; b = b * scale + shift; c = c * scale + shift; d = d * scale + shift;
        a = a * scale + shift; b = b * scale + shift; c = c * scale + shift; d = d * scale + shift;
        a = a * scale + shift; b = b * scale + shift; c = c * scale + shift; d = d * scale + shift;
    }
    let sums = a + b + c + d;
    y[i] = sums.x + sums.y + sums.z + sums.w;
}
