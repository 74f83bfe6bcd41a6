//! Values that change with every step.

use crate::ops::tick::{DecayKind, TickParams};
use crate::{Args, Element};

/// The factor of the learning rate at a step: a warm-up over `lr_warmup` steps, 1 for `hold` steps; then, k steps
/// later, with x = min(k / span, 1), 1 − (1 − low) x, low + (1 − low) ½ (1 + cos πx), or low^⌊k / span⌋; NaN for an
/// unknown decay
fn share(step: u32, p: TickParams) -> f64 {
    if step < p.lr_warmup {
        return f64::from(step) / f64::from(p.lr_warmup);
    }
    let (k, low) = ((step - p.lr_warmup.max(1)).saturating_sub(p.hold), f64::from(p.low));
    let x = (f64::from(k) / f64::from(p.span)).min(1.0);
    match DecayKind::decode(p.decay) {
        Some(DecayKind::Constant) => 1.0,
        Some(DecayKind::Linear) => 1.0 - (1.0 - low) * x,
        Some(DecayKind::Cosine) => low + (1.0 - low) * 0.5 * (1.0 + (std::f64::consts::PI * x).cos()),
        Some(DecayKind::Steps) => low.powf(f64::from(k / p.span)),
        None => f64::NAN,
    }
}

/// clock ← (step + 1, epoch, start, start + batch), with start 0 and the next epoch if the batch would pass the end of
/// this one; rates ← (lr · share, 1 − β₁ᵗ, 1 − β₂ᵗ, KL weight)
pub fn tick<E: Element>(args: &mut Args<'_, E>) {
    let p: TickParams = args.params();
    let (clock, rates) = (args.write_u32("clock"), args.write("rates"));
    let [step, epoch, _, next] = [clock[0], clock[1], clock[2], clock[3]];
    let (epoch, start) = if next > p.count - p.batch { (epoch + 1, 0) } else { (epoch, next) };
    clock.copy_from_slice(&[step + 1, epoch, start, start + p.batch]);
    let risen = if p.kl_warmup > 0 { (f64::from(step + 1) / f64::from(p.kl_warmup)).min(1.0) } else { 1.0 };
    let grown = |corrected: E, beta: f32, rest: f32| E::of(f64::from(beta) * corrected.wide() + f64::from(rest));
    rates[0] = E::of(f64::from(p.lr) * share(step + 1, p));
    rates[1] = grown(rates[1], p.beta1, p.one_minus_beta1);
    rates[2] = grown(rates[2], p.beta2, p.one_minus_beta2);
    rates[3] = E::of(f64::from(p.kl_weight) * risen);
}
