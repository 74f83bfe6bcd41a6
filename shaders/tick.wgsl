// Advances a training run by one step: clock = (step, epoch, start, next), where rows start .. next − 1 of the epoch's
// order are the batch, and rates = (lr · share, 1 − β₁ᵗ, 1 − β₂ᵗ, KL weight). Both start at zero, so epoch 0 begins at
// row 0; a batch that would pass the end of the epoch starts the next one (batch ≤ count, which the builder asserts).
// 1 − βᵗ is computed by its recurrence, β (1 − βᵗ⁻¹) + (1 − β), because subtracting a power from 1 cancels. The share
// of the learning rate rises to one over `lr_warmup` steps and stays there for `hold` steps; k steps later, with
// x = min(k / span, 1), it is
//   1, or 1 − (1 − low) x, or low + (1 − low) ½ (1 + cos πx), or low^⌊k / span⌋     for decay 0, 1, 2, 3.
// An unknown decay gives NaN. One invocation in all. Needs common/nan.wgsl and common/elementary.wgsl.

struct Params {
    batch: u32,
    count: u32,
    kl_warmup: u32,
    lr_warmup: u32,
    hold: u32,
    decay: u32,
    span: u32,
    low: f32,
    lr: f32,
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    kl_weight: f32,
}

const CONSTANT = 0u;
const LINEAR = 1u;
const COSINE = 2u;
const STEPS = 3u;

@group(0) @binding(0) var<storage, read_write> clock: array<u32>;
@group(0) @binding(1) var<storage, read_write> rates: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

fn share(step: u32, p: Params) -> f32 {
    if step < p.lr_warmup { return f32(step) / f32(p.lr_warmup); }
    let after = step - max(p.lr_warmup, 1u);
    let k = after - min(after, p.hold);
    let x = f32(min(k, p.span)) / f32(p.span);
    switch p.decay {
        case CONSTANT: { return 1.0; }
        case LINEAR: { return 1.0 - (1.0 - p.low) * x; }
        case COSINE: { return p.low + (1.0 - p.low) * (half_cosine(x)); }
        case STEPS: { return exponential(f32(k / p.span) * ln(p.low)); }
        default: { return not_a_number(p.lr); }
    }
}

@compute @workgroup_size(1)
fn tick() {
    let step = clock[0] + 1u;
    clock[0] = step;
    var start = clock[3];
    if start > p.count - p.batch {
        clock[1] += 1u;
        start = 0u;
    }
    clock[2] = start;
    clock[3] = start + p.batch;
    rates[0] = p.lr * share(step, p);
    rates[1] = p.beta1 * rates[1] + p.one_minus_beta1;
    rates[2] = p.beta2 * rates[2] + p.one_minus_beta2;
    rates[3] = p.kl_weight;
    if step < p.kl_warmup { rates[3] = p.kl_weight * (f32(step) / f32(p.kl_warmup)); }
}
