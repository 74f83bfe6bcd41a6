//! Data sets in memory: images of one size, their labels, and the names of the classes.

use super::bytes::Bytes;
use super::image_list::ImageList;
use super::pixels::Pixels;
use super::sequence::Sequence;
use flate2::Crc;
use gpu_core::ops::density::Density;
use models::noun;
use std::sync::{Arc, OnceLock};

/// Most classes of a data set: a label is a byte.
pub(super) const MAX_CLASSES: usize = 256;
/// Name of the class of images without labels.
pub(super) const ONLY_CLASS: &str = "images";

/// Images and their labels: the training set or the test set.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Split {
    /// Bytes of the images, `count` × height × width × channels; of points, four for each coordinate, an f32.
    pub images: Bytes,
    /// Class of each image.
    pub labels: Vec<u8>,
    /// Number of images.
    pub count: usize,
}

/// The two sides, A and B, of a data set for image-to-image translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sides {
    /// Two sets without pairs: the images of A, this many in the training set and in the test set, then those of B.
    /// Labels are 0 and 1, the classes the sides' names.
    Unpaired {
        /// Training images of A.
        train: usize,
        /// Test images of A.
        test: usize,
    },
    /// Pairs as images whose pixels have the channels of A, then those of B.
    Paired {
        /// Channels of A and of B.
        channels: [usize; 2],
    },
}

/// A training set and a test set, images of one size.
///
/// ```
/// use frit::config::data::DataOptions;
/// use frit::data::DataSet;
///
/// // The default is the built-in digits.
/// let digits = DataSet::load(&DataOptions::default())?;
/// assert_eq!((digits.train.count, digits.test.count), (10_000, 2_000));
/// assert_eq!([digits.height, digits.width, digits.channels], [28, 28, 1]);
///
/// let options = DataOptions { source: "shapes".into(), size: 16, ..DataOptions::default() };
/// let shapes = DataSet::load(&options)?;
/// assert_eq!(shapes.classes[usize::from(shapes.train.labels[0])], "red circle");
/// # Ok::<(), frit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataSet {
    /// Name of a built-in set, or the path that was read.
    pub name: String,
    /// Training set.
    pub train: Split,
    /// Test set.
    pub test: Split,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Bytes of a pixel: 1 for grey, 3 for red, green and blue; of pairs, those of both sides.
    pub channels: usize,
    /// Names of the classes by label; at most 256.
    pub classes: Vec<String>,
    /// The images of both sets by their content; empty for built-in data.
    pub list: ImageList,
    /// The density of a set of points. The training set is a sample of it: training draws new points in every step.
    pub points: Option<Density>,
    /// The kind of sequences, whose pieces are the images, of height 1.
    pub sequence: Option<Sequence>,
    /// The grey images that stacked ones are made of.
    pub stacked: Option<Arc<DataSet>>,
    /// The two sides of data for image-to-image translation.
    pub sides: Option<Sides>,
    /// Scans of all bytes, made once.
    variance: OnceLock<f64>,
    pub(super) side_variances: OnceLock<[f64; 2]>,
    fingerprint: OnceLock<String>,
}

impl DataSet {
    /// A data set of images of `size`: height, width and channels.
    ///
    /// # Panics
    /// When a split holds other numbers of bytes or labels than `count` images have.
    pub fn new(name: String, train: Split, test: Split, size: [usize; 3], classes: Vec<String>) -> Self {
        let [height, width, channels] = size;
        for split in [&train, &test] {
            assert_eq!(split.images.len(), split.count * height * width * channels, "bytes of {name}");
            assert_eq!(split.labels.len(), split.count, "labels of {name}");
        }
        Self {
            name,
            train,
            test,
            height,
            width,
            channels,
            classes,
            list: ImageList::default(),
            points: None,
            sequence: None,
            stacked: None,
            sides: None,
            variance: OnceLock::new(),
            side_variances: OnceLock::new(),
            fingerprint: OnceLock::new(),
        }
    }

    /// A set of points: of each, two coordinates.
    pub(super) fn of_points(density: Density, [train, test]: [Vec<f32>; 2]) -> Self {
        let split = |points: Vec<f32>| {
            let count = points.len() / 2;
            let images = points.into_iter().flat_map(f32::to_le_bytes).collect();
            Split { images, labels: vec![0; count], count }
        };
        let none =
            Self::new(density.name().into(), Split::default(), Split::default(), [1, 1, 2], vec!["points".into()]);
        Self { train: split(train), test: split(test), points: Some(density), ..none }
    }

    /// Images of a split in these rows, `rows.len()` × height × width × channels: values from 0 (black) to 1 (white),
    /// or coordinates.
    pub fn values(&self, split: &Split, rows: &[usize]) -> Vec<f32> {
        if self.points.is_none() {
            return split.values(rows);
        }
        let numbers = |row: &usize| split.image(*row).as_chunks::<4>().0;
        rows.iter().flat_map(numbers).map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// The word for one of the set: `image`, `point`, or `piece` of a sequence.
    pub fn noun(&self) -> &'static str {
        if self.sequence.is_some() { "piece" } else { noun(self.points) }
    }

    /// Numbers in an image: height × width × channels.
    pub fn pixels(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Height, width and channels, as checkpoints store them: `28x28x1`.
    pub fn picture_size(&self) -> String {
        format!("{}x{}x{}", self.height, self.width, self.channels)
    }

    /// Variance of the bytes of the training set over 255, or of the coordinates. Computed at the first call and kept.
    pub fn variance(&self) -> f64 {
        let of_points = || {
            let numbers = self.values(&self.train, &(0..self.train.count).collect::<Vec<_>>());
            let mean =
                |f: &dyn Fn(f64) -> f64| numbers.iter().map(|&x| f(f64::from(x))).sum::<f64>() / numbers.len() as f64;
            let centre = mean(&|x| x);
            mean(&|x| (x - centre).powi(2))
        };
        *self.variance.get_or_init(|| match self.points {
            None => Pixels::of(&*self.train.images).variance,
            Some(_) => of_points(),
        })
    }

    /// A data set of one black image of `size`, height × width × channels: for models that only sample.
    pub fn black(size: [usize; 3], classes: Vec<String>) -> Self {
        let split = || Split { images: vec![0; size.iter().product()].into(), labels: vec![0], count: 1 };
        Self::new("nothing".into(), split(), split(), size, classes)
    }

    /// A checksum of the set: sizes and a CRC-32 of images and labels, as `10000x28x28x1-cf9e0150`. Computed at the
    /// first call and kept.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.get_or_init(|| self.checksum()).clone()
    }

    fn checksum(&self) -> String {
        let mut crc = Crc::new();
        match self.sides {
            None => {}
            Some(Sides::Unpaired { .. }) => crc.update(b"unpaired"),
            Some(Sides::Paired { channels }) => crc.update(&channels.map(|channels| channels as u8)),
        }
        for split in [&self.train, &self.test] {
            crc.update(&split.images);
            crc.update(&split.labels);
        }
        format!("{}x{}-{:08x}", self.train.count, self.picture_size(), crc.sum())
    }
}

/// The result of a reader; a test set is held out later if there is none.
#[derive(Debug)]
pub(super) struct Splits {
    pub(super) train: SizedSplit,
    pub(super) test: Option<SizedSplit>,
    pub(super) classes: Vec<String>,
}

/// A split and the size of its images.
#[derive(Debug)]
pub(super) struct SizedSplit {
    pub(super) split: Split,
    /// Height, width and channels.
    pub(super) size: [usize; 3],
}

/// Names of classes that only have numbers: one for each label up to the highest.
pub(super) fn numbered<'a>(splits: impl Iterator<Item = &'a SizedSplit>) -> Vec<String> {
    let highest = splits.flat_map(|sized| &sized.split.labels).max().copied().unwrap_or_default();
    (0..=highest).map(|class| class.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> DataSet {
        let split = |count: usize, first: u8| Split {
            images: (0..12 * count).map(|at| at as u8 + first).collect(),
            labels: (0..count as u8).collect(),
            count,
        };
        let classes = vec!["a".into(), "b".into(), "c".into()];
        DataSet::new("here".into(), split(3, 0), split(2, 100), [2, 2, 3], classes)
    }

    #[test]
    fn the_fingerprint_covers_images_labels_and_sizes() {
        let of = |change: fn(&mut DataSet)| {
            let mut data = data();
            change(&mut data);
            data.fingerprint()
        };
        let mark = of(|_| {});
        assert!(mark.starts_with("3x2x2x3-"), "{mark}");
        assert_eq!(of(|data| data.name = "elsewhere".into()), mark);
        let changes: [fn(&mut DataSet); 9] = [
            |data| data.train.images.to_mut()[5] ^= 1,
            |data| data.train.labels[2] ^= 1,
            |data| data.test.images.to_mut()[23] ^= 1,
            |data| data.test.labels[0] ^= 1,
            |data| (data.height, data.width) = (1, 4),
            |data| (data.width, data.channels) = (6, 1),
            |data| data.sides = Some(Sides::Unpaired { train: 1, test: 1 }),
            |data| data.sides = Some(Sides::Paired { channels: [1, 2] }),
            |data| data.sides = Some(Sides::Paired { channels: [2, 1] }),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_ne!(of(change), mark, "change {number}");
        }
    }

    #[test]
    fn the_variance_is_of_the_training_set() {
        let data = data();
        let bytes: Vec<f64> = data.train.images.iter().map(|&byte| f64::from(byte) / 255.0).collect();
        let mean = bytes.iter().sum::<f64>() / 36.0;
        let expected = bytes.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 36.0;
        assert!((data.variance() - expected).abs() < 1e-12);
        assert_eq!(data.clone().variance(), data.variance());
    }
}
