// Activation functions and their slopes. Kinds are Activation::code() of ops/activation.rs:
// 0 identity, 1 ReLU, 2 leaky ReLU (alpha = slope below 0), 3 tanh, 4 sigmoid, 5 softplus, 6 SiLU, 7 ELU (alpha).
// exp and tanh see clamped arguments: beyond them some drivers return NaN where the limit is finite.

fn sigmoid(x: f32) -> f32 {
    let e = exp(-min(abs(x), 80.0));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

// log(1 + e), for e in [0, 1], to a few units in the last place: log alone loses small e to rounding in 1 + e.
// With u = fl(1 + e), log(u) · e / (u − 1) restores what was lost (Kahan's form, Higham, Accuracy and
// Stability of Numerical Algorithms, §1.14.1).
fn log_one_plus(e: f32) -> f32 {
    let u = 1.0 + e;
    let d = u - 1.0;
    return select(log(u) * (e / d), e, d == 0.0);
}

// exp(t) − 1 for t ≤ 0. Near 0 the difference would leave only what rounding made of exp(t); there it is the Taylor
// series, whose first term left out is below 2⁻²⁴ of the sum.
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
        case 1u: { return max(x, 0.0); }
        case 2u: { return select(alpha * x, x, x > 0.0); }
        case 3u: { return tanh(clamp(x, -15.0, 15.0)); }
        case 4u: { return sigmoid(x); }
        case 5u: { return softplus(x); }
        case 6u: { return max(x, -80.0) * sigmoid(x); }
        case 7u: { return select(alpha * exp_minus_one(min(x, 0.0)), x, x > 0.0); }
        default: { return x; }
    }
}

// The slope at x, given y = activate(x). SiLU is not here: its y does not determine its slope.
fn slope_from_output(kind: u32, alpha: f32, y: f32) -> f32 {
    switch kind {
        case 1u: { return select(0.0, 1.0, y > 0.0); }
        case 2u: { return select(alpha, 1.0, y > 0.0); }
        case 3u: { return 1.0 - y * y; }
        case 4u: { return y * (1.0 - y); }
        case 5u: { return -exp_minus_one(-y); }
        case 7u: { return select(y + alpha, 1.0, y > 0.0); }
        default: { return 1.0; }
    }
}

// The slope at x.
fn slope_from_input(kind: u32, alpha: f32, x: f32) -> f32 {
    switch kind {
        case 5u: { return sigmoid(x); }
        case 6u: {
            let s = sigmoid(x);
            return s * (1.0 + max(x, -80.0) * (1.0 - s));
        }
        case 7u: { return select(alpha * exp(clamp(x, -80.0, 0.0)), 1.0, x > 0.0); }
        default: { return slope_from_output(kind, alpha, activate(kind, alpha, x)); }
    }
}
