// Activation functions and their slopes. The constants are the codes of Activation in ops/activation.rs, which a test
// there checks. alpha is the slope of LEAKY_RELU below 0, and the scale of ELU. An unknown kind gives NaN.
// Needs common/elementary.wgsl and common/nan.wgsl.

const IDENTITY: u32 = 0u;
const RELU: u32 = 1u;
const LEAKY_RELU: u32 = 2u;
const TANH: u32 = 3u;
const SIGMOID: u32 = 4u;
const SOFTPLUS: u32 = 5u;
const SILU: u32 = 6u;
const ELU: u32 = 7u;

fn sigmoid(x: f32) -> f32 {
    let e = exponential(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn softplus(x: f32) -> f32 {
    return max(x, 0.0) + log_one_plus(exponential(-abs(x)));
}

fn activate(kind: u32, alpha: f32, x: f32) -> f32 {
    switch kind {
        case IDENTITY: { return x; }
        case RELU: { return max(x, 0.0); }
        case LEAKY_RELU: { return select(alpha * x, x, x > 0.0); }
        case TANH: { return hyperbolic_tangent(x); }
        case SIGMOID: { return sigmoid(x); }
        case SOFTPLUS: { return softplus(x); }
        case SILU: { return max(x, -MAX_EXPONENT) * sigmoid(x); }
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
            return s * (1.0 + max(x, -MAX_EXPONENT) * (1.0 - s));
        }
        case ELU: { return select(alpha * exponential(min(x, 0.0)), 1.0, x > 0.0); }
        default: { return slope_from_output(kind, alpha, activate(kind, alpha, x)); }
    }
}
