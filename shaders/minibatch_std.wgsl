// The standard deviation of images within a group, as one more channel (Karras, Aila, Laine and Lehtinen, 2018, §3). x
// [n, pixels, c]; each `size` images in a row are a group, the last of which may be smaller:
//
//   m = Σⱼ deviationⱼ / f,  deviationⱼ = √(Σ (x − meanⱼ)² / members + ε),  over the f = pixels · c numbers of an image
//
//   minibatch_std                   y [n, pixels, c + 1] = x and m
//   minibatch_std_backward          dx = gate ⊙ (dy of x + dm (x − mean) / (f members deviation)), with dm the sum over
//                                   the group of dy of m
//   minibatch_std_tangent           along = u and Σⱼ Σ (x − meanⱼ) u / (f members deviationⱼ): the derivative of y
//                                   along u, a direction of x
//   minibatch_std_tangent_backward  dx = gate ⊙ the gradient of Σ along ⊙ dy with respect to x, with u, here called
//                                   `direction`, fixed
//
// The gate is the slope of the activation `gate` with output gate_y. One workgroup of 256 per group.
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl, common/tree.wgsl and common/activation.wgsl.

struct Params {
    n: u32,
    pixels: u32,
    c: u32,
    size: u32,
    gate: u32,
    gate_alpha: f32,
    epsilon: f32,
}

override gate: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// The first image of a group, and its images: none beyond the last group.
fn members_of(q: Params, group: u32) -> vec2<u32> {
    let first = min(group * q.size, q.n);
    return vec2(first, min(q.size, q.n - first));
}

// Mean and deviation of number j of the group's images of f numbers.
fn statistics(q: Params, members: vec2<u32>, j: u32) -> vec2<f32> {
    let f = q.pixels * q.c;
    let count = f32(members.y);
    var sum = 0.0;
    for (var m = 0u; m < members.y; m++) { sum += x[(members.x + m) * f + j]; }
    let mean = sum / count;
    var squares = 0.0;
    for (var m = 0u; m < members.y; m++) {
        let d = x[(members.x + m) * f + j] - mean;
        squares += d * d;
    }
    return vec2(mean, sqrt(squares / count + q.epsilon));
}

// Numbers of the group in x.
fn numbers_of(q: Params, members: vec2<u32>) -> u32 {
    return select(0u, q.pixels * q.c, members.y > 0u);
}

@compute @workgroup_size(256)
fn minibatch_std(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let members = members_of(p, group_index(group, groups));
    let f = p.pixels * p.c;
    let end = numbers_of(p, members);
    var sum = 0.0;
    for (var j = local; j < end; j += 256u) { sum += statistics(p, members, j).y; }
    let m = tree_sum(local, sum) / f32(f);
    let width = p.c + 1u;
    for (var i = local; i < members.y * p.pixels * width; i += 256u) {
        let pixel = members.x * p.pixels + i / width;
        let channel = i % width;
        let at = min(pixel * p.c + channel, p.n * f - 1u);
        y[pixel * width + channel] = select(x[at], m, channel == p.c);
    }
}

@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> along: array<f32>;
@group(0) @binding(3) var<uniform> p_tangent: Params;

@compute @workgroup_size(256)
fn minibatch_std_tangent(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_tangent;
    let members = members_of(q, group_index(group, groups));
    let f = q.pixels * q.c;
    let end = numbers_of(q, members);
    var sum = 0.0;
    for (var j = local; j < end; j += 256u) {
        let found = statistics(q, members, j);
        var with_u = 0.0;
        for (var m = 0u; m < members.y; m++) {
            let at = (members.x + m) * f + j;
            with_u += (x[at] - found.x) * u[at];
        }
        sum += with_u / (f32(members.y) * found.y);
    }
    let m = tree_sum(local, sum) / f32(f);
    let width = q.c + 1u;
    for (var i = local; i < members.y * q.pixels * width; i += 256u) {
        let pixel = members.x * q.pixels + i / width;
        let channel = i % width;
        let at = min(pixel * q.c + channel, q.n * f - 1u);
        along[pixel * width + channel] = select(u[at], m, channel == q.c);
    }
}

@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> gate_y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> p_backward: Params;

// This invocation's part of the sum of dy of m.
fn part_of_dm(q: Params, members: vec2<u32>, local: u32) -> f32 {
    var sum = 0.0;
    for (var i = local; i < members.y * q.pixels; i += 256u) {
        sum += dy[(members.x * q.pixels + i) * (q.c + 1u) + q.c];
    }
    return sum;
}

@compute @workgroup_size(256)
fn minibatch_std_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_backward;
    let members = members_of(q, group_index(group, groups));
    let f = q.pixels * q.c;
    let end = numbers_of(q, members);
    let share = tree_sum(local, part_of_dm(q, members, local)) / (f32(f) * f32(max(members.y, 1u)));
    for (var j = local; j < end; j += 256u) {
        let found = statistics(q, members, j);
        for (var m = 0u; m < members.y; m++) {
            let image = members.x + m;
            let at = image * f + j;
            let passed = dy[(image * q.pixels + j / q.c) * (q.c + 1u) + j % q.c];
            let v = passed + share * (x[at] - found.x) / found.y;
            dx[at] = v * slope_from_output(gate, q.gate_alpha, gate_y[at]);
        }
    }
}

@group(0) @binding(4) var<storage, read> direction: array<f32>;
@group(0) @binding(5) var<uniform> p_of_tangent: Params;

@compute @workgroup_size(256)
fn minibatch_std_tangent_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let q = p_of_tangent;
    let members = members_of(q, group_index(group, groups));
    let f = q.pixels * q.c;
    let end = numbers_of(q, members);
    let share = tree_sum(local, part_of_dm(q, members, local)) / (f32(f) * f32(max(members.y, 1u)));
    for (var j = local; j < end; j += 256u) {
        let found = statistics(q, members, j);
        var sums = vec2(0.0);
        for (var m = 0u; m < members.y; m++) {
            let at = (members.x + m) * f + j;
            sums += direction[at] * vec2(1.0, x[at] - found.x);
        }
        // Means over the group of the direction, and of its product with x − mean.
        let means = sums / f32(members.y);
        for (var m = 0u; m < members.y; m++) {
            let at = (members.x + m) * f + j;
            let v = (direction[at] - means.x) / found.y - (x[at] - found.x) * means.y / (found.y * found.y * found.y);
            dx[at] = share * v * slope_from_output(gate, q.gate_alpha, gate_y[at]);
        }
    }
}
