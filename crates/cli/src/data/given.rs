//! All images of a source, without a split, to compare or to encode.

use super::channels::convert;
use super::dataset::{SizedSplit, Split};
use super::fit::fit_split;
use super::folder::{Decoded, Skipped};
use super::formats::Format;
use super::picture::{self, Picture};
use crate::config::data::DataOptions;
use crate::io::error::{Hint, Result, bail, error};
use crate::io::files;
use std::path::Path;

/// All images of a source, of one size.
#[derive(Clone, Debug)]
pub struct Given {
    /// The source.
    pub name: String,
    /// The images, with their labels.
    pub images: Split,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Names of the classes by label; one class if the source has no labels.
    pub classes: Vec<String>,
    /// Height and width of each image before it was fitted.
    pub sizes: Vec<[usize; 2]>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

impl Given {
    /// The same images in red, green and blue.
    pub fn in_colour(self) -> Self {
        let [height, width, channels] = self.size;
        let images = Split { images: convert(self.images.images.into_vec(), channels, 3).into(), ..self.images };
        Self { images, size: [height, width, 3], ..self }
    }

    /// The first height and width that differ from `size`, and the number of images that do.
    pub fn resized(&self) -> Option<([usize; 2], usize)> {
        let others = || self.sizes.iter().filter(|size| **size != self.size[..2]);
        Some((*others().next()?, others().count()))
    }
}

/// Reads every image of a source: of its training part, then of its test part. The source is an image file, or any
/// that a data set is read from.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) if there is no such source, it holds no readable images, or images of several
/// sizes and the options ask for none.
pub fn read_given(source: &str, options: &DataOptions) -> Result<Given> {
    let options = DataOptions { source: source.into(), ..options.of_one_side() };
    options.check()?;
    let path = Path::new(source);
    let given = match files::exists(path)? && !path.is_dir() && picture::is_named_so(path) {
        true => one_picture(path, &options)?,
        false => every_image(&options)?,
    };
    if given.images.count == 0 {
        bail!(Data, "{source} holds no readable images");
    }
    Ok(given)
}

fn one_picture(path: &Path, options: &DataOptions) -> Result<Given> {
    let name = path.display().to_string();
    let read = picture::read(path, options).map_err(|reason| error!(Data, "{name} {reason}"))?;
    let Picture { found, coloured, pixels, size, .. } = read;
    let given = Given {
        name,
        images: Split { images: pixels.into(), labels: vec![0], count: 1 },
        size,
        classes: vec![super::dataset::ONLY_CLASS.into()],
        sizes: vec![found],
        skipped: Vec::new(),
    };
    let [height, width, channels] = size;
    if options.channels != 0 || coloured {
        return Ok(given);
    }
    let images = Split { images: convert(given.images.images.into_vec(), channels, 1).into(), ..given.images };
    Ok(Given { images, size: [height, width, 1], ..given })
}

fn every_image(options: &DataOptions) -> Result<Given> {
    let Decoded { splits, sizes, skipped, .. } = Format::of(&options.source)?.read(options)?;
    let SizedSplit { split: mut images, size } = fit_split(splits.train, options)?;
    let test = splits.test.map(|test| fit_split(test, options)).transpose()?.filter(|test| test.split.count > 0);
    if let Some(test) = test {
        if images.count > 0 && test.size != size {
            bail!(
                Data,
                hint: Hint::Set("data.size".into()),
                "the training and test images of {} have different sizes; set data.size and data.channels",
                options.source
            );
        }
        images.images = images.images.then(&test.split.images)?;
        images.labels.extend(test.split.labels);
        images.count += test.split.count;
        let name = options.source.clone();
        return Ok(Given { name, images, size: test.size, classes: splits.classes, sizes, skipped });
    }
    Ok(Given { name: options.source.clone(), images, size, classes: splits.classes, sizes, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};

    #[test]
    fn a_source_gives_all_its_images() {
        let digits = read_given("digits", &DataOptions::default()).unwrap();
        assert_eq!((digits.images.count, digits.size, digits.classes.len()), (12_000, [28, 28, 1], 10));
        assert_eq!(digits.resized(), None);
        let small = read_given("digits", &DataOptions { size: 8, ..DataOptions::default() }).unwrap();
        assert_eq!((small.size, small.resized()), ([8, 8, 1], Some(([28, 28], 12_000))));
    }

    #[test]
    fn a_picture_is_a_source_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        GrayImage::from_pixel(3, 2, Luma([7])).save(path("grey.png")).unwrap();
        RgbImage::from_pixel(3, 2, Rgb([7, 8, 9])).save(path("colour.png")).unwrap();
        let read = |name: &str, options: &DataOptions| read_given(&path(name), options);
        let grey = read("grey.png", &DataOptions::default()).unwrap();
        assert_eq!((grey.size, grey.images.images.as_slice(), grey.sizes[0]), ([2, 3, 1], &[7; 6][..], [2, 3]));
        assert_eq!(grey.in_colour().images.images, [7; 18]);
        let colour = read("colour.png", &DataOptions { size: 1, ..DataOptions::default() }).unwrap();
        assert_eq!((colour.size, colour.images.images.into_vec()), ([1, 1, 3], vec![7, 8, 9]));
        std::fs::write(path("words.png"), "no picture").unwrap();
        let message = read("words.png", &DataOptions::default()).unwrap_err().to_string();
        assert!(message.contains("words.png has an unknown format"), "{message}");
        assert!(read("nosuch.png", &DataOptions::default()).unwrap_err().to_string().contains("no file or folder"));
    }
}
