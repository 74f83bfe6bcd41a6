//! y = act(x) and dx = act′(x) ⊙ dy.

use crate::Args;
use crate::ops::activation::ActivationParams;
use crate::reference::BLOCK;
use rayon::prelude::*;

/// act(x) by [`Activation::code`](crate::ops::activation::Activation::code); NaN for an unknown code.
pub fn activate(kind: u32, alpha: f64, x: f64) -> f64 {
    match kind {
        0 => x,
        1 => x.max(0.0),
        2 => {
            if x > 0.0 {
                x
            } else {
                alpha * x
            }
        }
        3 => x.tanh(),
        4 => sigmoid(x),
        5 => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        6 => x * sigmoid(x),
        7 => {
            if x > 0.0 {
                x
            } else {
                alpha * x.exp_m1()
            }
        }
        _ => f64::NAN,
    }
}

/// act′ where act is y; NaN for SiLU, whose slope cannot be computed from y, and for an unknown code.
pub fn slope_from_output(kind: u32, alpha: f64, y: f64) -> f64 {
    match kind {
        0 => 1.0,
        1 => {
            if y > 0.0 {
                1.0
            } else {
                0.0
            }
        }
        2 => {
            if y > 0.0 {
                1.0
            } else {
                alpha
            }
        }
        3 => 1.0 - y * y,
        4 => y * (1.0 - y),
        5 => -(-y).exp_m1(),
        7 => {
            if y > 0.0 {
                1.0
            } else {
                y + alpha
            }
        }
        _ => f64::NAN,
    }
}

/// act′(x).
pub fn slope(kind: u32, alpha: f64, x: f64) -> f64 {
    if kind == 6 {
        let s = sigmoid(x);
        return s * (1.0 + x * (1.0 - s));
    }
    slope_from_output(kind, alpha, activate(kind, alpha, x))
}

/// 1 / (1 + e⁻ˣ)
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// x = act(x) for many numbers; common activations have loops of their own, without a branch inside.
pub fn activate_all(kind: u32, alpha: f64, values: &mut [f64]) {
    match kind {
        0 => {}
        1 => values.iter_mut().for_each(|x| *x = activate(1, alpha, *x)),
        2 => values.iter_mut().for_each(|x| *x = activate(2, alpha, *x)),
        _ => values.iter_mut().for_each(|x| *x = activate(kind, alpha, *x)),
    }
}

/// d = act′ d for many numbers, where act is y; likewise.
pub fn gate_all(kind: u32, alpha: f64, y: &[f64], values: &mut [f64]) {
    let both = values.iter_mut().zip(y);
    match kind {
        0 => {}
        1 => both.for_each(|(d, &y)| *d *= slope_from_output(1, alpha, y)),
        2 => both.for_each(|(d, &y)| *d *= slope_from_output(2, alpha, y)),
        _ => both.for_each(|(d, &y)| *d *= slope_from_output(kind, alpha, y)),
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
    let (x, dy, dx) = (args.read("x"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).zip(dy.par_chunks(BLOCK)).for_each(|((dx, x), dy)| {
        let all = dx.iter_mut().zip(x).zip(dy);
        match p.kind {
            1 => all.for_each(|((dx, &x), &dy)| *dx = slope(1, 0.0, x) * dy),
            kind => all.for_each(|((dx, &x), &dy)| *dx = slope(kind, p.alpha.into(), x) * dy),
        }
    });
}
