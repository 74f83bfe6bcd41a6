//! What can be wrong with settings: each check returns one sentence, or nothing.

use crate::nonlinearity;

/// What is wrong with the sizes of an autoencoder, if anything.
pub(crate) fn sizes_fault(hidden: &[usize], latent: usize, width: usize, batch: usize) -> Option<String> {
    const WIDEST: usize = 1 << 16;
    // Index arithmetic on a device is in 32 bits; half of that leaves room for what is added.
    const MOST: usize = 1 << 30;
    let fits = |n: usize| (1..=WIDEST).contains(&n);
    if hidden.is_empty() {
        return Some("hidden is empty; name at least one layer's width".into());
    }
    if !fits(latent) {
        return Some(format!("latent is {latent}; it must be between 1 and {WIDEST}"));
    }
    if let Some(wrong) = hidden.iter().find(|&&width| !fits(width)) {
        return Some(format!("hidden has a layer of {wrong}; widths must be between 1 and {WIDEST}"));
    }
    let widths: Vec<usize> = [width].iter().chain(hidden).chain([&(2 * latent)]).copied().collect();
    let weights: usize = widths.windows(2).map(|pair| 2 * (pair[0] + 1) * pair[1]).sum();
    let activations = batch.saturating_mul(widths.iter().copied().max().unwrap_or(0));
    if weights > MOST {
        return Some(format!("hidden and latent make {weights} weights; the most is {MOST}"));
    }
    (activations > MOST).then(|| format!("a batch of {batch} with these widths is too large; use a smaller batch_size"))
}

/// What is wrong with the name of an activation, if anything.
pub(crate) fn activation_fault(name: &str) -> Option<String> {
    const NAMES: &str = "relu, leaky_relu, tanh, sigmoid, softplus, silu or elu";
    nonlinearity(name).is_none().then(|| format!("activation “{name}” is not known; use {NAMES}"))
}

/// A setting that must be above zero.
pub(crate) fn positive_fault(name: &str, x: f32) -> Option<String> {
    (!(x > 0.0 && x.is_finite())).then(|| format!("{name} is {x}; it must be above 0 and finite"))
}

/// A setting that may be zero.
pub(crate) fn not_negative_fault(name: &str, x: f32) -> Option<String> {
    (!(x >= 0.0 && x.is_finite())).then(|| format!("{name} is {x}; it must be finite and not below 0"))
}

/// A decay of a running mean.
pub(crate) fn decay_fault(name: &str, x: f32) -> Option<String> {
    (!(0.0..1.0).contains(&x)).then(|| format!("{name} is {x}; a decay lies in [0, 1)"))
}
