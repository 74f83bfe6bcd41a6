// Activation functions and their slopes. The constants are the codes of Activation in ops/activation.rs, which a test
// there checks. alpha is the slope of LEAKY_RELU below 0, and the scale of ELU. An unknown kind gives NaN.
// Arguments of exp and tanh are clamped, because beyond the clamp some drivers return NaN for a finite limit.

const IDENTITY: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const TANH: u32 = 3u;
const SIGMOID: u32 = 4u;
const SOFTPLUS: u32 = 5u;
const SILU: u32 = 6u;
const ELU: u32 = 7u;

// A NaN; x keeps it from being a constant expression, which WGSL rejects.
fn not_a_number(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u);
}

fn sigmoid(x: f32) -> f32 {
    let e = exp(-min(abs(x), 80.0));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// log(1 + e), for e in [0, 1], to a few units in the last place: log alone loses small e to rounding in 1 + e.
// With u = fl(1 + e), log(u) · e / (u − 1) restores the lost digits (Kahan's form, Higham, Accuracy and
// Stability of Numerical Algorithms, §1.14.1).
fn log_one_plus(e: f32) -> f32 {
    let u = 1.0 + e;
    let d = u - 1.0;
    return select(log(u) * (e / d), e, d == 0.0);
}

// exp(t) − 1 for t ≤ 0. Near 0 the difference would consist of the rounding error of exp(t), so the Taylor series is
// used there; its first omitted term is below 2⁻²⁴ of the sum.
fn exp_minus_one(t: f32) -> f32 {
    let s = max(t, -0.25);
    let series = s * (1.0 + s / 2.0 * (1.0 + s / 3.0 * (1.0 + s / 4.0 * (1.0 + s / 5.0 * (1.0 + s / 6.0)))));
    return select(exp(max(t, -80.0)) - 1.0, series, t > -0.25);
}

fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + log_one_plus(exp(-min(abs(x), 80.0)));
}

fn activate(kind: u32, alpha: f32, x: f32) -> f32 {
    switch kind {
        case IDENTITY: { return x; }
        case RELU: { return max(x, 0.0); }
        case LEAKY_RELU: { return select(alpha * x, x, x > 0.0); }
        case TANH: { return tanh(clamp(x, -15.0, 15.0)); }
        case SIGMOID: { return sigmoid(x); }
        case SOFTPLUS: { return softplus(x); }
        case SILU: { return max(x, -80.0) * sigmoid(x); }
        case ELU: { return select(alpha * exp_minus_one(min(x, 0.0)), x, x > 0.0); }
        default: { return not_a_number(x); }
    }
}

// The slope at x, given y = activate(x). SiLU is not here: its y does not determine its slope.
fn slope_from_output(kind: u32, alpha: f32, y: f32) -> f32 {
    switch kind {
        case IDENTITY: { return 1.0; }
        case RELU: { return select(0.0, 1.0, y > 0.0); }
        case LEAKY_RELU: { return select(alpha, 1.0, y > 0.0); }
        case TANH: { return 1.0 - y * y; }
        case SIGMOID: { return y * (1.0 - y); }
        case SOFTPLUS: { return -exp_minus_one(-y); }
        case ELU: { return select(y + alpha, 1.0, y > 0.0); }
        default: { return not_a_number(y); }
    }
}

// The slope at x.
fn slope_from_input(kind: u32, alpha: f32, x: f32) -> f32 {
    switch kind {
        case SOFTPLUS: { return sigmoid(x); }
        case SILU: {
            let s = sigmoid(x);
            return s * (1.0 + max(x, -80.0) * (1.0 - s));
        }
        case ELU: { return select(alpha * exp(clamp(x, -80.0, 0.0)), 1.0, x > 0.0); }
        default: { return slope_from_output(kind, alpha, activate(kind, alpha, x)); }
    }
}
