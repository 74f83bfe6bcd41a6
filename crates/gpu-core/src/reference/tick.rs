//! What changes with every step.

use crate::Args;
use crate::ops::tick::TickParams;

/// clock ← (step + 1, epoch, start, start + batch); rates ← (lr, 1 − β₁ᵗ, 1 − β₂ᵗ, KL weight)
pub fn tick(args: &mut Args<'_>) {
    let p: TickParams = args.params();
    let (clock, rates) = (args.write_u32("clock"), args.write("rates"));
    let [step, epoch, _, next] = [clock[0], clock[1], clock[2], clock[3]];
    let (epoch, start) = if next >= p.count { (epoch + 1, 0) } else { (epoch, next) };
    clock.copy_from_slice(&[step + 1, epoch, start, start + p.batch]);
    let risen = if p.warmup > 0 { (f64::from(step + 1) / f64::from(p.warmup)).min(1.0) } else { 1.0 };
    rates[0] = p.lr.into();
    rates[1] = f64::from(p.beta1) * rates[1] + f64::from(p.one_minus_beta1);
    rates[2] = f64::from(p.beta2) * rates[2] + f64::from(p.one_minus_beta2);
    rates[3] = f64::from(p.kl_weight) * risen;
}
