//! y = act(x) and dx = act′(x) ⊙ dy.

use crate::Args;
use crate::ops::activation::{Activation, ActivationParams};
use crate::reference::BLOCK;
use rayon::prelude::*;

/// act(x) by [`Activation::code`]; NaN for an unknown code.
pub fn activate(kind: u32, alpha: f64, x: f64) -> f64 {
    Activation::decode(kind, alpha as f32).map_or(f64::NAN, |act| value(act, x))
}

/// act(x).
#[inline]
pub fn value(act: Activation, x: f64) -> f64 {
    match act {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(alpha) => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Activation::Silu => x * sigmoid(x),
        Activation::Elu(alpha) => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x.exp_m1()
            }
        }
    }
}

/// act′ where act is y, by [`Activation::code`]; NaN for SiLU, whose slope cannot be computed from y, and for an
/// unknown code.
pub fn slope_from_output(kind: u32, alpha: f64, y: f64) -> f64 {
    Activation::decode(kind, alpha as f32).map_or(f64::NAN, |act| slope_at_output(act, y))
}

/// act′ at the point where act is y.
#[inline]
fn slope_at_output(act: Activation, y: f64) -> f64 {
    match act {
        Activation::Identity => 1.0,
        Activation::Relu => {
            if y > 0.0 {
                1.0
            } else {
                0.0
            }
        }
        Activation::LeakyRelu(alpha) => {
            if y > 0.0 {
                1.0
            } else {
                alpha.into()
            }
        }
        Activation::Tanh => 1.0 - y * y,
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Softplus => -(-y).exp_m1(),
        Activation::Silu => f64::NAN,
        Activation::Elu(alpha) => {
            if y > 0.0 {
                1.0
            } else {
                y + f64::from(alpha)
            }
        }
    }
}

/// act′(x).
pub fn slope(act: Activation, x: f64) -> f64 {
    if act == Activation::Silu {
        let s = sigmoid(x);
        return s * (1.0 + x * (1.0 - s));
    }
    slope_at_output(act, value(act, x))
}

/// 1 / (1 + e⁻ˣ)
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// x = act(x) for many; the usual ones are separate loops, without a choice inside.
pub fn activate_all(kind: u32, alpha: f64, values: &mut [f64]) {
    match Activation::decode(kind, alpha as f32) {
        None => values.fill(f64::NAN),
        Some(Activation::Identity) => {}
        Some(Activation::Relu) => values.iter_mut().for_each(|x| *x = value(Activation::Relu, *x)),
        Some(Activation::LeakyRelu(alpha)) => {
            values.iter_mut().for_each(|x| *x = value(Activation::LeakyRelu(alpha), *x));
        }
        Some(act) => values.iter_mut().for_each(|x| *x = value(act, *x)),
    }
}

/// d = act′ d for many, at the points where act is y; likewise.
pub fn gate_all(kind: u32, alpha: f64, y: &[f64], values: &mut [f64]) {
    let both = values.iter_mut().zip(y);
    match Activation::decode(kind, alpha as f32) {
        None => values.fill(f64::NAN),
        Some(Activation::Identity) => {}
        Some(Activation::Relu) => both.for_each(|(d, &y)| *d *= slope_at_output(Activation::Relu, y)),
        Some(Activation::LeakyRelu(alpha)) => {
            both.for_each(|(d, &y)| *d *= slope_at_output(Activation::LeakyRelu(alpha), y));
        }
        Some(act) => both.for_each(|(d, &y)| *d *= slope_at_output(act, y)),
    }
}

/// y = act(x)
pub fn activation(args: &mut Args<'_>) {
    let p: ActivationParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        activate_all(p.kind, p.alpha.into(), y);
    });
}

/// dx = act′(x) dy
pub fn activation_backward(args: &mut Args<'_>) {
    let p: ActivationParams = args.params();
    let act = Activation::decode(p.kind, p.alpha);
    let (x, dy, dx) = (args.read("x"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).zip(dy.par_chunks(BLOCK)).for_each(|((dx, x), dy)| {
        let all = dx.iter_mut().zip(x).zip(dy);
        match act {
            None => dx.fill(f64::NAN),
            Some(Activation::Relu) => all.for_each(|((dx, &x), &dy)| *dx = slope(Activation::Relu, x) * dy),
            Some(act) => all.for_each(|((dx, &x), &dy)| *dx = slope(act, x) * dy),
        }
    });
}
