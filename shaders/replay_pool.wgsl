// A pool of earlier images, by which a discriminator also sees what the generator made before (Shrivastava et al.,
// Learning from simulated and unsupervised images through adversarial training, 2017, §2.3). For each row r of images
// [n, width] in order, with pool [size, width], draws [n, 2] in (0, 1) and stored = count[0] + r:
//   stored < size          pool[stored] = images[r], y[r] = images[r]
//   draws[r, 0] > ½        y[r] = pool[j], pool[j] = images[r], with j = ⌊draws[r, 1] · size⌋
//   otherwise              y[r] = images[r]
// One invocation per column, so that a row sees the replacements of those before it.
// replay_pool_count then sets count[0] to min(size, count[0] + n): one invocation. Needs common/grid.wgsl.

struct Params {
    n: u32,
    width: u32,
    size: u32,
}

@group(0) @binding(0) var<storage, read> images: array<f32>;
@group(0) @binding(1) var<storage, read> draws: array<f32>;
@group(0) @binding(2) var<storage, read> count: array<u32>;
@group(0) @binding(3) var<storage, read_write> pool: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> p: Params;

// ⌊draw · size⌋ for size ≤ 2¹⁶, from the first 24 bits of the draw in two parts: exact, and so below size.
fn place(draw: f32, size: u32) -> u32 {
    let bits = min(u32(draw * 16777216.0), 0xffffffu);
    return ((bits >> 12u) * size + (((bits & 0xfffu) * size) >> 12u)) >> 12u;
}

@compute @workgroup_size(64)
fn replay_pool(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let column = group_index(group, groups) * 64u + local;
    if column >= p.width { return; }
    for (var r = 0u; r < p.n; r++) {
        let image = images[r * p.width + column];
        let stored = count[0] + r;
        var shown = image;
        if stored < p.size {
            pool[stored * p.width + column] = image;
        } else if draws[2u * r] > 0.5 {
            let at = place(draws[2u * r + 1u], p.size) * p.width + column;
            shown = pool[at];
            pool[at] = image;
        }
        y[r * p.width + column] = shown;
    }
}

@group(0) @binding(0) var<storage, read_write> advanced: array<u32>;
@group(0) @binding(1) var<uniform> p_count: Params;

@compute @workgroup_size(1)
fn replay_pool_count() {
    advanced[0] = min(p_count.size, advanced[0] + p_count.n);
}
