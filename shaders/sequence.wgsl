// Sequences of codes, bytes of text or of sound: windows of them for training, and the past that drawing keeps.
//
//   sequence_windows  codes[r, j] = byte(data, order[r] width + start[r] + j) for j < length, where start[r] is the
//                     high word of choices · w, and w word (first + r) mod 4 of philox((⌊(first + r) / 4⌋, stream,
//                     clock[0], 0), key): uniform below choices
//   sequence_push     ring[clock[0] mod slots, i] = x[i] for i < len
//   sequence_past     window[r, j, q] = ring[(clock[0] − delay − (taps − 1 − j) dilation) mod slots, r, q], of the
//                     c channels q and the taps j of a row r of a ring [slots, rows, c]
//   sequence_choose   code[r] = given[r, at] if that is below k, else drawn[r], with at = (clock[0] − 1) mod width;
//                     then placed[r, at] = code[r]
//
// One invocation per element of codes, x, window or code, of which there are len.
// Needs common/grid.wgsl and common/philox.wgsl.

struct WindowsParams {
    len: u32,
    width: u32,
    length: u32,
    choices: u32,
    first: u32,
    stream: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> clock: array<u32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<uniform> p_windows: WindowsParams;

@compute @workgroup_size(64)
fn sequence_windows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_windows.len { return; }
    let r = i / p_windows.length;
    let row = p_windows.first + r;
    let key = vec2<u32>(p_windows.key0, p_windows.key1);
    let words = philox(vec4<u32>(row / 4u, p_windows.stream, clock[0], 0u), key);
    let start = multiply_high(words[row % 4u], p_windows.choices);
    let at = order[r] * p_windows.width + start + i % p_windows.length;
    codes[i] = (data[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

struct PushParams {
    len: u32,
    slots: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> ring: array<f32>;
@group(0) @binding(3) var<uniform> p_push: PushParams;

@compute @workgroup_size(64)
fn sequence_push(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_push.len { return; }
    ring[(clock[0] % p_push.slots) * p_push.len + i] = x[i];
}

struct PastParams {
    len: u32,
    row: u32,
    c: u32,
    taps: u32,
    dilation: u32,
    delay: u32,
    slots: u32,
}

@group(0) @binding(0) var<storage, read> past: array<f32>;
@group(0) @binding(1) var<storage, read_write> window: array<f32>;
@group(0) @binding(3) var<uniform> p_past: PastParams;

@compute @workgroup_size(64)
fn sequence_past(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p_past.len { return; }
    let q = i % p_past.c;
    let j = i / p_past.c % p_past.taps;
    let r = i / p_past.c / p_past.taps;
    let lag = p_past.delay + (p_past.taps - 1u - j) * p_past.dilation;
    let slot = (clock[0] % p_past.slots + p_past.slots - lag) % p_past.slots;
    window[i] = past[slot * p_past.row + r * p_past.c + q];
}

struct ChooseParams {
    len: u32,
    width: u32,
    k: u32,
}

@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read> drawn: array<u32>;
@group(0) @binding(3) var<storage, read_write> code: array<u32>;
@group(0) @binding(4) var<storage, read_write> placed: array<u32>;
@group(0) @binding(5) var<uniform> p_choose: ChooseParams;

@compute @workgroup_size(64)
fn sequence_choose(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let r = group_index(group, groups) * 64u + local;
    if r >= p_choose.len { return; }
    let at = r * p_choose.width + (clock[0] - 1u) % p_choose.width;
    let chosen = select(drawn[r], given[at], given[at] < p_choose.k);
    code[r] = chosen;
    placed[at] = chosen;
}
