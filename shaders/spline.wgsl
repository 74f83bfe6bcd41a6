// A monotone spline of every number x within ±bound, of rational quadratic functions between knots, whose places and
// slopes are given for each number; the identity outside (Durkan, Bekasov, Murray and Papamakarios, Neural spline
// flows, 2019, eq. 4 to 8). x, y [len]; a row of theta [len, 3 bins − 1] is widths | heights | slopes: the bins divide
// the interval by the softmax of widths and heights, none of them smaller than min_size of it, and the slope at an
// inner knot is min_slope + softplus(slopes + one); it is 1 at both ends.
//
//   spline            y, and log_slope [len] = log dy/dx
//   spline_backward   dx and dtheta from dy and the gradient dslope of log_slope
//   spline_inverse    argument [len], whose y is value
//
// One invocation per number. Within a bin of width w and height h, with ξ = (x − x₀) / w, q = ξ (1 − ξ), s = h / w and
// the slopes d₀ and d₁ of its ends: y = y₀ + h A / D and dy/dx = s² N / D², where A = s ξ² + d₀ q,
// D = s + (d₀ + d₁ − 2s) q and N = d₁ ξ² + 2 s q + d₀ (1 − ξ)².
// Needs common/grid.wgsl, common/nan.wgsl, common/elementary.wgsl and common/activation.wgsl.

struct Params {
    len: u32,
    bins: u32,
    bound: f32,
    min_size: f32,
    min_slope: f32,
    one: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> theta: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> log_slope: array<f32>;
@group(0) @binding(4) var<uniform> p: Params;

// The softmax of `bins` numbers of theta: their maximum and the sum of exponentials.
struct Softmax {
    first: u32,
    highest: f32,
    sum: f32,
}

// A bin's side on one axis: its start and size, its share of the softmax and that of all bins before it.
struct Side {
    start: f32,
    size: f32,
    share: f32,
    before: f32,
}

fn softmax_from(first: u32, bins: u32) -> Softmax {
    var highest = theta[first];
    for (var k = 1u; k < bins; k++) { highest = max(highest, theta[first + k]); }
    var sum = 0.0;
    for (var k = 0u; k < bins; k++) { sum += exponential(theta[first + k] - highest); }
    return Softmax(first, highest, sum);
}

fn share_of(axis: Softmax, k: u32) -> f32 {
    return exponential(theta[axis.first + k] - axis.highest) / axis.sum;
}

// The side of bin k, by the share of the bins before it.
fn side(axis: Softmax, k: u32, before: f32, q: Params) -> Side {
    let spread = 1.0 - q.min_size * f32(q.bins);
    let share = share_of(axis, k);
    let start = q.bound * (2.0 * (q.min_size * f32(k) + spread * before) - 1.0);
    return Side(start, 2.0 * q.bound * (q.min_size + spread * share), share, before);
}

// The number of the bin that v is in, and its side.
fn find(axis: Softmax, v: f32, q: Params, k: ptr<function, u32>) -> Side {
    *k = 0u;
    var found = side(axis, 0u, 0.0, q);
    while *k + 1u < q.bins && v >= found.start + found.size {
        *k += 1u;
        found = side(axis, *k, found.before + found.share, q);
    }
    return found;
}

// The side of bin k.
fn side_at(axis: Softmax, k: u32, q: Params) -> Side {
    var before = 0.0;
    for (var i = 0u; i < k; i++) { before += share_of(axis, i); }
    return side(axis, k, before, q);
}

// The slope at the start of bin k, of a number whose row of theta begins at `first`.
fn slope_at(first: u32, k: u32, q: Params) -> f32 {
    if k == 0u || k == q.bins { return 1.0; }
    return q.min_slope + softplus(theta[first + 2u * q.bins + k - 1u] + q.one);
}

@compute @workgroup_size(64)
fn spline(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = group_index(group, groups) * 64u + local;
    if i >= p.len { return; }
    if is_nan(x[i]) || abs(x[i]) >= p.bound {
        y[i] = x[i];
        log_slope[i] = 0.0;
        return;
    }
    let first = i * (3u * p.bins - 1u);
    var k: u32;
    let of_x = find(softmax_from(first, p.bins), x[i], p, &k);
    let of_y = side_at(softmax_from(first + p.bins, p.bins), k, p);
    let d = vec2<f32>(slope_at(first, k, p), slope_at(first, k + 1u, p));
    let xi = clamp((x[i] - of_x.start) / of_x.size, 0.0, 1.0);
    let q = xi * (1.0 - xi);
    let s = of_y.size / of_x.size;
    let below = s + (d.x + d.y - 2.0 * s) * q;
    let rise = d.y * xi * xi + 2.0 * s * q + d.x * (1.0 - xi) * (1.0 - xi);
    y[i] = of_y.start + of_y.size * (s * xi * xi + d.x * q) / below;
    log_slope[i] = 2.0 * ln(s) + ln(rise) - 2.0 * ln(below);
}

@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dslope: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> dtheta: array<f32>;
@group(0) @binding(6) var<uniform> p_backward: Params;

// dtheta of a softmax whose bin k has the side `at`, from the gradients of its start and size.
fn side_backward(axis: Softmax, k: u32, at: Side, dstart: f32, dsize: f32, q: Params) {
    let factor = 2.0 * q.bound * (1.0 - q.min_size * f32(q.bins));
    let mean = dstart * at.before + dsize * at.share;
    for (var i = 0u; i < q.bins; i++) {
        let own = select(select(0.0, dsize, i == k), dstart, i < k);
        dtheta[axis.first + i] = factor * share_of(axis, i) * (own - mean);
    }
}

@compute @workgroup_size(64)
fn spline_backward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_backward;
    let i = group_index(group, groups) * 64u + local;
    if i >= c.len { return; }
    let width = 3u * c.bins - 1u;
    let first = i * width;
    if is_nan(x[i]) || abs(x[i]) >= c.bound {
        dx[i] = dy[i];
        for (var j = 0u; j < width; j++) { dtheta[first + j] = 0.0; }
        return;
    }
    var k: u32;
    let widths = softmax_from(first, c.bins);
    let of_x = find(widths, x[i], c, &k);
    let heights = softmax_from(first + c.bins, c.bins);
    let of_y = side_at(heights, k, c);
    let d = vec2<f32>(slope_at(first, k, c), slope_at(first, k + 1u, c));
    let xi = clamp((x[i] - of_x.start) / of_x.size, 0.0, 1.0);
    let q = xi * (1.0 - xi);
    let turn = 1.0 - 2.0 * xi;
    let s = of_y.size / of_x.size;
    let bend = d.x + d.y - 2.0 * s;
    let above = s * xi * xi + d.x * q;
    let below = s + bend * q;
    let rise = d.y * xi * xi + 2.0 * s * q + d.x * (1.0 - xi) * (1.0 - xi);
    // The derivatives of y and of log dy/dx by ξ, s, d₀ and d₁.
    let scale = dy[i] * of_y.size / (below * below);
    let rise_by_xi = 2.0 * (d.y * xi + s * turn - d.x * (1.0 - xi));
    let by_xi = scale * s * rise + dslope[i] * (rise_by_xi / rise - 2.0 * bend * turn / below);
    let by_s = scale * (xi * xi * below - above * (1.0 - 2.0 * q))
        + dslope[i] * 2.0 * (1.0 / s + q / rise - (1.0 - 2.0 * q) / below);
    let by_d0 = scale * q * (below - above) + dslope[i] * ((1.0 - xi) * (1.0 - xi) / rise - 2.0 * q / below);
    let by_d1 = -scale * q * above + dslope[i] * (xi * xi / rise - 2.0 * q / below);
    let by_x = by_xi / of_x.size;
    dx[i] = by_x;
    side_backward(widths, k, of_x, -by_x, -(by_xi * xi + by_s * s) / of_x.size, c);
    side_backward(heights, k, of_y, dy[i], dy[i] * above / below + by_s / of_x.size, c);
    for (var j = 0u; j + 1u < c.bins; j++) {
        let at = first + 2u * c.bins + j;
        let own = select(select(0.0, by_d1, j == k), by_d0, j + 1u == k);
        dtheta[at] = own * sigmoid(theta[at] + c.one);
    }
}

@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(2) var<storage, read_write> argument: array<f32>;
@group(0) @binding(3) var<uniform> p_inverse: Params;

@compute @workgroup_size(64)
fn spline_inverse(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let c = p_inverse;
    let i = group_index(group, groups) * 64u + local;
    if i >= c.len { return; }
    if is_nan(value[i]) || abs(value[i]) >= c.bound {
        argument[i] = value[i];
        return;
    }
    let first = i * (3u * c.bins - 1u);
    var k: u32;
    let of_y = find(softmax_from(first + c.bins, c.bins), value[i], c, &k);
    let of_x = side_at(softmax_from(first, c.bins), k, c);
    let d = vec2<f32>(slope_at(first, k, c), slope_at(first, k + 1u, c));
    // a ξ² + b ξ + c = 0 for y = y₀ + h A / D; the root in [0, 1], in the form in which nothing cancels.
    let s = of_y.size / of_x.size;
    let rest = clamp((value[i] - of_y.start) / of_y.size, 0.0, 1.0);
    let bend = rest * (d.x + d.y - 2.0 * s);
    let a = s - d.x + bend;
    let b = d.x - bend;
    let root = sqrt(max(b * b + 4.0 * a * s * rest, 0.0));
    let xi = clamp(2.0 * s * rest / (b + root), 0.0, 1.0);
    // max and clamp may lose a NaN of theta.
    let found = of_x.start + of_x.size * xi;
    argument[i] = select(found, not_a_number(b), is_nan(a) || is_nan(of_x.size));
}
