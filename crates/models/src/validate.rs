//! What can be wrong with settings: each check returns one sentence, or nothing.

use gpu_core::ops::activation::Activation;

/// The widest layer.
pub(crate) const WIDEST: usize = 1 << 16;
/// Index arithmetic on a device is in 32 bits; half of that leaves room for what is added.
const MAX: usize = 1 << 30;

/// What is wrong with a count of channels, numbers or codes, if anything.
pub(crate) fn count_fault(name: &str, n: usize) -> Option<String> {
    (!(1..=WIDEST).contains(&n)).then(|| format!("{name} is {n}; it must be between 1 and {WIDEST}"))
}

/// What is wrong with a count that may be zero, if anything.
pub(crate) fn most_fault(name: &str, n: usize, most: usize) -> Option<String> {
    (n > most).then(|| format!("{name} is {n}; the most is {most}"))
}

/// What is wrong with the widths of a list of layers, if anything.
pub(crate) fn widths_fault(name: &str, widths: &[usize]) -> Option<String> {
    let wrong = widths.iter().find(|width| !(1..=WIDEST).contains(*width))?;
    Some(format!("{name} has a layer of {wrong}; widths must be between 1 and {WIDEST}"))
}

/// What is wrong with layers of such sizes, the numbers of each and the weights of all, if anything; `by` names the
/// settings that they follow from.
pub(crate) fn load_fault(by: &str, layers: &[usize], weights: usize, batch: usize) -> Option<String> {
    if weights > MAX {
        return Some(format!("{by} make {weights} weights; the most is {MAX}"));
    }
    let most = layers.iter().copied().max().unwrap_or(0);
    (batch.saturating_mul(most) > MAX).then(|| {
        format!(
            "{batch} images at once are too many with these layers; use a smaller train.batch_size, or a smaller \
             train.micro_batch to take a batch in parts"
        )
    })
}

/// What is wrong with the sizes of an autoencoder, if anything.
pub(crate) fn coder_fault(
    image: [usize; 3],
    channels: &[usize],
    pool: bool,
    hidden: &[usize],
    latent: usize,
    batch: usize,
) -> Option<String> {
    if hidden.is_empty() {
        return Some("hidden is empty; name at least one layer's width".into());
    }
    let fault = count_fault("latent", latent)
        .or_else(|| widths_fault("hidden", hidden))
        .or_else(|| widths_fault("channels", channels))
        .or_else(|| halvings_fault(image, channels.len(), pool));
    if fault.is_some() {
        return fault;
    }
    let [mut h, mut w, mut c] = image;
    let (mut numbers, mut weights) = (vec![h * w * c], 0);
    for &next in channels {
        // Before its maxima are taken, the layer is as large as the image.
        numbers.push(if pool { h * w * next.max(c) } else { h.div_ceil(2) * w.div_ceil(2) * next });
        weights += 2 * 16 * c * next;
        [h, w, c] = [h.div_ceil(2), w.div_ceil(2), next];
    }
    let widths: Vec<usize> = [h * w * c].iter().chain(hidden).chain([&(2 * latent)]).copied().collect();
    weights += widths.windows(2).map(|pair| 2 * (pair[0] + 1) * pair[1]).sum::<usize>();
    load_fault("hidden, latent and channels", &[numbers, widths].concat(), weights, batch)
}

/// What is wrong with halving an image so often, if anything.
pub(crate) fn halvings_fault(image: [usize; 3], times: usize, even: bool) -> Option<String> {
    let [h, w, _] = image;
    let (mut size, mut left) = ([h, w], times);
    while left > 0 {
        if size.iter().all(|&size| size == 1) {
            return Some(format!("an image of {h}×{w} cannot be halved {times} times; take fewer convolutions"));
        }
        if even && size.iter().any(|size| size % 2 == 1) {
            return Some(format!(
                "an image of {h}×{w} cannot be halved {times} times without a remainder; take fewer channels, or \
                 pool = false"
            ));
        }
        (size, left) = (size.map(|size| size.div_ceil(2)), left - 1);
    }
    None
}

/// What is wrong with the name of an activation, if anything.
pub(crate) fn activation_fault(name: &str) -> Option<String> {
    let names = || Activation::NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    Activation::named(name).is_none().then(|| format!("activation “{name}” is not known; use one of {}", names()))
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

/// What is wrong with telling a model classes, if anything.
pub(crate) fn conditional_fault(conditional: bool, classes: usize) -> Option<String> {
    (conditional && classes < 2).then(|| {
        format!("a model that is told classes needs at least two, and this data has {classes}; give labelled data")
    })
}
