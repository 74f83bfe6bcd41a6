//! Checks of settings.

use gpu_core::ops::activation::Activation;
use std::error::Error;
use std::fmt;

/// A setting that no model can have, or none on such data.
///
/// Displayed as `vae.latent must be between 1 and 65536 (got 0)`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidSetting {
    /// The dotted key: `vae.latent`.
    pub key: String,
    /// The problem, as the rest of a sentence that begins with the key.
    pub problem: String,
}

impl InvalidSetting {
    /// An invalid setting; a key without a dot belongs to the section at hand.
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    /// The same under the full key, where the key belongs to `section`.
    pub(crate) fn within(self, section: &str) -> Self {
        if self.key.contains('.') { self } else { Self { key: format!("{section}.{}", self.key), ..self } }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.problem)
    }
}

impl Error for InvalidSetting {}

/// The result of a check.
pub(crate) type Check = Result<(), InvalidSetting>;

/// The widest layer.
pub(crate) const MAX_WIDTH: usize = 1 << 16;
/// Index arithmetic on a device is in 32 bits; half of that leaves space for what is added.
const MAX_NUMBERS: usize = 1 << 30;

/// Fails with this problem unless `holds`.
pub(crate) fn ensure(holds: bool, key: &str, problem: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(InvalidSetting::new(key, problem())) }
}

/// The number of image sets that a family `takes`, and that the data `has`.
pub(crate) fn sets(family: &str, takes: usize, has: usize) -> Check {
    ensure(takes == has, if takes == 1 { "data.source" } else { "data.b" }, || match takes {
        1 => {
            format!("has two sets of images, but the model, of the family {family}, takes one; name one of them alone")
        }
        _ => "must name the second set of images, as in --data-b DIR".into(),
    })
}

/// A count of channels, numbers or codes.
pub(crate) fn count(key: &str, n: usize) -> Check {
    up_to(key, n, MAX_WIDTH)
}

/// A count of at least one.
pub(crate) fn up_to(key: &str, n: usize, max: usize) -> Check {
    ensure((1..=max).contains(&n), key, || format!("must be between 1 and {max} (got {n})"))
}

/// A count that may be zero.
pub(crate) fn at_most(key: &str, n: usize, max: usize) -> Check {
    ensure(n <= max, key, || format!("must be at most {max} (got {n})"))
}

/// The widths of a list of layers, which may be empty.
pub(crate) fn widths(key: &str, widths: &[usize]) -> Check {
    match widths.iter().find(|width| !(1..=MAX_WIDTH).contains(*width)) {
        Some(width) => Err(InvalidSetting::new(
            key,
            format!("must have widths between 1 and {MAX_WIDTH} (got a layer of {width})"),
        )),
        None => Ok(()),
    }
}

/// A number above zero.
pub(crate) fn positive(key: &str, x: f32) -> Check {
    ensure(x > 0.0 && x.is_finite(), key, || format!("must be above 0 and finite (got {x})"))
}

/// A number that may be zero.
pub(crate) fn not_negative(key: &str, x: f32) -> Check {
    ensure(x >= 0.0 && x.is_finite(), key, || format!("must be at least 0 and finite (got {x})"))
}

/// The decay of a running average.
pub(crate) fn decay(key: &str, x: f32) -> Check {
    ensure((0.0..1.0).contains(&x), key, || format!("must be at least 0 and below 1 (got {x})"))
}

/// The name of an activation.
pub(crate) fn activation(key: &str, name: &str) -> Check {
    ensure(Activation::named(name).is_some(), key, || {
        format!("must be one of {} (got '{name}')", Activation::names().join(", "))
    })
}

/// A class-conditional model on data of this many classes.
pub(crate) fn conditional(key: &str, conditional: bool, classes: usize) -> Check {
    ensure(!conditional || classes >= 2, key, || {
        format!(
            "needs labelled data with at least two classes (this data has {classes}); a folder of images needs a \
             sub-folder for each class"
        )
    })
}

/// The sizes of layers: `numbers` of one image in each, and the `weights` of all, which follow from `key` and `others`.
pub(crate) fn load(key: &str, others: &str, numbers: &[usize], weights: usize, batch: usize) -> Check {
    ensure(weights <= MAX_NUMBERS, key, || {
        format!("with {others} makes {weights} weights (at most {MAX_NUMBERS}); use smaller layers")
    })?;
    let most = numbers.iter().copied().max().unwrap_or(0);
    ensure(batch.saturating_mul(most) <= MAX_NUMBERS, "train.batch_size", || {
        format!("is too large for these layers (got {batch} images at once); lower it, or set train.micro_batch")
    })
}

/// Random numbers of a batch, of which `per_image` are drawn for each image.
pub(crate) fn noise(per_image: usize, batch: usize) -> Check {
    ensure(i32::try_from(batch.saturating_mul(per_image)).is_ok(), "train.batch_size", || {
        format!("is too large for {per_image} latent values per image (got {batch}); lower it")
    })
}

/// The sizes of an autoencoder: convolutions of `channels`, linear layers of `hidden`, a code of `latent` numbers.
pub(crate) fn coder(
    image: [usize; 3],
    channels: &[usize],
    pool: bool,
    hidden: &[usize],
    latent: usize,
    batch: usize,
) -> Check {
    ensure(!hidden.is_empty(), "hidden", || "must name the width of at least one layer (got [])".into())?;
    count("latent", latent)?;
    widths("hidden", hidden)?;
    widths("channels", channels)?;
    halvings("channels", image, channels.len(), pool)?;
    let [mut h, mut w, mut c] = image;
    let (mut numbers, mut weights) = (vec![h * w * c], 0);
    for &next in channels {
        // Before pooling, the layer is as large as the image.
        numbers.push(if pool { h * w * next.max(c) } else { h.div_ceil(2) * w.div_ceil(2) * next });
        weights += 2 * 16 * c * next;
        [h, w, c] = [h.div_ceil(2), w.div_ceil(2), next];
    }
    let widths: Vec<usize> = [h * w * c].iter().chain(hidden).chain([&(2 * latent)]).copied().collect();
    weights += widths.windows(2).map(|pair| 2 * (pair[0] + 1) * pair[1]).sum::<usize>();
    load("hidden", "latent and channels", &[numbers, widths].concat(), weights, batch)
}

/// An image that is halved `times` times; with `even`, without a remainder.
pub(crate) fn halvings(key: &str, image: [usize; 3], times: usize, even: bool) -> Check {
    let [h, w, _] = image;
    let mut size = [h, w];
    for _ in 0..times {
        ensure(size.iter().any(|&size| size > 1), key, || {
            format!("halves images of {h}×{w} too often ({times} times); use fewer convolutions")
        })?;
        ensure(!even || size.iter().all(|size| size % 2 == 0), key, || {
            format!(
                "with pool = true halves images of {h}×{w} {times} times, which leaves a remainder; use fewer \
                     channels, or pool = false"
            )
        })?;
        size = size.map(|size| size.div_ceil(2));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_key_the_range_and_the_value() {
        let error = count("latent", 0).unwrap_err().within("vae");
        assert_eq!(error.to_string(), "vae.latent must be between 1 and 65536 (got 0)");
        let error = load("hidden", "latent", &[1 << 20], 1, 1 << 12).unwrap_err().within("vae");
        assert_eq!(error.key, "train.batch_size");
    }

    #[test]
    fn a_family_of_two_sets_needs_the_second() {
        assert_eq!((sets("vae", 1, 1), sets("cyclegan", 2, 2)), (Ok(()), Ok(())));
        let message = sets("cyclegan", 2, 1).unwrap_err().to_string();
        assert_eq!(message, "data.b must name the second set of images, as in --data-b DIR");
        let message = sets("vae", 1, 2).unwrap_err().to_string();
        assert_eq!(
            message,
            "data.source has two sets of images, but the model, of the family vae, takes one; name one of them alone"
        );
    }

    #[test]
    fn halvings_end_at_one_pixel() {
        assert!(halvings("channels", [28, 28, 1], 5, false).is_ok());
        assert!(halvings("channels", [28, 28, 1], 6, false).is_err());
        assert!(halvings("channels", [28, 28, 1], 2, true).is_ok());
        assert!(halvings("channels", [28, 28, 1], 3, true).is_err());
    }
}
