//! y = act(x) and dx = act′(x) ⊙ dy.

use crate::ops::activation::{Activation, ActivationParams};
use crate::reference::{BLOCK, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// act(x) by [`Activation::code`]; NaN for an unknown code.
pub fn activate<E: Element>(kind: u32, alpha: f32, x: E) -> E {
    Activation::decode(kind, alpha).map_or(E::nan(), |act| value(act, x))
}

/// act(x).
#[inline]
pub fn value<E: Element>(act: Activation, x: E) -> E {
    match act {
        Activation::Identity => x,
        Activation::Relu => x.max(E::zero()),
        Activation::LeakyRelu(alpha) => {
            if x > E::zero() {
                x
            } else {
                E::of(alpha) * x
            }
        }
        Activation::Tanh => x.hyperbolic_tangent(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softplus => x.max(E::zero()) + (-x.abs()).exponential().log_one_plus(),
        Activation::Silu => x * sigmoid(x),
        Activation::Elu(alpha) => {
            if x > E::zero() {
                x
            } else {
                E::of(alpha) * x.exp_minus_one()
            }
        }
    }
}

/// act′ where act is y, by [`Activation::code`]; NaN for SiLU, whose slope cannot be computed from y, and for an
/// unknown code.
pub fn slope_from_output<E: Element>(kind: u32, alpha: f32, y: E) -> E {
    Activation::decode(kind, alpha).map_or(E::nan(), |act| slope_at_output(act, y))
}

/// act′ at the point where act is y.
#[inline]
fn slope_at_output<E: Element>(act: Activation, y: E) -> E {
    match act {
        Activation::Identity => E::one(),
        Activation::Relu => {
            if y > E::zero() {
                E::one()
            } else {
                E::zero()
            }
        }
        Activation::LeakyRelu(alpha) => {
            if y > E::zero() {
                E::one()
            } else {
                E::of(alpha)
            }
        }
        Activation::Tanh => E::one() - y * y,
        Activation::Sigmoid => y * (E::one() - y),
        Activation::Softplus => -(-y).exp_minus_one(),
        Activation::Silu => E::nan(),
        Activation::Elu(alpha) => {
            if y > E::zero() {
                E::one()
            } else {
                y + E::of(alpha)
            }
        }
    }
}

/// act′(x). It is computed in f64 where that takes a function: 1 − y² and the like lose all digits near a limit of y.
/// The slope of SiLU has limits of 0 and 1, and terms that vanish there.
#[inline]
pub fn slope<E: Element>(act: Activation, x: E) -> E {
    match act {
        Activation::Identity | Activation::Relu | Activation::LeakyRelu(_) => slope_at_output(act, value(act, x)),
        Activation::Silu => {
            let s = sigmoid(x);
            s * (E::one() + x * (E::one() - s))
        }
        Activation::Tanh | Activation::Sigmoid | Activation::Softplus | Activation::Elu(_) => {
            E::of(slope_at_output(act, value(act, x.wide())))
        }
    }
}

/// 1 / (1 + e⁻ˣ)
#[inline]
pub fn sigmoid<E: Element>(x: E) -> E {
    E::one() / (E::one() + (-x).exponential())
}

/// x = act(x) for many. Each activation has a separate loop, without a choice inside.
pub fn activate_all<E: Element>(kind: u32, alpha: f32, values: &mut [E]) {
    match Activation::decode(kind, alpha) {
        None => values.fill(E::nan()),
        Some(Activation::Identity) => {}
        Some(Activation::Relu) => each(values, |x| value(Activation::Relu, x)),
        Some(Activation::LeakyRelu(alpha)) => each(values, |x| value(Activation::LeakyRelu(alpha), x)),
        Some(Activation::Tanh) => each(values, |x| value(Activation::Tanh, x)),
        Some(Activation::Sigmoid) => each(values, |x| value(Activation::Sigmoid, x)),
        Some(Activation::Softplus) => each(values, |x| value(Activation::Softplus, x)),
        Some(Activation::Silu) => each(values, |x| value(Activation::Silu, x)),
        Some(Activation::Elu(alpha)) => each(values, |x| value(Activation::Elu(alpha), x)),
    }
}

fn each<E: Element>(values: &mut [E], f: impl Fn(E) -> E) {
    vectorised(|| values.iter_mut().for_each(|x| *x = f(*x)));
}

/// d = act′ d for many, at the points where act is y; likewise.
pub fn gate_all<E: Element>(kind: u32, alpha: f32, y: &[E], values: &mut [E]) {
    let both = values.iter_mut().zip(y);
    vectorised(|| match Activation::decode(kind, alpha) {
        None => both.for_each(|(d, _)| *d = E::nan()),
        Some(Activation::Identity) => {}
        Some(Activation::Relu) => both.for_each(|(d, &y)| *d *= slope_at_output(Activation::Relu, y)),
        Some(Activation::LeakyRelu(alpha)) => {
            both.for_each(|(d, &y)| *d *= slope_at_output(Activation::LeakyRelu(alpha), y));
        }
        Some(act) => both.for_each(|(d, &y)| *d *= slope_at_output(act, y)),
    });
}

/// y = act(x)
pub fn activation<E: Element>(args: &mut Args<'_, E>) {
    let p: ActivationParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        activate_all(p.kind, p.alpha, y);
    });
}

/// dx = act′(x) dy
pub fn activation_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ActivationParams = args.params();
    let act = Activation::decode(p.kind, p.alpha);
    let (x, dy, dx) = (args.read("x"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).zip(dy.par_chunks(BLOCK)).for_each(|((dx, x), dy)| {
        let all = dx.iter_mut().zip(x).zip(dy);
        match act {
            None => dx.fill(E::nan()),
            Some(Activation::Relu) => all.for_each(|((dx, &x), &dy)| *dx = slope(Activation::Relu, x) * dy),
            Some(Activation::Silu) => {
                vectorised(|| all.for_each(|((dx, &x), &dy)| *dx = slope(Activation::Silu, x) * dy));
            }
            Some(act) => all.for_each(|((dx, &x), &dy)| *dx = slope(act, x) * dy),
        }
    });
}

/// dx = act′(x) dy, from of_x = act(x)
pub fn activation_gate<E: Element>(args: &mut Args<'_, E>) {
    let p: ActivationParams = args.params();
    let (of_x, dy, dx) = (args.read("of_x"), args.read("dy"), args.write("dx"));
    dx.par_chunks_mut(BLOCK).zip(of_x.par_chunks(BLOCK)).zip(dy.par_chunks(BLOCK)).for_each(|((dx, of_x), dy)| {
        dx.copy_from_slice(dy);
        gate_all(p.kind, p.alpha, of_x, dx);
    });
}
