//! Loading: finds the format of a source, reads it, and makes a data set of images of one size.

use super::classes;
use super::dataset::{DataSet, SizedSplit, Splits};
use super::fit::fit_split;
use super::folder::{Decoded, Skipped};
use super::formats::{Format, sources};
use super::held_out;
use crate::config::data::DataOptions;
use crate::io::error::{Hint, Result, bail};

/// Most bytes that a device can index.
const MAX_BYTES: usize = i32::MAX as usize;

/// A data set and its origin.
#[derive(Debug)]
pub struct Found {
    /// The data set.
    pub data: DataSet,
    /// Name of its format.
    pub kind: &'static str,
    /// A hash of each image of the training set and of the test set as the source has them, before images are held out:
    /// of the file's bytes in a folder, and of the image's pixels otherwise.
    pub ids: [Vec<u64>; 2],
    /// Height and width of each image before it was fitted.
    pub sizes: Vec<[usize; 2]>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

impl DataSet {
    /// Reads a data set, and logs a warning for each skipped file.
    ///
    /// # Errors
    /// A setting is invalid; or something is missing, damaged, swapped, empty, inconsistent, or larger than a device
    /// can index. The message names the file, folder or setting.
    pub fn load(options: &DataOptions) -> Result<Self> {
        let Found { data, skipped, .. } = read(options)?;
        skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        Ok(data)
    }
}

/// Reads a data set and reports its format, sizes and skipped files.
///
/// # Errors
/// Those of [`DataSet::load`].
pub fn read(options: &DataOptions) -> Result<Found> {
    options.check()?;
    let format = Format::of(&options.source)?;
    let Decoded { splits, ids, sizes, skipped } = format.read(options)?;
    Ok(Found { data: finish(splits, options)?, kind: format.name, ids, sizes, skipped })
}

/// Splits as a data set: fitted, of one size, each with images.
fn finish(Splits { train, test, mut classes }: Splits, options: &DataOptions) -> Result<DataSet> {
    let name = options.source.clone();
    let train = fit_split(train, options);
    let (mut train, mut test) = match test.map(|test| fit_split(test, options)) {
        Some(test) => (train, test),
        None => {
            let SizedSplit { split, size } = train;
            match split.count {
                0 => bail!(Data, "{name} holds no readable pictures; repair them, or use {}", sources()),
                1 => bail!(Data, "{name} holds one picture; training and testing need at least two"),
                _ => {}
            }
            let (train, test) = held_out::split(split, options.test);
            (SizedSplit { split: train, size }, SizedSplit { split: test, size })
        }
    };
    for (sized, which) in [(&train, "training"), (&test, "test")] {
        if sized.split.count == 0 {
            bail!(Data, "{name} has no readable {which} pictures; repair them, or add others");
        }
    }
    classes::drop_empty(&name, &mut train, &mut test, &mut classes);
    if test.split.count == 0 {
        bail!(Data, "no test image of {name} is of a class that has training images; add such images");
    }
    if train.size != test.size {
        let [train, test] = [train.size, test.size].map(|[h, w, c]| format!("{h}×{w}×{c}"));
        bail!(
            Data,
            hint: Hint::Set("data.size".into()),
            "the training images of {name} are {train} and its test images {test}; take both from one set, or set \
             data.size and data.channels"
        );
    }
    let [height, width, channels] = train.size;
    let pixels = height * width * channels;
    // Without a shard size, a device gets as many images as fit.
    let at_once = options.shard.min(train.split.count);
    let advice = "reduce data.shard or data.size";
    refuse_too_large(&format!("{at_once} training images of {name}"), at_once, pixels, advice)?;
    let tests = test.split.count;
    refuse_too_large(&format!("{tests} test images of {name}"), tests, pixels, "reduce data.size, or use fewer")?;
    Ok(DataSet::new(name, train.split, test.split, train.size, classes))
}

/// Refuses `count` images of `pixels` bytes each that a device cannot index.
fn refuse_too_large(what: &str, count: usize, pixels: usize, advice: &str) -> Result<()> {
    let bytes = count * pixels;
    if bytes > MAX_BYTES {
        bail!(Data, "{what} are {bytes} bytes, and a device indexes at most {MAX_BYTES}; {advice}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_channels_apply_to_every_format() {
        let asked = DataOptions { size: 32, channels: 3, ..DataOptions::default() };
        let Found { data, sizes, kind, .. } = read(&asked).unwrap();
        assert_eq!((data.picture_size().as_str(), data.train.images.len()), ("32x32x3", 10_000 * 32 * 32 * 3));
        assert_eq!((sizes.len(), sizes[0], kind), (12_000, [28, 28], "built-in digits"));
        assert!(data.test.images.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }

    #[test]
    fn more_bytes_than_a_device_can_index_are_refused() {
        let message =
            |count: usize| refuse_too_large("they", count, 1 << 30, "them").err().map(|error| error.to_string());
        assert_eq!(message(1), None);
        assert!(message(2).unwrap().starts_with("they are 2147483648 bytes, and a device indexes at most 2147483647"));
    }
}
