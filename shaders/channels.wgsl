// Concatenation and slicing of channels, the last axis; the other axes are rows of pixels:
//
//   concat_channels           y […, channels] = a […, start] followed by b […, count]; channels = start + count
//   slice_channels            part […, count] = x[…, start .. start + count] of x […, channels]
//   slice_channels_backward   dx[…, start .. start + count] = dpart, and zero in the other channels
//
// One invocation per element of the output, of which there are len.
// Needs common/grid.wgsl.

struct Params {
    len: u32,
    channels: u32,
    start: u32,
    count: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p_concat: Params;

@compute @workgroup_size(64)
fn concat_channels(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_concat;
    let i = group_index(group, groups) * 64u + local;
    if i >= q.len { return; }
    let row = i / q.channels;
    let channel = i % q.channels;
    if channel < q.start {
        y[i] = a[row * q.start + channel];
    } else {
        y[i] = b[row * q.count + channel - q.start];
    }
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> part: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

@compute @workgroup_size(64)
fn slice_channels(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    part[i] = x[i / p.count * p.channels + p.start + i % p.count];
}

@group(0) @binding(0) var<storage, read> dpart: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn slice_channels_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    let channel = i % p.channels - p.start; // wraps to a large number before the slice
    let inside = channel < p.count;
    dx[i] = select(0.0, dpart[select(0u, i / p.channels * p.count + channel, inside)], inside);
}
