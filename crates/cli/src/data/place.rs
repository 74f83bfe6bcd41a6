//! The place of one side of a data set for image-to-image translation, and its images.

use super::arrangement::{Arrangement, File, arrange_all, arrange_parts};
use super::channels::convert;
use super::dataset::{ONLY_CLASS, SizedSplit, Split, Splits};
use super::fit::fit_split;
use super::folder::{Decoded, read_arranged};
use super::formats::Format;
use crate::config::data::DataOptions;
use crate::io::error::Result;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The place of one side.
pub(super) enum Place {
    /// A source.
    Source(String),
    /// A folder of each part, in `root`.
    Parts { root: PathBuf, train: PathBuf, test: Option<PathBuf> },
}

impl Place {
    /// The path, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Source(source) => source.clone(),
            Self::Parts { train, .. } => train.display().to_string(),
        }
    }

    fn arrangement(&self) -> Result<Arrangement> {
        match self {
            Self::Source(source) => arrange_all(Path::new(source)),
            Self::Parts { train, test, .. } => arrange_parts(train, test.as_deref()),
        }
    }

    /// The files of a folder of images, without an order; none of another source.
    pub(super) fn image_files(&self) -> Result<Vec<File>> {
        let is_folder = match self {
            Self::Source(source) => Format::of(source)?.any_size(),
            Self::Parts { .. } => true,
        };
        // A folder without images is refused when it is read.
        let arrangement = is_folder.then(|| self.arrangement().ok()).flatten();
        Ok(arrangement.into_iter().flat_map(|arrangement| arrangement.parts).flatten().collect())
    }

    /// All images, fitted as `options` ask, with one label and the channels of one of them that has most.
    pub(super) fn read(&self, options: &DataOptions) -> Result<Decoded> {
        let mut decoded = match self {
            Self::Source(source) => {
                Format::of(source)?.read(&DataOptions { source: source.clone(), ..options.clone() })?
            }
            Self::Parts { root, .. } => read_arranged(root, self.arrangement()?, options)?,
        };
        decoded.splits = plain(decoded.splits, options)?;
        Ok(decoded)
    }

    /// The name of an image by its path below the place: without the ending, and without the folder of its part.
    pub(super) fn key(&self, path: &str) -> String {
        let path = Path::new(path).with_extension("");
        let skipped = if let Self::Parts { .. } = self { 1 } else { 0 };
        path.components().skip(skipped).collect::<PathBuf>().display().to_string()
    }
}

/// The last component of each path, or A and B.
pub(super) fn names(places: &[Place; 2]) -> [String; 2] {
    let last = places.each_ref().map(|place| match place {
        Place::Source(source) => Path::new(source).file_name().map(|name| name.to_string_lossy().into_owned()),
        Place::Parts { .. } => None,
    });
    match last {
        [Some(a), Some(b)] if a != b => [a, b],
        _ => ["A".into(), "B".into()],
    }
}

/// The splits of a side that have images.
pub(super) fn with_images(splits: &Splits) -> impl Iterator<Item = &SizedSplit> {
    [Some(&splits.train), splits.test.as_ref()].into_iter().flatten().filter(|sized| sized.split.count > 0)
}

pub(super) fn sizes_of(splits: &Splits) -> Vec<[usize; 3]> {
    with_images(splits).map(|sized| sized.size).collect()
}

/// Fitted splits of one class, with the channels of the one that has most.
fn plain(splits: Splits, options: &DataOptions) -> Result<Splits> {
    let fitted = |sized: SizedSplit| -> Result<SizedSplit> {
        let SizedSplit { split, size } = fit_split(sized, options)?;
        Ok(SizedSplit { split: Split { labels: vec![0; split.count], ..split }, size })
    };
    let (train, test) = (fitted(splits.train)?, splits.test.map(fitted).transpose()?);
    let splits = Splits { train, test, classes: vec![ONLY_CLASS.into()] };
    let channels = channels_of(&splits);
    in_channels(splits, channels)
}

pub(super) fn channels_of(splits: &Splits) -> usize {
    sizes_of(splits).iter().map(|size| size[2]).max().unwrap_or(1)
}

pub(super) fn in_channels(splits: Splits, to: usize) -> Result<Splits> {
    let converted = |sized: SizedSplit| -> Result<SizedSplit> {
        let SizedSplit { split, size: [height, width, from] } = sized;
        let images = match split.count > 0 && from != to {
            true => split.images.map_each(height * width * from, |image| convert(image.to_vec(), from, to))?,
            false => split.images,
        };
        Ok(SizedSplit { split: Split { images, ..split }, size: [height, width, to] })
    };
    let (train, test) = (converted(splits.train)?, splits.test.map(converted).transpose()?);
    Ok(Splits { train, test, classes: splits.classes })
}

/// One id of two numbers.
pub(super) fn id_of(numbers: [u64; 2]) -> u64 {
    xxh3_64(numbers.map(u64::to_le_bytes).as_flattened())
}
